import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareTimes, HYBRID_ZERO, type HybridTime, tick } from '../../shared/clock.ts'
import { headerCodec } from '../../shared/wire/record.ts'

const time: fc.Arbitrary<HybridTime> = fc.record({
  ms: fc.nat({ max: 2 ** 50 }),
  count: fc.oneof(fc.nat({ max: 10 }), fc.maxSafeNat()),
})

test('a tick is always later than the last, whatever the wall clock does', () => {
  fc.assert(
    fc.property(time, fc.array(fc.nat({ max: 2 ** 50 })), (start, clock) => {
      let last = start
      for (const now of clock) {
        const next = tick(last, now)
        expect(compareTimes(next, last)).toBeGreaterThan(0)
        expect(next.ms).toBeGreaterThanOrEqual(now)
        last = next
      }
    }),
  )
})

test('a tick has an encoding, however the time before it was made up', () => {
  const zero = new Uint8Array(32)
  const rest = { room: zero, author: zero, inc: new Uint8Array(8), seq: 0, prev: zero, after: [], body: zero }
  fc.assert(
    fc.property(time, (last) => {
      const { ms, count } = tick(last, 0)
      const header = headerCodec.encode({ v: 1, ...rest, time: [ms, count], kind: 'device' })
      expect(headerCodec.decode(header)).toMatchObject({ time: [ms, count] })
    }),
  )
})

test('times are ordered by milliseconds, then by count', () => {
  expect(compareTimes({ ms: 1, count: 9 }, { ms: 2, count: 0 })).toBeLessThan(0)
  expect(compareTimes({ ms: 2, count: 1 }, { ms: 2, count: 0 })).toBeGreaterThan(0)
  expect(compareTimes(HYBRID_ZERO, HYBRID_ZERO)).toBe(0)
})

test('the wall clock is taken as it is when it has moved on', () => {
  expect(tick({ ms: 5, count: 7 }, 6)).toEqual({ ms: 6, count: 0 })
  expect(tick({ ms: 5, count: 7 }, 5)).toEqual({ ms: 5, count: 8 })
  expect(tick({ ms: 5, count: 7 }, 4)).toEqual({ ms: 5, count: 8 })
})
