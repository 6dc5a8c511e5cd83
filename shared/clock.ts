/** The only place that reads the wall clock; everything else receives a `Clock`. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  now(): number
}

/** The machine's own clock: programs hand it in, tests hand in another. */
export const systemClock: Clock = { now: () => Date.now() }

/** Milliseconds since some moment; never set back, whatever happens to the wall clock. For what lasts, not for dates. */
export const monotonicClock: Clock = { now: () => performance.now() }

/** Hybrid logical time: wall-clock milliseconds, and a counter for events that share them (Kulkarni et al., 2014). */
export type HybridTime = { readonly ms: number; readonly count: number }

/** Before every event. */
export const HYBRID_ZERO: HybridTime = { ms: 0, count: 0 }

/** The time of a new local event: always after `last`, whatever the wall clock does, and whoever made `last` up. */
export const tick = (last: HybridTime, now: number): HybridTime => {
  if (now > last.ms) return { ms: now, count: 0 }
  return last.count < COUNT_MAX ? { ms: last.ms, count: last.count + 1 } : { ms: last.ms + 1, count: 0 }
}

const COUNT_MAX = 2 ** 31 // events in one millisecond; past this the time is carried on, so that it always has an encoding

/** Order by time; equal times are for the caller to break by author. */
export const compareTimes = (a: HybridTime, b: HybridTime): number => a.ms - b.ms || a.count - b.count
