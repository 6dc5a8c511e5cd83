import type { Clock } from '../../shared/clock.ts'
import { type Refusal, refuse, wordsOf } from '../../shared/errors.ts'
import { CRL_FRESH_CHECK_MS } from '../../shared/limits.ts'
import { byTheClock } from '../by-the-clock.ts'
import type { Revocations } from './revocations.ts'

export type FreshnessParts = {
  readonly revocations: Pick<Revocations, 'number' | 'staleness'>
  readonly clock: Clock
  /** Whether new sessions are refused as long as nobody knows who has been revoked. */
  readonly strict: boolean
  /** The list has become stale; told once, until it is fresh again. */
  readonly onStale: (refusal: Refusal) => void
}

export type Freshness = {
  /** `strict-stale` when nobody may be let in now. */
  barred(): Refusal | null
  stop(): void
}

/** Sees by the wall clock whether the revocation list still says who is out: the CA may be off for longer than that. */
export const watchFreshness = ({ revocations, clock, strict, onStale }: FreshnessParts): Freshness => {
  let told = false
  const look = (): void => {
    const stale = revocations.staleness()
    if (stale !== null && !told) onStale(stale)
    told = stale !== null
  }
  const stop = byTheClock({ clock, waitMs: () => CRL_FRESH_CHECK_MS, job: look })
  look()
  return {
    barred: () => {
      if (!strict) return null
      if (revocations.number() === 0) return refuse('strict-stale', 'there is no list here yet')
      const stale = revocations.staleness()
      return stale === null ? null : refuse('strict-stale', wordsOf(stale))
    },
    stop,
  }
}
