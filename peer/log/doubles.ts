import type { Incarnation, PeerId } from '../../shared/ids.ts'
import { CLOCK_SKEW_MS } from '../../shared/limits.ts'
import type { LogId } from '../store/log-id.ts'
import type { ParsedRecord } from './record.ts'

export type DoublesParts = {
  readonly self: PeerId
  readonly incarnation: Incarnation
  /** When our own log of this incarnation began, milliseconds since the Unix epoch; null while it has nothing. */
  readonly began: () => number | null
  /** Another machine has our key, and uses it. Told once a start and incarnation. */
  readonly onDouble: () => void
}

/**
 * Looks at records of our own key that come from others. What an earlier incarnation wrote before this one began is our past,
 * which a restored backup gets back. What another one wrote later was written by a second machine; a little later it may have
 * been written before, by hybrid clocks that follow somebody's who is ahead.
 */
export const createDoubles = ({ self, incarnation, began, onDouble }: DoublesParts) => {
  const told = new Set<Incarnation>()
  return {
    witnessed: (log: LogId, { header }: ParsedRecord): void => {
      if (log.device !== self || log.incarnation === incarnation || told.has(log.incarnation)) return
      const start = began()
      if (start === null || header.time[0] <= start + CLOCK_SKEW_MS) return
      told.add(log.incarnation)
      onDouble()
    },
  }
}
