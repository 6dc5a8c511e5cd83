import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Arrivals, createArrivals } from '../../peer/log/arrivals.ts'
import type { LogId } from '../../peer/store/records.ts'
import type { Incarnation, PeerId, RoomId } from '../../shared/ids.ts'
import { ARRIVING_MS } from '../../shared/limits.ts'

const logOf = (device: string): LogId => ({
  room: 'plans' as RoomId,
  device: device as PeerId,
  incarnation: '0000000000000001' as Incarnation,
})
const [alices, bobs] = [logOf('alice'), logOf('bob')]

let arrivals: Arrivals
let grow: (log: LogId) => void
let lacking: LogId[]
const call = vi.fn()
const hear = (): void => arrivals.expect('carol/plans', () => lacking, call)

beforeEach(() => {
  vi.useFakeTimers()
  call.mockReset()
  lacking = []
  const onAdvance = (listener: (log: LogId) => void) => {
    grow = listener
    return () => undefined
  }
  arrivals = createArrivals({ onAdvance }, { now: () => Date.now() })
})
afterEach(() => {
  arrivals.stop()
  vi.useRealTimers()
})

test('what stands still is called for at once', () => {
  lacking = [alices]
  hear()
  expect(call).toHaveBeenCalledTimes(1)
})

test('what is all here is not called for', () => {
  hear()
  expect(call).not.toHaveBeenCalled()
})

test('what grows is left to grow, and is called for once it stands still', () => {
  lacking = [alices]
  grow(alices)
  hear()
  for (let at = 0; at < 20; at++) {
    vi.advanceTimersByTime(ARRIVING_MS / 2)
    grow(alices)
    hear()
  }
  expect(call).not.toHaveBeenCalled()
  vi.advanceTimersByTime(2 * ARRIVING_MS)
  expect(call).toHaveBeenCalledTimes(1)
})

test('what has come meanwhile is not called for', () => {
  lacking = [alices]
  grow(alices)
  hear()
  lacking = []
  vi.advanceTimersByTime(10 * ARRIVING_MS)
  expect(call).not.toHaveBeenCalled()
})

test('another log that stands still does not wait for the one that grows', () => {
  lacking = [alices, bobs]
  grow(alices)
  hear()
  expect(call).toHaveBeenCalledTimes(1)
})
