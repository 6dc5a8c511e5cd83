import type { Clock } from '../../shared/clock.ts'
import { MINUTE_MS, PULSE_MIN_MS } from '../../shared/limits.ts'

/** Work that is due at times that change. */
export type Pulse = {
  /** Something may be due sooner than it was. */
  wake(): void
  stop(): void
}

/**
 * One timer for what is due next, and never a long one: none survives a laptop's sleep.
 * @param due when to beat next, milliseconds since the epoch; null: not before something wakes it
 */
export const startPulse = (clock: Clock, due: () => number | null, beat: () => void): Pulse => {
  let timer: NodeJS.Timeout | null = null
  let at: number | null = null
  let stopped = false
  const arm = (): void => {
    const next = stopped ? null : due()
    if (next === at) return
    if (timer !== null) clearTimeout(timer)
    at = next
    timer = next === null ? null : setTimeout(ring, Math.min(MINUTE_MS, Math.max(PULSE_MIN_MS, next - clock.now())))
  }
  const ring = (): void => {
    const isDue = at !== null && at <= clock.now()
    timer = null
    at = null
    if (isDue) beat()
    arm()
  }
  arm()
  return {
    wake: arm,
    stop: () => {
      stopped = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
