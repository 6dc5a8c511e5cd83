import { sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { children, type Element, onlyElement, readDer, TAG } from '../../shared/certificate/der.ts'
import { readCount, readTime } from '../../shared/certificate/der-value.ts'
import { readCommonName } from '../../shared/certificate/name.ts'
import {
  boolean,
  buildSigned,
  commonName,
  embed,
  encode,
  explicit,
  integer,
  nothing,
  octets,
  oid,
  type Part,
  sequence,
  set,
  time,
  utf8,
} from '../../shared/certificate/x509.ts'
import { isRefusal, orThrow, type Refusal } from '../../shared/errors.ts'
import { fromHex } from '../../shared/ids.ts'
import { CERTIFICATE_MAX_BYTES } from '../../shared/limits.ts'
import { newKey, testNetwork } from '../support/certificates.ts'

const network = testNetwork()
const key = newKey()
const leaf = network.issue({ user: 'alice', key })

const read = <T>(der: Uint8Array, take: (root: Element) => T): T | Refusal =>
  readDer(der, 'certificate-malformed', take)
const isMalformed = (der: Uint8Array): boolean => {
  const verdict = readCertificate(der)
  return isRefusal(verdict) && verdict.code === 'certificate-malformed'
}

/** The leaf's to-be-signed part with one of its eight elements exchanged, signed by the root. */
const withPart = (index: number, part: Part): Uint8Array => {
  const { tbs } = orThrow(readCertificate(leaf))
  const parts = children(onlyElement(tbs), TAG.sequence, 8).map(({ der }, at) => (at === index ? part : embed(der)))
  return buildSigned(sequence(...parts), (body) => new Uint8Array(sign('sha256', body, network.rootKey)))
}
const withExtensions = (...list: readonly Part[]): Uint8Array => withPart(7, explicit(3, sequence(...list)))
const raw = (hex: string): Part => embed(fromHex(hex))
const validity = (from: Part, to: Part): Uint8Array => withPart(4, sequence(from, to))
const utcTime = (text: string): Part =>
  raw(`17${text.length.toString(16).padStart(2, '0')}${Buffer.from(text).toString('hex')}`)
const generalizedTime = (text: string): Part =>
  raw(`18${text.length.toString(16).padStart(2, '0')}${Buffer.from(text).toString('hex')}`)

describe('a certificate is malformed', () => {
  test('with a byte after its end', () => {
    expect(isMalformed(Buffer.concat([leaf, Buffer.of(0)]))).toBe(true)
  })

  test('over the limit', () => {
    expect(isMalformed(new Uint8Array(CERTIFICATE_MAX_BYTES + 1))).toBe(true)
  })

  test('with a length in more bytes than needed, or of no definite length', () => {
    const inner = leaf.subarray(4)
    expect(isMalformed(Buffer.concat([Buffer.of(0x30, 0x83, 0, leaf[2] ?? 0, leaf[3] ?? 0), inner]))).toBe(true)
    expect(isMalformed(Buffer.concat([Buffer.of(0x30, 0x80), inner, Buffer.of(0, 0)]))).toBe(true)
  })

  test.each([
    ['version 1', withPart(0, explicit(0, integer(0)))],
    ['a serial of zero', withPart(1, integer(0))],
    ['a negative serial', withPart(1, raw('0201ff'))],
    ['an empty serial', withPart(1, raw('0200'))],
    ['a serial of 21 bytes', withPart(1, integer(new Uint8Array(21).fill(1)))],
    ['31 February', validity(utcTime('260231000000Z'), time(Date.UTC(2026, 5, 1)))],
    ['a time without seconds', validity(utcTime('2605030900Z'), time(Date.UTC(2026, 5, 1)))],
    ['a time with an offset', validity(utcTime('260503090000+0000'), time(Date.UTC(2026, 5, 1)))],
    ['a generalized time before 2050', validity(generalizedTime('20260503090000Z'), time(Date.UTC(2026, 5, 1)))],
    ['a generalized time with fractions', validity(time(0), generalizedTime('20510503090000.5Z'))],
    ['the extension list twice empty', withPart(7, explicit(3))],
    ['an extension twice', withExtensions(...[1, 2].map(() => sequence(oid('2.5.29.19'), octets(encode(sequence())))))],
    [
      'critical written as false',
      withExtensions(sequence(oid('2.5.29.19'), boolean(false), octets(encode(sequence())))),
    ],
    ['critical written as 01', withExtensions(sequence(oid('2.5.29.19'), raw('010101'), octets(encode(sequence()))))],
    ['critical in two bytes', withExtensions(sequence(oid('2.5.29.19'), raw('0102ff00'), octets(encode(sequence()))))],
    [
      'an object identifier with a leading 80',
      withExtensions(sequence(raw('060480551d13'), octets(encode(sequence())))),
    ],
  ])('with %s', (_, der) => {
    expect(isMalformed(der)).toBe(true)
  })

  test.each([
    ['another algorithm inside than outside', withPart(2, sequence(oid('1.2.840.113549.1.1.12'), nothing()))],
    ['no parameters of the algorithm inside', withPart(2, sequence(oid('1.2.840.113549.1.1.11')))],
    ['an algorithm inside that is not taken', withPart(2, sequence(oid('1.2.840.113549.1.1.5'), nothing()))],
  ])('or names a wrong algorithm: %s', (_, der) => {
    expect(readCertificate(der)).toMatchObject({ code: 'certificate-wrong-algorithm' })
  })

  test('whatever the bytes, and without throwing', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), isMalformed))
  })

  test('nested a thousand deep', () => {
    let deep = Buffer.alloc(0)
    for (let depth = 0; depth < 1000; depth++) {
      const { length } = deep
      deep = Buffer.concat([length < 128 ? Buffer.of(0x30, length) : Buffer.of(0x30, 0x82, length >> 8, length), deep])
    }
    expect(isMalformed(deep)).toBe(true)
  })
})

test('numbers, times and texts come back as they were written', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (number) => {
      expect(read(encode(integer(number)), readCount)).toBe(number)
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(1950, 0), max: Date.UTC(9999, 11) }), (ms) => {
      expect(read(encode(time(ms)), readTime)).toBe(Math.floor(ms / 1000) * 1000)
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 64 }), (text) => {
      expect(readCommonName(commonName(text))).toBe(text)
    }),
  )
})

test('a number beyond the exact ones is refused', () => {
  expect(isRefusal(read(encode(integer(new Uint8Array(8).fill(0xff))), readCount))).toBe(true)
})

test('a name is one common name in UTF-8, or it is not read', () => {
  const attribute = (type: string, value: Part): Part => sequence(oid(type), value)
  const cn = attribute('2.5.4.3', utf8('alice'))
  const names = [
    sequence(),
    sequence(set(cn), set(cn)),
    sequence(set(cn, attribute('2.5.4.10', utf8('x')))),
    sequence(set(attribute('2.5.4.10', utf8('alice')))),
    sequence(set(attribute('2.5.4.3', raw('1305616c696365')))),
    sequence(set(attribute('2.5.4.3', raw('0c01ff')))),
  ]
  for (const name of names) expect(readCommonName(encode(name))).toBe(null)
})
