import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { renewalDueAt } from '../../peer/identity/renew.ts'
import {
  CERTIFICATE_BACKDATE_MS,
  CERTIFICATE_LIFETIME_MAX_MS,
  CERTIFICATE_LIFETIME_MIN_MS,
  DAY_MS,
  HOUR_MS,
} from '../../shared/limits.ts'

describe('a certificate is renewed', () => {
  /** As the CA makes it. */
  const issued = (at: number, life: number) => ({ notBefore: at - CERTIFICATE_BACKDATE_MS, notAfter: at + life })

  test('from the half of its life on', () => {
    expect(renewalDueAt(issued(0, 14 * DAY_MS), 0)).toBe(7 * DAY_MS)
    expect(renewalDueAt(issued(0, HOUR_MS), 0)).toBe(HOUR_MS / 2)
  })

  test('up to a twentieth of its life later, so that an office does not come at once', () => {
    expect(renewalDueAt(issued(0, 14 * DAY_MS), 1)).toBe(7.7 * DAY_MS)
  })

  test('never before its half and never after its end, whatever its life', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2 * CERTIFICATE_BACKDATE_MS, max: 2 ** 40 }),
        fc.integer({ min: CERTIFICATE_LIFETIME_MIN_MS, max: CERTIFICATE_LIFETIME_MAX_MS }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (at, life, jitter) => {
          const due = renewalDueAt(issued(at, life), jitter)
          expect(due).toBeGreaterThanOrEqual(at + life / 2)
          expect(due).toBeLessThan(at + life)
        },
      ),
    )
  })
})
