import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Pulse, startPulse } from '../../peer/rooms/pulse.ts'
import { DAY_MS, MINUTE_MS, PULSE_MIN_MS } from '../../shared/limits.ts'

const clock = { now: () => Date.now() }
let due: number | null = null
let beats = 0
let pulse: Pulse
beforeEach(() => {
  vi.useFakeTimers()
  due = null
  beats = 0
  pulse = startPulse(
    clock,
    () => due,
    () => {
      beats++
      due = null
    },
  )
})
afterEach(() => {
  pulse.stop()
  vi.useRealTimers()
})

test('it beats when something is due, and not before, and not again', () => {
  due = clock.now() + 1_000
  pulse.wake()
  vi.advanceTimersByTime(999)
  expect(beats).toBe(0)
  vi.advanceTimersByTime(1)
  expect(beats).toBe(1)
  vi.advanceTimersByTime(DAY_MS)
  expect(beats).toBe(1)
})

test('it is woken for what is due sooner', () => {
  due = clock.now() + MINUTE_MS
  pulse.wake()
  due = clock.now() + 100
  pulse.wake()
  vi.advanceTimersByTime(100)
  expect(beats).toBe(1)
})

test('it waits in steps for what is due in weeks: a longer timer fires at once, or after a sleep too late', () => {
  due = clock.now() + 40 * DAY_MS
  pulse.wake()
  vi.advanceTimersByTime(40 * DAY_MS - 1)
  expect(beats).toBe(0)
  vi.advanceTimersByTime(MINUTE_MS)
  expect(beats).toBe(1)
})

test('a clock that jumped is noticed within a minute', () => {
  due = clock.now() + DAY_MS
  pulse.wake()
  vi.setSystemTime(clock.now() + 2 * DAY_MS)
  vi.advanceTimersByTime(MINUTE_MS)
  expect(beats).toBe(1)
})

test('what stays due does not make it spin', () => {
  pulse.stop()
  beats = 0
  const past = clock.now() - 1
  const stuck = startPulse(
    clock,
    () => past,
    () => void beats++,
  )
  vi.advanceTimersByTime(10 * PULSE_MIN_MS)
  stuck.stop()
  expect(beats).toBeLessThanOrEqual(10)
  vi.advanceTimersByTime(1_000)
  expect(beats).toBeLessThanOrEqual(10)
})
