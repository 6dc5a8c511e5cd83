import { equal } from '../../shared/certificate/compare.ts'
import { type Lineage, type Succession, succeed } from '../../shared/certificate/lineage.ts'
import type { TrustAnchor } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'

/** Which roots this device trusts: it goes on with each that the one before certifies, and never back. */
export type Roots = {
  /** The newest root that is known, with those before it. */
  anchor(): TrustAnchor
  successions(): readonly Succession[]
  /** Goes on to the next root at once. Null also for one that is known already; else why it is not taken. */
  follow(succession: Succession): Refusal | null
  /** Resolves once the roots that are trusted are on the disk. */
  stored(): Promise<void>
  /** Called when there is a newer root. @returns a function that ends the calls */
  onNewer(listener: () => void): () => void
}

export type RootsParts = {
  readonly anchor: TrustAnchor
  /** How the anchor followed the first root; empty when it is the first. */
  readonly successions: readonly Succession[]
  readonly clock: Clock
  /** Keeps all of them for the next start. */
  readonly store: (successions: readonly Succession[]) => Promise<void>
  readonly onFollowed: (anchor: TrustAnchor) => void
}

export const createRoots = (parts: RootsParts): Roots => {
  let { anchor, successions } = parts
  let storing: Promise<void> = Promise.resolve()
  const listeners = new Set<() => void>()
  return {
    anchor: () => anchor,
    successions: () => successions,
    follow: (succession) => {
      if (successions.some(({ root }) => equal(root, succession.root))) return null
      const next = succeed(anchor, succession, parts.clock.now())
      if (isRefusal(next)) return next
      anchor = next
      successions = [...successions, succession]
      const all = successions
      storing = storing.then(() => parts.store(all))
      storing.catch(() => undefined) // whoever has to know asks `stored`; the next start learns it again
      parts.onFollowed(anchor)
      for (const listener of listeners) listener()
      return null
    },
    stored: () => storing,
    onNewer: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** How the newest root followed, for those who were away, as long as the one before it counts. @param now milliseconds since 1970 */
export const recentSuccession = (roots: Roots, now: number): { readonly succession?: Succession } => {
  const [elder] = roots.anchor().elders
  const succession = roots.successions().at(-1)
  return elder === undefined || succession === undefined || now > elder.until ? {} : { succession }
}

/** Goes on through all roots of a lineage that are not known yet: null, or why one was not taken. */
export const followAll = (roots: Roots, { successions }: Pick<Lineage, 'successions'>): Refusal | null => {
  for (const succession of successions) {
    const refused = roots.follow(succession)
    if (refused !== null) return refused
  }
  return null
}
