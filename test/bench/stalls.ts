import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'

/** How long the event loop was held up, from now on. */
export type Stalls = {
  /** Ends the watch. @returns milliseconds of the longest */
  longest(): number
}

export const watchStalls = (): Stalls => {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  return {
    longest: () => {
      delays.disable()
      return Math.max(0, delays.max / 1e6 - RESOLUTION_MS)
    },
  }
}

/**
 * How long single turns of the event loop were, from now on, in milliseconds of processor: what other programs take from us
 * does not count. It keeps the loop turning, so it is for work that is short.
 */
export const watchTurns = (): Stalls => {
  let longest = 0
  let last = threadMs()
  let watching = true
  const look = (): void => {
    const now = threadMs()
    longest = Math.max(longest, now - last)
    last = now
    if (watching) setImmediate(look)
  }
  setImmediate(look)
  return {
    longest: () => {
      watching = false
      return longest
    },
  }
}

const threadMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

/** What other programs on this machine do to an event loop that does nothing, milliseconds: the measure of all stalls. */
export const idleStall = async (): Promise<number> => {
  const stalls = watchStalls()
  await pause(IDLE_MS)
  return stalls.longest()
}

const RESOLUTION_MS = 1
const IDLE_MS = 1_000
