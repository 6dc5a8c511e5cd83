import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../shared/clock.ts'

/** How fast file bytes may go, in one direction, all transfers together. */
export type Pace = {
  /** Resolves when so many bytes may go; the signal rejects. */
  take(bytes: number, signal?: AbortSignal): Promise<void>
}

/** @param bytesPerSecond null: as fast as it goes @param clock one that only goes on, in milliseconds */
export const createPace = (bytesPerSecond: number | null, clock: Clock): Pace => {
  if (bytesPerSecond === null) return { take: () => Promise.resolve() }
  let free = clock.now()
  return {
    take: async (bytes, signal) => {
      const now = clock.now()
      free = Math.max(free, now) + (bytes / bytesPerSecond) * 1_000
      const wait = free - now - (bytes / bytesPerSecond) * 1_000
      if (wait > 0) await sleep(wait, undefined, signal === undefined ? {} : { signal })
    },
  }
}
