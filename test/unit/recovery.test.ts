import { expect, test } from 'vitest'
import { isWanted } from '../../ca-node/recovery.ts'

const recovery = { at: 0, after: 7, until: 1_007, asked: true, disabled: [] }

test.each([
  [1_009, true, 'newer than the newest here'],
  [1_008, false, 'the newest here'],
  [1_007, true, 'the last that may have been made before the restore'],
  [8, true, 'the first that may have been made after the backup'],
  [7, false, 'in the backup'],
  [0, false, 'of who has none'],
])('the list of number %i is asked for: %s, as one %s', (number, wanted) => {
  expect(isWanted(number, 1_008, recovery)).toBe(wanted)
})

test('a CA that was never put back asks only for what is newer than all that it has', () => {
  expect([8, 1_007, 1_008, 1_009].map((number) => isWanted(number, 1_008, null))).toEqual([false, false, false, true])
})
