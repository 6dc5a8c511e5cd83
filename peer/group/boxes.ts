import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from 'node:crypto'
import { type AeadEncryptionContext, Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core'
import { z } from 'zod'
import { bytes, codec, count } from '../../shared/codec.ts'
import { fault, type Refusal, refuse } from '../../shared/errors.ts'
import { type Epoch, fromHex, type Incarnation, type NetworkId, type PeerId, type RoomId } from '../../shared/ids.ts'
import { KIB } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import { inPlaceX25519 } from './x25519.ts'

/** The number, in each prekey, of RFC 9180 base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
export const SUITE = 1

/** The encapsulated key (32 bytes), and the 32-byte secret sealed with a tag (48 bytes). */
export const BOX_BYTES = 80

const ENC_BYTES = 32
const SECRET_BYTES = 32

/** 32 bytes each: X25519 (RFC 7748). */
export type PrekeyPair = { readonly publicKey: Uint8Array; readonly secretKey: Uint8Array }

/** All that a box is for. It goes into HPKE's `info`, so a box that is moved to another place does not open. */
export type BoxContext = {
  readonly network: NetworkId
  readonly room: RoomId
  readonly author: PeerId
  readonly incarnation: Incarnation
  readonly epoch: Epoch
  readonly recipient: PeerId
  /** The 8-byte id of the recipient's prekey. */
  readonly prekey: Uint8Array
}

const INFO_LABEL = 'lanyard key box 1'
const infoCodec = codec(
  z.tuple([z.string(), z.string(), bytes(32), z.string(), bytes(8), count(), z.string(), bytes(8)]),
  KIB,
)

// RFC 9180 §4: GenerateKeyPair can be implemented as DeriveKeyPair(random(Nsk)). So chance is an argument here, too.
export const generatePrekeyPair = async (random: Random): Promise<PrekeyPair> => {
  const pair = await suite.kem.deriveKeyPair(freshIkm(random))
  const [publicKey, secretKey] = await Promise.all([
    suite.kem.serializePublicKey(pair.publicKey),
    suite.kem.serializePrivateKey(pair.privateKey),
  ])
  return { publicKey: new Uint8Array(publicKey), secretKey: new Uint8Array(secretKey) }
}

/**
 * Seals a 32-byte secret to a prekey: encapsulated key ‖ ciphertext, `BOX_BYTES` long. A public key that is no key
 * (RFC 7748 §6.1: a point of small order) is `prekey-wrong`, so that one member's bad prekey stops nobody from sending.
 */
export const sealBox = async (
  publicKey: Uint8Array,
  context: BoxContext,
  secret: Uint8Array,
  random: Random,
): Promise<Uint8Array | Refusal> => {
  if (secret.byteLength !== SECRET_BYTES) throw fault('fault', `a sender key of ${secret.byteLength} bytes`)
  const info = infoOf(context)
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(publicKey)
    const ekm = await suite.kem.deriveKeyPair(freshIkm(random))
    const { enc, ct } = await suite.seal({ recipientPublicKey, info, ekm }, secret)
    const box = new Uint8Array(BOX_BYTES)
    box.set(new Uint8Array(enc))
    box.set(new Uint8Array(ct), ENC_BYTES)
    return box
  } catch (cause) {
    return refuse('prekey-wrong', cause instanceof Error ? cause.message : String(cause))
  }
}

/** The 32-byte secret, or `box-wrong`. Whether it is the right one, only the author's published commitment tells. */
export const openBox = async (
  secretKey: Uint8Array,
  context: BoxContext,
  box: Uint8Array,
): Promise<Uint8Array | Refusal> => {
  if (box.byteLength !== BOX_BYTES) return refuse('box-wrong', `${box.byteLength} bytes, not ${BOX_BYTES}`)
  const recipientKey = await suite.kem.deserializePrivateKey(secretKey)
  try {
    const enc = box.subarray(0, ENC_BYTES)
    const secret = await suite.open({ recipientKey, enc, info: infoOf(context) }, box.subarray(ENC_BYTES))
    return new Uint8Array(secret)
  } catch {
    return refuse('box-wrong')
  }
}

/** What a key pair is derived from, used once: as many random bytes as a secret key has. */
const freshIkm = (random: Random): ArrayBuffer => copyOf(random.bytes(suite.kem.privateKeySize))

/** Deterministic CBOR of the context under a label with a version; exported for the protocol text's vectors. */
export const infoOf = (context: BoxContext): Uint8Array =>
  infoCodec.encode([
    INFO_LABEL,
    context.network,
    fromHex(context.room),
    context.author,
    fromHex(context.incarnation),
    context.epoch,
    context.recipient,
    context.prekey,
  ])

type Buffers = ArrayBufferLike | ArrayBufferView

// WebCrypto, which the library uses, takes each HMAC, each short AES-GCM and each X25519 through the thread pool: 0.9 ms of
// processor a box, nearly all of it in handing over. These do the same work in place, and 1,000 boxes take a seventh.
class InPlaceHkdf extends HkdfSha256 {
  override extract = async (salt: Buffers, ikm: Buffers): Promise<ArrayBuffer> => {
    const key = salt.byteLength === 0 ? new Uint8Array(HASH_BYTES) : viewOf(salt)
    return copyOf(createHmac('sha256', createSecretKey(key)).update(viewOf(ikm)).digest())
  }

  // RFC 5869 §2.3; nothing in this suite is longer than one block.
  override expand = async (prk: Buffers, info: Buffers, length: number): Promise<ArrayBuffer> => {
    if (length > HASH_BYTES) throw fault('fault', `an HKDF output of ${length} bytes in a suite that has none`)
    const block = createHmac('sha256', createSecretKey(viewOf(prk)))
      .update(viewOf(info))
      .update(FIRST_BLOCK)
      .digest()
    return copyOf(block.subarray(0, length))
  }

  override extractAndExpand = async (salt: Buffers, ikm: Buffers, info: Buffers, length: number) =>
    this.expand(await this.extract(salt, ikm), info, length)
}

class InPlaceAes256Gcm extends Aes256Gcm {
  override createEncryptionContext = (rawKey: Buffers): AeadEncryptionContext => {
    const key = createSecretKey(viewOf(rawKey))
    return {
      seal: async (nonce, plaintext, aad) => {
        const cipher = createCipheriv('aes-256-gcm', key, viewOf(nonce), { authTagLength: this.tagSize })
        cipher.setAAD(viewOf(aad))
        const ciphertext = cipher.update(viewOf(plaintext))
        cipher.final()
        return copyOf(Buffer.concat([ciphertext, cipher.getAuthTag()]))
      },
      open: async (nonce, sealed, aad) => {
        const end = sealed.byteLength - this.tagSize
        const decipher = createDecipheriv('aes-256-gcm', key, viewOf(nonce), { authTagLength: this.tagSize })
        decipher.setAAD(viewOf(aad))
        decipher.setAuthTag(viewOf(sealed).subarray(end))
        const plaintext = decipher.update(viewOf(sealed).subarray(0, end))
        decipher.final()
        return copyOf(plaintext)
      },
    }
  }
}

class InPlaceKem extends DhkemX25519HkdfSha256 {
  constructor() {
    super()
    const kdf = new InPlaceHkdf()
    kdf.init(KEM_SUITE_ID)
    this._kdf = kdf
    // RFC 9180 §7.1.3
    const deriveKeyPair = async (ikm: Buffers): Promise<CryptoKeyPair> => {
      const prk = await kdf.labeledExtract(NOTHING, DERIVE_LABEL, viewOf(ikm))
      return inPlaceX25519.pairOf(viewOf(await kdf.labeledExpand(prk, SECRET_LABEL, NOTHING, this.privateKeySize)))
    }
    Object.assign(this._prim, inPlaceX25519, { deriveKeyPair })
  }
}

const HASH_BYTES = 32
const FIRST_BLOCK = Uint8Array.of(1)
// RFC 9180 §4.1: suite_id = "KEM" ‖ I2OSP(kem_id, 2)
const KEM_SUITE_ID = Uint8Array.of(0x4b, 0x45, 0x4d, 0x00, 0x20)
const DERIVE_LABEL = new TextEncoder().encode('dkp_prk')
const SECRET_LABEL = new TextEncoder().encode('sk')
const NOTHING = new Uint8Array()

const viewOf = (buffer: Buffers): Uint8Array =>
  ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer)
const copyOf = (view: Uint8Array): ArrayBuffer => new Uint8Array(view).buffer

/**
 * RFC 9180 §7: KEM 0x0020, KDF 0x0001, AEAD 0x0002. One object for the program: it holds no state between boxes.
 * Exported so that the published vectors can be put to it.
 */
export const suite = new CipherSuite({ kem: new InPlaceKem(), kdf: new InPlaceHkdf(), aead: new InPlaceAes256Gcm() })
