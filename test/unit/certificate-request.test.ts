import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { children, onlyElement, TAG } from '../../shared/certificate/der.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { createRequest, readRequest } from '../../shared/certificate/request.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import {
  buildSigned,
  commonName,
  embed,
  explicit,
  integer,
  nothing,
  octets,
  oid,
  type Part,
  sequence,
  set,
} from '../../shared/certificate/x509.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { newKey, user } from '../support/certificates.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

const key = newKey()
const request = createRequest({ key, user: user('alice') })

const codeOf = (der: Uint8Array): string | false => {
  const verdict = readRequest(der)
  return isRefusal(verdict) && verdict.code
}
const signed = (...body: readonly Part[]): Uint8Array =>
  buildSigned(sequence(...body), (bytes) => new Uint8Array(sign('sha256', bytes, key)))

test('a request says which name is asked for, and for which key', () => {
  const read = orThrow(readRequest(request))
  expect(read.user).toBe('alice')
  expect(read.spki).toEqual(spkiOf(key))
  expect(spkiOf(read.publicKey)).toEqual(spkiOf(key))
  expect(read.der).toBe(request)
})

test("a request signed by another key than its own is refused: nobody can ask for somebody else's key", () => {
  const mallory = newKey()
  const stolen = buildSigned(
    sequence(integer(0), embed(commonName('alice')), embed(spkiOf(key)), explicit(0)),
    (bytes) => new Uint8Array(sign('sha256', bytes, mallory)),
  )
  expect(codeOf(stolen)).toBe('request-bad-signature')
})

test.each([
  ['1024 bits', 1024, 65_537],
  ['an exponent of 3', 2048, 3],
])('a key with %s is too weak', (_, bits, exponent) => {
  expect(codeOf(createRequest({ key: newKey(bits, exponent), user: user('alice') }))).toBe('key-too-weak')
})

test('a key that is not RSA is refused', () => {
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  expect(codeOf(createRequest({ key: curve, user: user('alice') }))).toBe('key-too-weak')
})

test('an RSA key under the identifier of another algorithm is refused', () => {
  const [, bits] = children(onlyElement(spkiOf(key)), TAG.sequence, 2)
  const pss = sequence(
    sequence(oid('1.2.840.113549.1.1.10'), nothing()),
    ...(bits === undefined ? [] : [embed(bits.der)]),
  )
  expect(codeOf(signed(integer(0), embed(commonName('alice')), pss, explicit(0)))).toBe('key-too-weak')
})

test('a request of another shape is malformed', () => {
  const name = embed(commonName('alice'))
  const spki = embed(spkiOf(key))
  const extensions = sequence(oid('1.2.840.113549.1.9.14'), set(sequence()))
  expect(codeOf(signed(integer(0), name, spki, explicit(0)))).toBe(false)
  expect(codeOf(signed(integer(1), name, spki, explicit(0)))).toBe('request-malformed')
  expect(codeOf(signed(integer(0), sequence(), spki, explicit(0)))).toBe('request-malformed')
  expect(codeOf(signed(integer(0), name, spki, explicit(0, extensions)))).toBe('request-malformed')
  expect(codeOf(signed(integer(0), name, spki))).toBe('request-malformed')
  expect(codeOf(signed(integer(0), name, octets(spkiOf(key)), explicit(0)))).toBe('key-too-weak')
  expect(codeOf(new Uint8Array())).toBe('request-malformed')
  expect(codeOf(Buffer.concat([request, Buffer.of(0)]))).toBe('request-malformed')
})

test('no single flipped byte of a request is taken, and none throws', () => {
  const flipped = Uint8Array.from(request)
  const taken: number[] = []
  for (let at = 0; at < flipped.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const before = flipped[at] ?? 0
      flipped[at] = before ^ mask
      if (codeOf(flipped) === false) taken.push(at)
      flipped[at] = before
    }
  }
  expect(taken).toEqual([])
})

testWithOpenssl('openssl verifies a request', () => {
  const said = openssl(['req', '-verify', '-noout', '-subject', '-in', 'request.pem'], {
    'request.pem': toPem('CERTIFICATE REQUEST', request),
  })
  expect(said).toContain('verify OK')
  expect(said).toContain('CN = alice')
})
