import {
  checkFresh,
  checkNewer,
  type RevocationList,
  readRevocationListInTurns,
} from '../../shared/certificate/revocation-list.ts'
import type { TrustAnchor } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { CLOCK_SKEW_MS } from '../../shared/limits.ts'
import type { ListHolder } from '../../shared/network/list-exchange.ts'
import type { RevocationListStore } from '../store/revocation-list.ts'

/** Who is out, by the newest list of the root that has reached us. */
export type Revocations = ListHolder & {
  has(serial: string): boolean
  /** From when on a revoked certificate counts for nothing, milliseconds since the epoch; null for one that is not. */
  since(serial: string): number | null
  /** Why the list says less than it should: `crl-stale`, `crl-not-yet-valid`; null while it is fresh, or there is none. */
  staleness(): Refusal | null
}

export type RevocationsParts = {
  readonly anchor: TrustAnchor
  readonly store: RevocationListStore
  readonly clock: Clock
  /** A newer list is in force. */
  readonly onNewer: (list: RevocationList) => void
  /** What came was no list of our root, or an older one. */
  readonly onRefused: (refusal: Refusal) => void
}

/** Reads the stored list; one that was damaged on the disk is as none, and the next peer brings it again. */
export const openRevocations = async (parts: RevocationsParts): Promise<Revocations> => {
  const { anchor, store, clock } = parts
  const stored = store.get()
  const kept = stored === null ? null : await readRevocationListInTurns(stored, anchor.root)
  let list: RevocationList | null = kept === null || isRefusal(kept) ? null : kept
  const listeners = new Set<() => void>()

  return {
    number: () => list?.number ?? 0,
    der: () => list?.der ?? null,
    has: (serial) => list?.find(serial) !== undefined,
    since: (serial) => {
      const entry = list?.find(serial)
      if (entry === undefined) return null
      // Its owner has changed the key: what was said right before must not be lost because two clocks differ a little.
      return entry.reason === 'superseded' ? entry.date + CLOCK_SKEW_MS : entry.date
    },
    staleness: () => (list === null ? null : checkFresh(list, clock.now(), CLOCK_SKEW_MS)),
    take: async (der) => {
      const read = await readRevocationListInTurns(der, anchor.root)
      if (isRefusal(read)) {
        parts.onRefused(read)
        return
      }
      // Never back, whoever sends it; two that bring the same list at once are no fault.
      if (list !== null && checkNewer(read, list) !== null) return
      const flushed = store.put(read.der)
      list = read
      parts.onNewer(read)
      for (const listener of listeners) listener()
      await flushed // nobody's session lasts longer for it
    },
    onNewer: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
