import { decodeFirst, encode, rfc8949EncodeOptions, type Token, Tokenizer } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCbor } from '../../shared/cbor-reader.ts'
import { writeCbor } from '../../shared/cbor-writer.ts'

// `cborg`, made as strict as it goes, and stricter where it is not: ours must read and refuse the same.
const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  tags: [],
  retainStringBytes: true,
}
class Strict extends Tokenizer {
  override next(): Token {
    const head = this.data[this.pos()] ?? 0
    if (head >= 0xf9 && head <= 0xfb) throw new Error('a float')
    const token = super.next()
    const { value, byteValue } = token
    if (head >> 5 === 3 && byteValue !== undefined && Buffer.compare(Buffer.from(String(value)), byteValue) !== 0) {
      throw new Error('text that is not UTF-8')
    }
    return token
  }
}

const REFUSED = 'refused'
const theirs = (bytes: Uint8Array): unknown => {
  try {
    const [value, rest] = decodeFirst(bytes, { ...STRICT, tokenizer: new Strict(bytes, STRICT) })
    // No message has such a key, and ours takes none at all.
    if (hasProto(value)) return REFUSED
    return { value, end: bytes.byteLength - rest.byteLength }
  } catch {
    return REFUSED
  }
}
const hasProto = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !(value instanceof Uint8Array) &&
  (Object.hasOwn(value, '__proto__') || Object.values(value).some(hasProto))
const ours = (bytes: Uint8Array): unknown => {
  try {
    return readCbor(bytes)
  } catch {
    return REFUSED
  }
}

const bytes = (constraints: fc.IntArrayConstraints) => fc.uint8Array(constraints).map((some) => new Uint8Array(some))
const { value: values } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.integer({ min: -(2 ** 53 - 1), max: 2 ** 53 - 1 }),
    fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, -24, -25, -(2 ** 53 - 1)),
    fc.string({ unit: 'binary', maxLength: 40 }),
    bytes({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(fc.string({ unit: 'grapheme', maxLength: 30 }), tie('value'), { maxKeys: 30, noNullPrototype: true }),
  ),
}))
const encoded = values.map((value) => new Uint8Array(encode(value, rfc8949EncodeOptions)))

describe('CBOR is written as cborg writes it', () => {
  test('whatever a message may hold', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(writeCbor(value)).toEqual(new Uint8Array(encode(value, rfc8949EncodeOptions)))
      }),
      { numRuns: 500 },
    )
  })

  test('keys of all lengths and scripts, in their order', () => {
    const keys = [
      'b',
      'a',
      'aa',
      'é',
      'zz',
      'ß',
      '漢',
      '😀',
      'a'.repeat(23),
      'a'.repeat(24),
      'b'.repeat(24),
      'a'.repeat(300),
      '',
    ]
    const value = Object.fromEntries(keys.map((key, at) => [key, at]))
    expect(writeCbor(value)).toEqual(new Uint8Array(encode(value, rfc8949EncodeOptions)))
  })

  test.for([undefined, 1.5, Number.NaN, 2 ** 53, -(2 ** 53), [undefined], { a: undefined }])(
    '%s is written as what nobody reads',
    (value) => {
      expect(ours(writeCbor(value))).toBe(REFUSED)
    },
  )

  test.for([1n, () => 1, Symbol('a')])('%s is not written', (value) => {
    expect(() => writeCbor(value)).toThrow()
  })
})

describe('CBOR is read as cborg would, made strict', () => {
  test('what is encoded', () => {
    fc.assert(
      fc.property(encoded, bytes({ maxLength: 3 }), (whole, more) => {
        const both = Uint8Array.from([...whole, ...more])
        expect(ours(both)).toEqual(theirs(both))
        expect(ours(both)).not.toBe(REFUSED)
      }),
      { numRuns: 300 },
    )
  })

  test('what is altered, cut short, or no CBOR at all', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 })
    fc.assert(
      fc.property(fc.oneof(encoded, bytes({ maxLength: 40 })), changes, fc.nat(), (whole, altered, cut) => {
        const some = new Uint8Array(whole)
        for (const [at, byte] of altered) if (some.byteLength > 0) some[at % some.byteLength] = byte
        expect(ours(some)).toEqual(theirs(some))
        const short = some.subarray(0, cut % (some.byteLength + 1))
        expect(ours(short)).toEqual(theirs(short))
      }),
      { numRuns: 2_000 },
    )
  })

  test('every first byte, with little and with much behind it', () => {
    for (let head = 0; head < 256; head++) {
      for (const rest of ['', '00', '17', '18', 'ff', '0000', '0100', '00000000', '00010000', '0000000100000000']) {
        for (const fill of [0, 0x61, 0xff]) {
          const some = Uint8Array.from([head, ...Buffer.from(rest, 'hex'), ...new Array<number>(40).fill(fill)])
          expect([head, rest, fill, ours(some)]).toEqual([head, rest, fill, theirs(some)])
        }
      }
    }
  })

  test.for([
    ['a number of 2^53', '1b0020000000000000'],
    ['a number of −2^53', '3b001fffffffffffff'],
    ['a byte order mark', '63efbbbf'],
    ['half a character', '61c3'],
    ['a half of a pair', '63eda080'],
    ['a list of more than there is', '9b001fffffffffffff'],
    ['bytes of more than there are', '5a7fffffff00'],
    ['a key twice', 'a2616100616101'],
    ['no text as a key', 'a10000'],
    ['__proto__', 'a1695f5f70726f746f5f5f00'],
  ] as const)('refuses %s', ([_what, hex]) => {
    expect(ours(new Uint8Array(Buffer.from(hex, 'hex')))).toBe(REFUSED)
  })

  test('lists in lists without end take no memory', () => {
    expect(() => readCbor(new Uint8Array(1_000_000).fill(0x81))).toThrow('nested')
  })

  test('byte strings keep nothing else alive', () => {
    const frame = new Uint8Array([0x42, 1, 2, 3])
    const { value } = readCbor(frame) as { value: Uint8Array }
    frame.fill(9)
    expect(value).toEqual(new Uint8Array([1, 2]))
    expect(value.buffer.byteLength).toBe(2)
  })
})
