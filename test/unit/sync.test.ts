import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { beyond, lacks } from '../../peer/log/sync.ts'
import { toHex } from '../../shared/ids.ts'
import type { Head } from '../../shared/wire/sync.ts'

const nameOf = ({ device, inc }: Head): string => `${device}/${toHex(inc)}`
/** What one side holds: of each log the records up to a number. */
const holding = fc.uniqueArray(
  fc.record({
    device: fc.constantFrom('alice', 'bob', 'carol'),
    inc: fc.constantFrom(0, 1, 255).map((byte) => new Uint8Array(8).fill(byte)),
    seq: fc.nat({ max: 20 }),
  }),
  { selector: nameOf },
)
/** The heads after the other side has served what lies beyond them. */
const served = (mine: readonly Head[], theirs: readonly Head[]): Head[] => {
  const heads = new Map(mine.map((head) => [nameOf(head), head]))
  for (const missing of beyond(theirs, mine)) {
    const whole = theirs.find((head) => nameOf(head) === nameOf(missing))
    if (whole !== undefined) heads.set(nameOf(whole), whole)
  }
  return [...heads.values()]
}
const sorted = (heads: readonly Head[]) => heads.map((head) => `${nameOf(head)} ${head.seq}`).sort()

describe('after both have pulled', () => {
  test('they hold the same, and lack nothing of each other', () => {
    fc.assert(
      fc.property(holding, holding, (a, b) => {
        const [fullA, fullB] = [served(a, b), served(b, a)]
        expect(sorted(fullA)).toEqual(sorted(fullB))
        expect([lacks(fullA, fullB), lacks(fullB, fullA)]).toEqual([false, false])
      }),
    )
  })

  test('nobody was sent what it had', () => {
    fc.assert(
      fc.property(holding, holding, (mine, theirs) => {
        for (const { seq, ...missing } of beyond(mine, theirs)) {
          const known = theirs.find((head) => nameOf(head) === nameOf({ ...missing, seq }))
          expect(seq).toBe(known?.seq ?? -1)
        }
      }),
    )
  })

  test('nobody lost anything', () => {
    fc.assert(
      fc.property(holding, holding, (mine, theirs) => {
        expect(lacks(served(mine, theirs), mine)).toBe(false)
      }),
    )
  })
})

test('one lacks something exactly when the other could serve it', () => {
  fc.assert(
    fc.property(holding, holding, (a, b) => {
      expect(lacks(a, b)).toBe(beyond(b, a).length > 0)
    }),
  )
})
