import { isFromNewest, rootsOf } from '../../shared/certificate/lineage.ts'
import type { RevocationEntry } from '../../shared/certificate/revocation-entry.ts'
import {
  checkFresh,
  checkNewer,
  type RevocationList,
  readRevocationListInTurns,
} from '../../shared/certificate/revocation-list.ts'
import type { TrustAnchor, VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { CLOCK_SKEW_MS } from '../../shared/limits.ts'
import type { ListHolder } from '../../shared/network/list-exchange.ts'
import type { Roots } from '../identity/roots.ts'
import type { RevocationListStore } from '../store/revocation-list.ts'
import { stillKept } from './kept-lists.ts'

/** When the revocation list that is held was made, and until when it is fresh: milliseconds since the epoch; null: there is none. */
export type ListTimes = { readonly made: number | null; readonly until: number | null }

/** Who is out, by the newest list of our roots that has reached us. */
export type Revocations = ListHolder & {
  times(): ListTimes
  has(serial: string): boolean
  /** From when on a revoked certificate counts for nothing, milliseconds since the epoch; null for one that is not. */
  since(device: VerifiedDevice): number | null
  /** Whether a device was put out by others than its owner, who may just have changed the key: its word counts no more. */
  disowned(device: VerifiedDevice): boolean
  /** Why the list says less than it should: `crl-stale`, `crl-not-yet-valid`; null while it is fresh, or there is none. */
  staleness(): Refusal | null
}

export type RevocationsParts = {
  readonly roots: Roots
  readonly store: RevocationListStore
  readonly clock: Clock
  /** A newer list is in force. */
  readonly onNewer: (list: RevocationList) => void
  /** What came was no list of our root, or an older one. */
  readonly onRefused: (refusal: Refusal) => void
}

/** Reads the stored list; one that was damaged on the disk is as none, and the next peer brings it again. */
export const openRevocations = async (parts: RevocationsParts): Promise<Revocations> => {
  const { roots, store, clock } = parts
  const stored = store.get()
  const kept = stored === null ? null : await readKept(stored, roots)
  let list: RevocationList | null = kept === null || isRefusal(kept) ? null : kept
  /** Older ones that say more. */
  let older: readonly RevocationList[] = (await Promise.all(store.kept().map((der) => readKept(der, roots)))).flatMap(
    (one) => (isRefusal(one) ? [] : [one]),
  )
  const listeners = new Set<() => void>()
  const find = (serial: string): RevocationEntry | undefined => {
    let entry = list?.find(serial)
    for (const one of older) entry ??= one.find(serial)
    return entry
  }

  const take = async (der: Uint8Array): Promise<void> => {
    // A root that another has followed makes no lists any more: perhaps somebody else has its key.
    const read = await readRevocationListInTurns(der, roots.anchor().root)
    if (isRefusal(read)) {
      parts.onRefused(read)
      return
    }
    // Never back, whoever sends it; two that bring the same list at once are no fault.
    const newest = list === null || checkNewer(read, list) === null ? read : list
    const before = [...(list === null ? [] : [list]), ...older]
    const rest = [...before, read].filter(({ number }) => number !== newest.number)
    const next = await stillKept(rest, newest, clock.now())
    if (newest === list && next.length === older.length && next.every((one) => older.includes(one))) return
    const flushed = store.put(
      newest.der,
      next.map((one) => one.der),
    )
    list = newest
    older = next
    parts.onNewer(newest)
    for (const listener of listeners) listener()
    await flushed // nobody's session lasts longer for it
  }
  // One at a time: each is held against what the one before has left.
  let line: Promise<void> = Promise.resolve()

  return {
    number: () => list?.number ?? 0,
    der: () => list?.der ?? null,
    kept: () => older,
    has: (serial) => find(serial) !== undefined,
    since: ({ serial, certificate }) => outSince(find(serial), certificate, roots.anchor()),
    disowned: ({ serial }) => isDisowned(find(serial)),
    staleness: () => (list === null ? null : checkFresh(list, clock.now(), CLOCK_SKEW_MS)),
    times: () => ({ made: list?.thisUpdate ?? null, until: list?.nextUpdate ?? null }),
    take: (der) => {
      const turn = line.then(() => take(der))
      line = turn.catch(() => undefined)
      return turn
    },
    generation: () => roots.anchor().generation,
    successionsAfter: (generation) => roots.successions().slice(Math.max(0, generation - 1)),
    follow: (succession) => {
      const refused = roots.follow(succession)
      if (refused !== null) parts.onRefused(refused)
    },
    onNewer: (listener) => {
      listeners.add(listener)
      const end = roots.onNewer(listener)
      return () => {
        listeners.delete(listener)
        end()
      }
    },
  }
}

/** From when on a certificate with this entry counts for nothing, milliseconds since the epoch; null: it counts. */
export const outSince = (
  entry: RevocationEntry | undefined,
  certificate: Uint8Array,
  anchor: TrustAnchor,
): number | null => {
  if (entry === undefined) return null
  if (entry.reason !== 'superseded') return entry.date
  // Put out of use with its root: that says nothing against its device, which goes on with its log under a newer one.
  if (!isFromNewest(certificate, anchor)) return null
  // Its owner has changed the key: what was said right before must not be lost because two clocks differ a little.
  return entry.date + CLOCK_SKEW_MS
}

/** Whether others than its owner have put a certificate with this entry out. */
export const isDisowned = (entry: RevocationEntry | undefined): boolean =>
  entry !== undefined && entry.reason !== 'superseded'

/** The list as it was taken, by whichever root was the newest then. */
const readKept = async (der: Uint8Array, roots: Roots): Promise<RevocationList | Refusal> => {
  let read: RevocationList | Refusal = refuse('crl-wrong-issuer')
  for (const root of rootsOf(roots.anchor())) {
    read = await readRevocationListInTurns(der, root)
    if (!isRefusal(read)) return read
  }
  return read
}
