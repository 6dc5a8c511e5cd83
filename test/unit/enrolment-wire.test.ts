import { constants, createPublicKey, privateDecrypt } from 'node:crypto'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openSealed, sealTo } from '../../shared/certificate/oaep.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CHALLENGE_MAX_BYTES } from '../../shared/limits.ts'
import { CHALLENGE_LABEL, type ChallengeContext, challengeCodec, multihashOf } from '../../shared/wire/challenge.ts'
import { type CaMessage, caCodec, type NewcomerMessage, newcomerCodec } from '../../shared/wire/enrolment.ts'
import { newKey } from '../support/certificates.ts'

const bytes = (min: number, max = min) => fc.uint8Array({ minLength: min, maxLength: max })
const refused = fc.record({ kind: fc.constant('refused' as const), code: fc.string({ maxLength: 64 }) })

const newcomerMessage: fc.Arbitrary<NewcomerMessage> = fc.oneof(
  fc.constant({ kind: 'begin' as const }),
  fc.record({
    kind: fc.constant('request' as const),
    csr: bytes(0, 2_000),
    user: fc.string({ unit: 'grapheme', maxLength: 15 }),
    password: fc.string({ unit: 'grapheme', maxLength: 100 }),
    door: fc.oneof(
      fc.record({ kind: fc.constant('token' as const), token: bytes(16) }),
      fc.constant({ kind: 'register' as const }),
      fc.constant({ kind: 'login' as const }),
      fc.record({ kind: fc.constant('renew' as const), certificate: bytes(0, 2_000) }),
      fc.record({ kind: fc.constant('rekey' as const), certificate: bytes(0, 2_000), proof: bytes(0, 512) }),
    ),
    addresses: fc.array(fc.string({ maxLength: 40 }), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('password' as const),
    user: fc.string({ unit: 'grapheme', maxLength: 15 }),
    password: fc.string({ unit: 'grapheme', maxLength: 100 }),
    newPassword: fc.string({ unit: 'grapheme', maxLength: 100 }),
  }),
  fc.record({ kind: fc.constant('answer' as const), id: bytes(16), nonce: bytes(32) }),
  refused,
)
const caMessage: fc.Arbitrary<CaMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('identity' as const),
    root: bytes(0, 2_000),
    successions: fc.array(fc.record({ root: bytes(0, 900), cross: bytes(0, 900), back: bytes(0, 900) }), {
      maxLength: 8,
    }),
    ca: bytes(0, 2_000),
  }),
  fc.constant({ kind: 'changed' as const }),
  fc.record({ kind: fc.constant('challenge' as const), id: bytes(16), ciphertext: bytes(0, 512) }),
  fc.record({
    kind: fc.constant('issued' as const),
    certificate: bytes(0, 2_000),
    crl: fc.option(bytes(0, 500)),
    directory: fc.array(
      fc.record({ certificate: bytes(0, 300), addresses: fc.array(fc.string({ maxLength: 40 }), { maxLength: 3 }) }),
    ),
  }),
  refused,
)

const request = {
  kind: 'request',
  csr: new Uint8Array(900),
  user: 'alice',
  password: 'correct horse',
  door: { kind: 'token', token: new Uint8Array(16) },
  addresses: [],
}
const answer = { kind: 'answer', id: new Uint8Array(16), nonce: new Uint8Array(32) }

describe('enrolment messages', () => {
  test('of the newcomer read back as written', () => {
    fc.assert(
      fc.property(newcomerMessage, (message) => {
        expect(newcomerCodec.decode(newcomerCodec.encode(message))).toEqual(message)
      }),
    )
  })

  test('of the CA read back as written', () => {
    fc.assert(
      fc.property(caMessage, (message) => {
        expect(caCodec.decode(caCodec.encode(message))).toEqual(message)
      }),
    )
  })

  test.each<[string, unknown]>([
    ['no map', 7],
    ['no kind', {}],
    ['an unknown kind', { kind: 'knock' }],
    ["the CA's message", { kind: 'identity', root: new Uint8Array(), ca: new Uint8Array() }],
    ['a field more', { kind: 'begin', hurry: true }],
    ['a field less', { ...request, password: undefined }],
    ['a name over twice the limit', { ...request, user: 'a'.repeat(65) }],
    ['a request of 9 KiB', { ...request, csr: new Uint8Array(9 * 1024) }],
    ['an unknown door', { ...request, door: { kind: 'window' } }],
    ['a login with a token', { ...request, door: { kind: 'login', token: new Uint8Array(16) } }],
    ['a renewal without a certificate', { ...request, door: { kind: 'renew' } }],
    ['a new key without a proof', { ...request, door: { kind: 'rekey', certificate: new Uint8Array(9) } }],
    ['a short token', { ...request, door: { kind: 'token', token: new Uint8Array(15) } }],
    ['a token as text', { ...request, door: { kind: 'token', token: 'aaaaaaaaaaaaaaaa' } }],
    ['a nonce of 31 bytes', { ...answer, nonce: new Uint8Array(31) }],
    ['a change to no password', { kind: 'password', user: 'alice', password: 'correct horse' }],
    ['a long code', { kind: 'refused', code: 'x'.repeat(65) }],
  ])('with %s are refused', (_what, message) => {
    expect(newcomerCodec.decode(encode(message))).toMatchObject({ code: 'frame-malformed' })
  })

  test('over 16 KiB are refused unread', () => {
    expect(newcomerCodec.decode(new Uint8Array(16 * 1024 + 1))).toMatchObject({ code: 'frame-too-large' })
  })

  test('cut short anywhere are refused', () => {
    const whole = encode(answer)
    for (let length = 0; length < whole.byteLength; length += 1) {
      expect(newcomerCodec.decode(whole.subarray(0, length))).toMatchObject({ code: 'frame-malformed' })
    }
  })
})

describe('a challenge', () => {
  const context: ChallengeContext = {
    nonce: new Uint8Array(32).fill(1),
    csr: new Uint8Array(32).fill(2),
    newcomer: multihashOf('QmYuEcgWEZnHymydrHVvpKoWxDb4pSDLzSYSJn4Z2bRCMj' as PeerId),
    ca: multihashOf('QmYuEcgWEZnHymydrHVvpKoWxDb4pSDLzSYSJn4Z2bRCMj' as PeerId),
    expiry: 1_800_000_000_000,
  }
  const key = newKey()

  test('fits into one block of RSA-2048, with any time until the year 10889', () => {
    expect(challengeCodec.encode(context).byteLength).toBe(179)
    const latest = challengeCodec.encode({ ...context, expiry: 2 ** 48 })
    expect(latest.byteLength).toBeLessThanOrEqual(CHALLENGE_MAX_BYTES)
    expect(sealTo(createPublicKey(key), latest, CHALLENGE_LABEL).byteLength).toBe(256)
  })

  test('is RSA-OAEP with SHA-256 under its own label, and opens under no other', () => {
    const sealed = sealTo(createPublicKey(key), challengeCodec.encode(context), CHALLENGE_LABEL)
    const byHand = privateDecrypt(
      {
        key,
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: 'sha256',
        oaepLabel: Buffer.from('lanyard challenge 1'),
      },
      sealed,
    )
    expect(challengeCodec.decode(new Uint8Array(byHand))).toEqual(context)
    expect(openSealed(key, sealed, 'lanyard store key 1')).toBeNull()
    expect(openSealed(newKey(), sealed, CHALLENGE_LABEL)).toBeNull()
    expect(openSealed(key, sealed.subarray(1), CHALLENGE_LABEL)).toBeNull()
  })
})
