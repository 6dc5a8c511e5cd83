import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { byTheClock } from '../../peer/by-the-clock.ts'
import { startCaLink } from '../../peer/network/ca-link.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CA_SIGHT_MS, HOUR_MS, SECOND_MS, WALL_TICK_MS } from '../../shared/limits.ts'
import type { Node } from '../../shared/network/node.ts'
import { manualClock } from '../support/enrolment.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

/** Time as it passes for a machine that is awake: for its timers, and for the wall clock. */
const pass = async (clock: ReturnType<typeof manualClock>, ms: number): Promise<void> => {
  for (let left = ms; left > 0; left -= WALL_TICK_MS) {
    clock.advance(Math.min(left, WALL_TICK_MS))
    await vi.advanceTimersByTimeAsync(WALL_TICK_MS)
  }
}

describe('work by the wall clock', () => {
  const begin = (waitMs: number) => {
    const clock = manualClock(1_000_000)
    const done: number[] = []
    const stop = byTheClock({ clock, waitMs: () => waitMs, job: () => done.push(clock.now() - 1_000_000) })
    return { clock, done, stop }
  }

  test('is done each time that so much has passed, until it is stopped', async () => {
    const { clock, done, stop } = begin(10 * SECOND_MS)
    await pass(clock, 25 * SECOND_MS)
    expect(done).toEqual([10 * SECOND_MS, 20 * SECOND_MS])
    stop()
    await pass(clock, 25 * SECOND_MS)
    expect(done).toHaveLength(2)
  })

  test('is done at once after a sleep, in which no timer ran, and once, however long it was', async () => {
    const { clock, done } = begin(HOUR_MS)
    clock.advance(30 * HOUR_MS)
    await pass(clock, SECOND_MS)
    expect(done).toEqual([30 * HOUR_MS + SECOND_MS])
    await pass(clock, 60 * SECOND_MS)
    expect(done).toHaveLength(1)
  })

  test('is not put off for hours by a clock that was set back', async () => {
    const { clock, done } = begin(10 * SECOND_MS)
    await pass(clock, 5 * SECOND_MS)
    clock.advance(-3 * HOUR_MS)
    await pass(clock, 12 * SECOND_MS)
    expect(done).toHaveLength(1)
  })
})

describe('a peer looks for its CA', () => {
  /** When it dials, in ms from its start, where chance says always the same. */
  const looks = async (chance: number): Promise<number[]> => {
    const clock = manualClock(0)
    const dials: number[] = []
    const node = {
      connections: () => [],
      onConnection: () => () => undefined,
      dial: () => {
        dials.push(clock.now())
        return Promise.reject(new Error('away'))
      },
    } as unknown as Node
    const ca = { caPeerId: 'ca' as PeerId, addresses: ['/ip4/192.0.2.7/tcp/4100'] }
    const random = { bytes: (length: number) => new Uint8Array(length).fill(chance) }
    const stop = startCaLink({ node, ca, clock, random, onSight: () => undefined })
    await pass(clock, 2 * CA_SIGHT_MS)
    stop()
    return dials
  }

  test('at its start, and then after half a minute to a minute, as chance has it: not everybody comes in one second', async () => {
    expect(await looks(0)).toEqual([0, CA_SIGHT_MS, 2 * CA_SIGHT_MS])
    expect(await looks(128)).toEqual([0, 0.75 * CA_SIGHT_MS, 1.5 * CA_SIGHT_MS])
    expect(await looks(255)).toEqual([0, 31 * SECOND_MS, 62 * SECOND_MS, 93 * SECOND_MS])
  })
})
