import { expect, test } from 'vitest'
import { prekeyErasureDue, prekeyIdOf, prekeyRotationDue } from '../../peer/group/prekeys.ts'
import { toHex } from '../../shared/ids.ts'
import { PREKEY_ERASE_MS, PREKEY_LIFETIME_MS } from '../../shared/limits.ts'

const created = 1_700_000_000_000

test("a prekey's id is the first 8 bytes of its SHA-256", () => {
  expect(toHex(prekeyIdOf(new Uint8Array(0)))).toBe('e3b0c44298fc1c14')
})

test('a prekey rotates at the end of its lifetime, not before', () => {
  expect(prekeyRotationDue({ created }, created)).toBe(false)
  expect(prekeyRotationDue({ created }, created + PREKEY_LIFETIME_MS - 1)).toBe(false)
  expect(prekeyRotationDue({ created }, created + PREKEY_LIFETIME_MS)).toBe(true)
})

test('a prekey from the future rotates at once: the clock was wrong, and would keep the key for ever', () => {
  expect(prekeyRotationDue({ created }, created - 1)).toBe(true)
})

test('the secret of a rotated prekey is erased 72 hours later, not before', () => {
  expect(prekeyErasureDue(created, created + PREKEY_ERASE_MS - 1)).toBe(false)
  expect(prekeyErasureDue(created, created + PREKEY_ERASE_MS)).toBe(true)
})
