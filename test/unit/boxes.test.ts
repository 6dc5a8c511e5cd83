import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BOX_BYTES, type BoxContext, generatePrekeyPair, openBox, sealBox, suite } from '../../peer/group/boxes.ts'
import { isRefusal } from '../../shared/errors.ts'
import { fromHex, type NetworkId, type PeerId, toEpoch, toHex, toIncarnation, toRoomId } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'

// The published vector for DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM in base mode: test-vectors.json of
// cfrg/draft-irtf-cfrg-hpke at 5f503c5, which RFC 9180 appendix A draws from.
const VECTOR = {
  info: '4f6465206f6e2061204772656369616e2055726e',
  recipientSecret: '497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d',
  recipientPublic: '430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c',
  ephemeralSecret: '179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11',
  enc: '6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256',
  plaintext: '4265617574792069732074727574682c20747275746820626561757479',
  sealed: [
    {
      aad: '436f756e742d30',
      ct: 'e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a',
    },
    {
      aad: '436f756e742d31',
      ct: '2c43aff25343fdbff864506f0818b9d87df84ea01b1a2144d23b4d40c26bf655fdf197fe40297a8aebeed5cc2d',
    },
    {
      aad: '436f756e742d32',
      ct: 'e0a8f2cf92ff61215edbb8c55dc31fe9e2eb42a5685867bb6854211542099f9e940c4b41c192bc390835b1a5f7',
    },
  ],
}

const context: BoxContext = {
  network: 'a'.repeat(52) as NetworkId,
  room: toRoomId(new Uint8Array(32).fill(1)),
  author: 'QmAuthor' as PeerId,
  incarnation: toIncarnation(new Uint8Array(8).fill(2)),
  epoch: toEpoch(3),
  recipient: 'QmRecipient' as PeerId,
  prekey: new Uint8Array(8).fill(4),
}
const secret = new Uint8Array(32).fill(5)

const sealed = async (publicKey: Uint8Array, to: BoxContext = context): Promise<Uint8Array> => {
  const box = await sealBox(publicKey, to, secret, systemRandom)
  if (isRefusal(box)) throw new Error(box.code)
  return box
}

describe('HPKE', () => {
  test('our suite is 0x0020, 0x0001, 0x0002', () => {
    expect([suite.kem.id, suite.kdf.id, suite.aead.id]).toEqual([0x0020, 0x0001, 0x0002])
  })

  test('our suite seals what the published vector says', async () => {
    const recipientPublicKey = await suite.kem.deserializePublicKey(fromHex(VECTOR.recipientPublic))
    const ekm = {
      privateKey: await suite.kem.deserializePrivateKey(fromHex(VECTOR.ephemeralSecret)),
      publicKey: await suite.kem.deserializePublicKey(fromHex(VECTOR.enc)),
    }
    const sender = await suite.createSenderContext({ recipientPublicKey, info: fromHex(VECTOR.info), ekm })
    expect(toHex(new Uint8Array(sender.enc))).toBe(VECTOR.enc)
    for (const { aad, ct } of VECTOR.sealed) {
      expect(toHex(new Uint8Array(await sender.seal(fromHex(VECTOR.plaintext), fromHex(aad))))).toBe(ct)
    }
  })

  test('our suite opens what the published vector says', async () => {
    const recipientKey = await suite.kem.deserializePrivateKey(fromHex(VECTOR.recipientSecret))
    const enc = fromHex(VECTOR.enc)
    const recipient = await suite.createRecipientContext({ recipientKey, enc, info: fromHex(VECTOR.info) })
    for (const { aad, ct } of VECTOR.sealed) {
      expect(toHex(new Uint8Array(await recipient.open(fromHex(ct), fromHex(aad))))).toBe(VECTOR.plaintext)
    }
  })
})

describe('a key box', () => {
  test('opens to its secret with the prekey that it was sealed to', async () => {
    const { publicKey, secretKey } = await generatePrekeyPair(systemRandom)
    expect([publicKey.byteLength, secretKey.byteLength]).toEqual([32, 32])
    const box = await sealed(publicKey)
    expect(box.byteLength).toBe(BOX_BYTES)
    expect(await openBox(secretKey, context, box)).toEqual(secret)
  })

  test.each<[string, Partial<BoxContext>]>([
    ['network', { network: 'b'.repeat(52) as NetworkId }],
    ['room', { room: toRoomId(new Uint8Array(32).fill(9)) }],
    ['author', { author: 'QmSomebody' as PeerId }],
    ['incarnation', { incarnation: toIncarnation(new Uint8Array(8).fill(9)) }],
    ['epoch', { epoch: toEpoch(4) }],
    ['recipient', { recipient: 'QmSomebody' as PeerId }],
    ['prekey id', { prekey: new Uint8Array(8).fill(9) }],
  ])('that was made for another %s does not open', async (_, other) => {
    const { publicKey, secretKey } = await generatePrekeyPair(systemRandom)
    const box = await sealed(publicKey, { ...context, ...other })
    expect(await openBox(secretKey, context, box)).toMatchObject({ kind: 'refusal', code: 'box-wrong' })
  })

  test('does not open with another prekey', async () => {
    const [ours, theirs] = await Promise.all([generatePrekeyPair(systemRandom), generatePrekeyPair(systemRandom)])
    const box = await sealed(theirs.publicKey)
    expect(await openBox(ours.secretKey, context, box)).toMatchObject({ code: 'box-wrong' })
  })

  test('does not open when any one byte is altered, or when it is cut or lengthened', async () => {
    const { publicKey, secretKey } = await generatePrekeyPair(systemRandom)
    const box = await sealed(publicKey)
    const at = fc.integer({ min: 0, max: BOX_BYTES - 1 })
    // X25519 ignores the top bit of the last byte of a point (RFC 7748 §5); the altered bytes are bound all the same.
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (index, flip) => {
        const altered = box.map((byte, i) => (i === index ? byte ^ flip : byte))
        expect(await openBox(secretKey, context, altered)).toMatchObject({ code: 'box-wrong' })
      }),
      { numRuns: 60 },
    )
    for (const wrong of [new Uint8Array(0), box.subarray(1), new Uint8Array([...box, 0])]) {
      expect(await openBox(secretKey, context, wrong)).toMatchObject({ code: 'box-wrong' })
    }
  })

  test('never looks the same twice', async () => {
    const { publicKey } = await generatePrekeyPair(systemRandom)
    expect(await sealed(publicKey)).not.toEqual(await sealed(publicKey))
  })

  test.each([
    ['the point at zero', new Uint8Array(32)],
    ['the point at one', Uint8Array.of(1, ...new Uint8Array(31))],
    ['too few bytes', new Uint8Array(31)],
    ['too many bytes', new Uint8Array(33)],
  ])('to a prekey that is no key (%s) is refused, and throws nothing', async (_, publicKey) => {
    expect(await sealBox(publicKey, context, secret, systemRandom)).toMatchObject({
      kind: 'refusal',
      code: 'prekey-wrong',
    })
  })
})
