import { createPublicKey } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRecordVerifier, encodeRecord, parseRecord, signBatch } from '../../peer/log/record.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { fromHex, roomIdOf } from '../../shared/ids.ts'
import { merkleRoot } from '../../shared/merkle.ts'
import { headerCodec, RECORD_SIGNATURE_LABEL } from '../../shared/wire/record.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'
import { createPen, type Pen, type Written, withFlippedBit } from '../support/records.ts'

const key = newKey()
let author: VerifiedDevice
let other: VerifiedDevice
let pen: Pen
let draft: Written
beforeAll(() => {
  const network = testNetwork()
  const device = (user: string, key = newKey()) =>
    orThrow(verifyDevice(network.issue({ user, key }), { anchor: network.anchor, now: Date.now() }))
  author = device('alice', key)
  other = device('bob')
  pen = createPen({ key, certificate: author.certificate })
  const message = { epoch: 0, index: 0, commitment: new Uint8Array(32) }
  draft = { room: roomIdOf(network.network, 'general'), kind: 'message', body: Uint8Array.of(1, 2, 3), key: message }
})

describe('a signature', () => {
  test('verifies under the certificate of the author, and of nobody else', async () => {
    const record = orThrow(parseRecord((await pen.write(draft)).bytes))
    const verify = createRecordVerifier()
    expect(verify(record, author)).toBeNull()
    expect(verify(record, other)).toMatchObject({ code: 'certificate-unknown' })
  })

  test('is not remembered for another root, signature or author', async () => {
    const verify = createRecordVerifier()
    const one = await pen.write(draft)
    expect(verify(orThrow(parseRecord(one.bytes)), author)).toBeNull()
    expect(verify(orThrow(parseRecord(withFlippedBit(one, 'signature'))), author)).toMatchObject({
      code: 'record-bad-signature',
    })
    const two = await pen.write(draft)
    const borrowed = orThrow(parseRecord(encodeRecord({ ...two.wire, signature: one.wire.signature })))
    expect(verify(borrowed, author)).toMatchObject({ code: 'record-bad-signature' })
  })

  test('of a batch verifies each of its records alone, and no other', async () => {
    const written = await Promise.all(Array.from({ length: 7 }, () => pen.write(draft)))
    const signed = await signBatch(
      key,
      written.map(({ hash }) => hash),
    )
    for (const [at, { wire }] of written.entries()) {
      const record = orThrow(parseRecord(encodeRecord({ ...wire, ...signed[at] })))
      expect(createRecordVerifier()(record, author)).toBeNull()
      const neighbour = orThrow(parseRecord(encodeRecord({ ...wire, ...signed[(at + 1) % 7] })))
      expect(createRecordVerifier()(neighbour, author)).toMatchObject({ code: 'record-bad-signature' })
    }
  })

  testWithOpenssl('verifies with plain openssl', async () => {
    const { hash, wire } = await pen.write(draft)
    const root = merkleRoot(fromHex(hash), wire.proof)
    const statement = Buffer.concat([Buffer.from(RECORD_SIGNATURE_LABEL), root ?? new Uint8Array()])
    const files = {
      'public.pem': String(createPublicKey(key).export({ type: 'spki', format: 'pem' })),
      signature: wire.signature,
      statement,
      altered: Buffer.from(statement).fill(0, statement.length - 1),
    }
    const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32']
    const verify = ['dgst', '-sha256', '-verify', 'public.pem', ...pss, '-signature', 'signature']
    expect(openssl([...verify, 'statement'], files)).toContain('Verified OK')
    expect(() => openssl([...verify, 'altered'], files)).toThrow()
  })
})

describe('a record is malformed', () => {
  test('when a message has no key, or something else has one', async () => {
    const { key: _, ...keyless } = draft
    expect(parseRecord((await pen.write(keyless)).bytes)).toMatchObject({ code: 'record-malformed' })
    expect(parseRecord((await pen.write({ ...draft, kind: 'device' })).bytes)).toMatchObject({
      code: 'record-malformed',
    })
  })

  test('when its header is not ours to read', async () => {
    const { wire } = await pen.write(draft)
    const header = headerCodec.encode({
      ...orThrow(headerCodec.decode(wire.header)),
      after: Array(65).fill(new Uint8Array(32)),
    })
    expect(parseRecord(encodeRecord({ ...wire, header }))).toMatchObject({ code: 'record-malformed' })
  })
})
