import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leaksIn } from '../support/leaks.ts'

const secret = 'correct horse battery'
const around = fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 20 }))

test('a secret is found as it is, in UTF-16, in hex and in base64, wherever it stands', () => {
  fc.assert(
    fc.property(around, ([before, after]) => {
      const whole = Buffer.concat([before, Buffer.from(secret), after])
      const wide = Buffer.concat([before, Buffer.from(secret, 'utf16le'), after])
      const written = (['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(whole.toString(form)))
      for (const capture of [whole, wide, ...written]) {
        expect(leaksIn([new Uint8Array(), capture], { password: secret })).not.toEqual([])
      }
    }),
  )
})

test('and not found where it is not', () => {
  const other = Buffer.from('correct horse batter')
  for (const form of ['hex', 'base64', 'base64url', 'utf8'] as const) {
    expect(leaksIn([Buffer.from(other.toString(form))], { password: secret })).toEqual([])
  }
})
