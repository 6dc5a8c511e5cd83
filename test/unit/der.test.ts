import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { children, type Element, enter, leave, readDer, TAG } from '../../shared/certificate/der.ts'
import {
  generalizedTimeOf,
  readBits,
  readNamedBits,
  readNatural,
  readOid,
  readPositive,
  readTime,
  readTrue,
} from '../../shared/certificate/der-value.ts'
import { encode, integer, octets, oid, sequence, time } from '../../shared/certificate/x509.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { fromHex } from '../../shared/ids.ts'

const read = <T>(hex: string, take: (root: Element) => T): T | Refusal =>
  readDer(fromHex(hex), 'certificate-malformed', take)
const bytesOf = (hex: string) => read(hex, ({ body }) => Buffer.from(body).toString('hex'))
const isRefused = <T>(hex: string, take: (root: Element) => T): boolean => isRefusal(read(hex, take))
const text = (tag: string, ascii: string): string =>
  `${tag}${ascii.length.toString(16).padStart(2, '0')}${Buffer.from(ascii).toString('hex')}`

describe('one element', () => {
  test('is read with its length in the fewest octets', () => {
    expect(bytesOf('0400')).toBe('')
    expect(bytesOf(`047f${'aa'.repeat(127)}`)).toBe('aa'.repeat(127))
    expect(bytesOf(`048180${'aa'.repeat(128)}`)).toBe('aa'.repeat(128))
    expect(bytesOf(`04820100${'aa'.repeat(256)}`)).toBe('aa'.repeat(256))
  })

  test.each([
    ['nothing', ''],
    ['a tag alone', '04'],
    ['a byte after its end', '040000'],
    ['a byte too few', '0402aa'],
    ['a length that breaks off', '0482'],
    ['a short length in the long form', `04817f${'aa'.repeat(127)}`],
    ['a length with a leading zero', `04820080${'aa'.repeat(128)}`],
    ['an indefinite length', '24800401000000'],
    ['a length of 4 GiB', '0484ffffffff'],
    ['a length of 5 octets', '04850000000001aa'],
    ['a tag of two octets', '1f810100'],
    ['end of contents', '0000'],
  ])('is refused: %s', (_, hex) => {
    expect(isRefused(hex, () => true)).toBe(true)
  })

  test('is refused over the limit, before it is looked at', () => {
    const looked = readDer(new Uint8Array(11), 'crl-malformed', () => true, 10)
    expect(looked).toMatchObject({ code: 'crl-malformed', detail: '11 bytes, at most 10' })
  })
})

test('an element has as many parts as are asked for', () => {
  const count = (length?: number | readonly [number, number]) => (root: Element) =>
    children(root, TAG.sequence, length).length
  expect(read('3006050005000500', count())).toBe(3)
  expect(read('3006050005000500', count([1, 3]))).toBe(3)
  for (const length of [2, 4, 0, [0, 2], [4, 5]] as const) {
    expect(isRefused('3006050005000500', count(length))).toBe(true)
  }
  expect(isRefused('3106050005000500', count(3))).toBe(true)
})

test('a cursor leaves an element only at its end', () => {
  const bytes = encode(sequence(integer(1), integer(2)))
  const walk = (steps: number) => {
    const cursor = { bytes, at: 0 }
    const end = enter(cursor, TAG.sequence)
    for (let step = 0; step < steps; step++) cursor.at = enter(cursor, TAG.integer)
    leave(cursor, end)
  }
  expect(() => walk(2)).not.toThrow()
  expect(() => walk(1)).toThrow()
  expect(() => walk(3)).toThrow()
  expect(() => enter({ bytes: encode(octets(new Uint8Array())), at: 0 }, TAG.integer)).toThrow()
})

describe('values', () => {
  test('identifiers come back as they were written', () => {
    const arcs = fc.tuple(fc.constantFrom('0', '1', '2'), fc.nat(39), fc.array(fc.nat(2 ** 31 - 1), { maxLength: 8 }))
    fc.assert(
      fc.property(arcs, ([top, second, rest]) => {
        const dotted = [top, second, ...rest].join('.')
        expect(readDer(encode(oid(dotted)), 'certificate-malformed', readOid)).toBe(dotted)
      }),
    )
    expect(read('0603883703', readOid)).toBe('2.999.3')
  })

  test.each(['0600', '060180', '0603558001', '0603801d13', '060a89ffffffffffffffff7f', '0403551d13'])(
    'an identifier %s is refused',
    (hex) => {
      expect(isRefused(hex, readOid)).toBe(true)
    },
  )

  test.each([
    ['020100', 0],
    ['02017f', 127],
    ['02020080', 128],
    ['02071fffffffffffff', Number.MAX_SAFE_INTEGER],
  ])('the number %s is %d', (hex, number) => {
    expect(read(hex, readNatural)).toBe(number)
  })

  test.each(['0200', '0201ff', '020180', '02020000', '0202007f', '0202ff80', '020720000000000000', '0a0101'])(
    'the number %s is refused',
    (hex) => {
      expect(isRefused(hex, readNatural)).toBe(true)
    },
  )

  test('a positive number is not zero', () => {
    expect(isRefused('020100', readPositive)).toBe(true)
    expect(read('020101', readPositive)).toEqual(Uint8Array.of(1))
  })

  test('there is one TRUE', () => {
    expect(read('0101ff', readTrue)).toBe(true)
    for (const hex of ['010100', '010101', '0102ffff', '0100', '0201ff']) expect(isRefused(hex, readTrue)).toBe(true)
  })

  test.each([
    ['03020780', 0b1],
    ['030206c0', 0b11],
    ['03020106', 0b110_0000],
    ['0303070080', 0b1_0000_0000],
    ['03020001', 0b1000_0000],
  ])('the bits %s are %d', (hex, bits) => {
    expect(read(hex, readNamedBits)).toBe(bits)
  })

  test.each([
    '0300',
    '030100',
    '03020000',
    '03020700',
    '03020880',
    '03020680',
    '03020781',
    '0303008000',
    '030400800001',
  ])('the bits %s are refused', (hex) => {
    expect(isRefused(hex, readNamedBits)).toBe(true)
  })

  test('a bit string of whole bytes has no bits left over', () => {
    expect(read('03020080', readBits)).toEqual(Uint8Array.of(0x80))
    for (const hex of ['0300', '03020780', '230403020080']) expect(isRefused(hex, readBits)).toBe(true)
  })
})

describe('times', () => {
  test('are what Date says that they are, in any year', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(9999, 11, 31) / 1000 }), (seconds) => {
        expect(readDer(encode(time(seconds * 1000)), 'certificate-malformed', readTime)).toBe(seconds * 1000)
      }),
    )
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(1000, 0) / 1000, max: Date.UTC(9999, 11, 31) / 1000 }), (seconds) => {
        const digits = new Date(seconds * 1000).toISOString().replace(/\.\d+|[-:T]/g, '')
        expect(generalizedTimeOf(Buffer.from(digits), 0, 15)).toBe(seconds * 1000)
      }),
    )
  })

  test.each([
    ['17', '240229000000Z'],
    ['17', '000229000000Z'],
    ['17', '491231235959Z'],
    ['17', '500101000000Z'],
    ['18', '20500101000000Z'],
    ['18', '24000229000000Z'],
  ])('%s %s is one', (tag, digits) => {
    expect(isRefused(text(tag, digits), readTime)).toBe(false)
  })

  test.each([
    ['17', '250229000000Z'],
    ['17', '260431000000Z'],
    ['17', '261301000000Z'],
    ['17', '260001000000Z'],
    ['17', '260100000000Z'],
    ['17', '260101240000Z'],
    ['17', '260101006000Z'],
    ['17', '260101000060Z'],
    ['17', '2601010000000'],
    ['17', '260101000000z'],
    ['17', '2601010000Z'],
    ['17', '260101000000+0000'],
    ['17', '26010100000 Z'],
    ['17', '-60101000000Z'],
    ['17', '20500101000000Z'],
    ['18', '20491231235959Z'],
    ['18', '21000229000000Z'],
    ['18', '20510101000000.5Z'],
    ['18', '510101000000Z'],
    ['16', '260101000000Z'],
  ])('%s %s is none', (tag, digits) => {
    expect(isRefused(text(tag, digits), readTime)).toBe(true)
  })
})
