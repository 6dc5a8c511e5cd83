import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renewalDueAt } from '../../peer/identity/renew.ts'
import { DAY_MS } from '../../shared/limits.ts'

describe('a certificate is renewed', () => {
  const fortnight = { notBefore: 0, notAfter: 14 * DAY_MS }

  test('from the half of its life on', () => {
    expect(renewalDueAt(fortnight, 0)).toBe(7 * DAY_MS)
  })

  test('up to a twentieth of its life later, so that an office does not come at once', () => {
    expect(renewalDueAt(fortnight, 1)).toBe(7.7 * DAY_MS)
  })

  test('never before its half and never after its end, whatever its life', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 40),
        fc.integer({ min: 1, max: 90 * DAY_MS }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (from, life, jitter) => {
          const due = renewalDueAt({ notBefore: from, notAfter: from + life }, jitter)
          expect(due).toBeGreaterThanOrEqual(from + life / 2)
          expect(due).toBeLessThan(from + life)
        },
      ),
    )
  })
})
