import type { Clock } from '../shared/clock.ts'
import { WALL_TICK_MS } from '../shared/limits.ts'

export type ClockWork = {
  readonly clock: Clock
  /** Milliseconds of the wall clock from one call to the next, asked anew each time. */
  readonly waitMs: () => number
  readonly job: () => void
}

/**
 * Calls a job again and again by the wall clock. A timer alone would not do: it stands still while a laptop sleeps, and
 * knows nothing of a clock that is set. @returns a function that ends it
 */
export const byTheClock = ({ clock, waitMs, job }: ClockWork): (() => void) => {
  let last = clock.now()
  let wait = waitMs()
  const timer = setInterval(() => {
    const now = clock.now()
    if (now < last) last = now // set back: the wait begins again, and does not last for years
    if (now < last + wait) return
    last = now
    wait = waitMs()
    job()
  }, WALL_TICK_MS)
  return () => clearInterval(timer)
}
