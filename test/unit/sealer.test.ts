import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSealer } from '../../peer/store/sealer.ts'
import { systemRandom } from '../../shared/random.ts'

const sealer = createSealer(new Uint8Array(32).fill(1), systemRandom)
const refused = expect.objectContaining({ code: 'profile-damaged' })

test('what is sealed opens in its place', () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 200 }), (place, bytes) => {
      expect(sealer.open(place, sealer.seal(place, bytes))).toEqual(new Uint8Array(bytes))
    }),
  )
})

test('it does not open in another place', () => {
  const sealed = sealer.seal('records.key.a', Uint8Array.of(1, 2, 3))
  expect(() => sealer.open('records.key.b', sealed)).toThrow(refused)
  expect(() => sealer.open('', sealed)).toThrow(refused)
})

test('it does not open when one bit is another, or a byte is missing or more', () => {
  const sealed = sealer.seal('here', Uint8Array.of(1, 2, 3))
  for (let bit = 0; bit < sealed.byteLength * 8; bit++) {
    const altered = sealed.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    expect(() => sealer.open('here', altered)).toThrow(refused)
  }
  for (let length = 0; length < sealed.byteLength; length++) {
    expect(() => sealer.open('here', sealed.subarray(0, length))).toThrow(refused)
  }
  expect(() => sealer.open('here', Buffer.concat([sealed, Uint8Array.of(0)]))).toThrow(refused)
})

test('it does not open under another key', () => {
  const other = createSealer(new Uint8Array(32).fill(2), systemRandom)
  expect(() => other.open('here', sealer.seal('here', Uint8Array.of(1)))).toThrow(refused)
})

test('the same bytes are never sealed alike', () => {
  expect(sealer.seal('here', Uint8Array.of(1))).not.toEqual(sealer.seal('here', Uint8Array.of(1)))
})
