import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'
import { z } from 'zod'
import { bytes, codec, count } from '../../shared/codec.ts'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { type Epoch, fromHex, type Incarnation, type PeerId, type RoomId } from '../../shared/ids.ts'
import { EPOCH_MESSAGES, KIB } from '../../shared/limits.ts'

/** What a sender key is for; nothing that is derived from its secret is of use anywhere else. */
export type SenderKeyContext = {
  readonly room: RoomId
  readonly author: PeerId
  readonly incarnation: Incarnation
  readonly epoch: Epoch
}

/** One state of the hash ratchet: `key` (32 bytes) yields the message key of `index` and every later one, none before. */
export type Chain = { readonly index: number; readonly key: Uint8Array }

export type ChainStep = { readonly next: Chain; readonly messageKey: Uint8Array }

export type MessageKey = { readonly index: number; readonly messageKey: Uint8Array }

const SECRET_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

// One key, one use: each output of a key has its own label, so that none of them says anything about another.
const label = (name: string): Uint8Array => new TextEncoder().encode(`lanyard ${name} 1`)
// secret → what is published; must not be the chain's first key, or publishing it would give every message away
const COMMITMENT = label('sender-key commitment')
// secret → the chain's first key
const CHAIN_START = label('sender-key chain start')
// chain key → the message key of this index (the Signal symmetric ratchet's HMAC(ck, 1)) …
const CHAIN_MESSAGE = label('sender-key chain message')
// … and → the chain key of the next (its HMAC(ck, 2)); from here there is no way back
const CHAIN_NEXT = label('sender-key chain next')
// message key → what the signed header carries, since it may not carry the key
const MESSAGE_COMMITMENT = label('message commitment')
// message key → the AES key, apart from the commitment
const MESSAGE_CIPHER_KEY = label('message cipher key')
// message key → the nonce: fixed for the key, which seals one message only
const MESSAGE_NONCE = label('message nonce')

// Context is CBOR, which frames its parts: no two contexts share an encoding.
const contextCodec = codec(z.tuple([bytes(32), z.string(), bytes(8), count()]), KIB)

/** 32 bytes that bind the author to the secret without telling it; published in the `sender-key` record. */
export const commitmentOf = (secret: Uint8Array, context: SenderKeyContext): Uint8Array =>
  expand(secret, COMMITMENT, encodeContext(context))

/** The chain of a 32-byte secret, at index 0. */
export const startChain = (secret: Uint8Array, context: SenderKeyContext): Chain => ({
  index: 0,
  key: expand(secret, CHAIN_START, encodeContext(context)),
})

/** The message key of `chain.index`, and the chain after it. Store `next`, then use the key, then `wipe` both old ones. */
export const stepChain = (chain: Chain): ChainStep => {
  const key = createSecretKey(chain.key)
  return {
    next: { index: chain.index + 1, key: expand(key, CHAIN_NEXT) },
    messageKey: expand(key, CHAIN_MESSAGE),
  }
}

/**
 * For a reader that missed indices: the message keys from `chain.index` to `index` inclusive, and the chain after them.
 * Refused are an index whose key the chain has left behind (`key-missing`) and one past `max` (`record-malformed`), so that
 * no header can make us hash for ever.
 */
export const skipTo = (
  chain: Chain,
  index: number,
  max: number = EPOCH_MESSAGES,
): { readonly next: Chain; readonly keys: MessageKey[] } | Refusal => {
  if (index < chain.index)
    return refuse('key-missing', `index ${index} is behind the chain, which is at ${chain.index}`)
  if (!Number.isSafeInteger(index) || index >= max)
    return refuse('record-malformed', `index ${index} of at most ${max}`)
  const keys: MessageKey[] = []
  let current = chain
  while (current.index <= index) {
    const { next, messageKey } = stepChain(current)
    keys.push({ index: current.index, messageKey })
    // The caller still holds the chain that it gave; those between are ours to erase.
    if (current !== chain) wipe(current.key)
    current = next
  }
  return { next: current, keys }
}

/** 32 bytes for the signed header: AES-GCM does not commit to its key, so without it one ciphertext could read two ways. */
export const messageCommitmentOf = (messageKey: Uint8Array): Uint8Array => expand(messageKey, MESSAGE_COMMITMENT)

/** Whether a message key is the one that the signed header commits to. */
export const fitsCommitment = (messageKey: Uint8Array, commitment: Uint8Array): boolean =>
  messageKey.byteLength === SECRET_BYTES && fits(createSecretKey(messageKey), commitment)
const fits = (messageKey: KeyObject, commitment: Uint8Array): boolean =>
  commitment.byteLength === SECRET_BYTES && timingSafeEqual(expand(messageKey, MESSAGE_COMMITMENT), commitment)

/** AES-256-GCM ciphertext ‖ 16-byte tag. The key is for this one message: sealing a second one with it breaks both. */
export const sealMessage = (messageKey: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array => {
  const key = createSecretKey(messageKey)
  const cipher = createCipheriv(CIPHER, cipherKeyOf(key), nonceOf(key), { authTagLength: TAG_BYTES })
  cipher.setAAD(aad)
  const sealed = new Uint8Array(plaintext.byteLength + TAG_BYTES)
  sealed.set(cipher.update(plaintext))
  cipher.final()
  sealed.set(cipher.getAuthTag(), plaintext.byteLength)
  return sealed
}

/**
 * The plaintext. The commitment of the signed header is checked first, so that nobody can forget to: a key that does not
 * fit is `key-wrong`; a ciphertext that the right key does not open is `record-malformed`, and its author's doing.
 */
export const openMessage = (
  messageKey: Uint8Array,
  commitment: Uint8Array,
  sealed: Uint8Array,
  aad: Uint8Array,
): Uint8Array | Refusal => {
  if (messageKey.byteLength !== SECRET_BYTES) return refuse('key-wrong')
  const key = createSecretKey(messageKey)
  if (!fits(key, commitment)) return refuse('key-wrong')
  if (sealed.byteLength < TAG_BYTES) return refuse('record-malformed', 'a ciphertext shorter than its tag')
  const end = sealed.byteLength - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, cipherKeyOf(key), nonceOf(key), { authTagLength: TAG_BYTES })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    wipe(plaintext)
    return refuse('record-malformed', 'a ciphertext that its committed key does not open')
  }
  return plain(plaintext)
}

/** Overwrites consumed key bytes. V8 may have copied them; what is in reach is gone. */
export const wipe = (...secrets: readonly Uint8Array[]): void => {
  for (const secret of secrets) secret.fill(0)
}

const cipherKeyOf = (messageKey: KeyObject) => createSecretKey(expand(messageKey, MESSAGE_CIPHER_KEY))
const nonceOf = (messageKey: KeyObject) => expand(messageKey, MESSAGE_NONCE).subarray(0, NONCE_BYTES)

const encodeContext = ({ room, author, incarnation, epoch }: SenderKeyContext): Uint8Array =>
  contextCodec.encode([fromHex(room), author, fromHex(incarnation), epoch])

const FIRST_BLOCK = Uint8Array.of(1)
const NOTHING = new Uint8Array(0)

/**
 * The first block of HKDF-Expand with SHA-256 (RFC 5869 §2.3): T(1) = HMAC(key, info ‖ 0x01). Every input here is already
 * a uniform 32-byte key, so HKDF-Extract would add nothing. Through HMAC and a KeyObject, which several labels share, it
 * takes a sixth of `hkdfSync`.
 */
const expand = (key: Uint8Array | KeyObject, name: Uint8Array, context: Uint8Array = NOTHING): Uint8Array =>
  plain(
    createHmac('sha256', key instanceof Uint8Array ? createSecretKey(key) : key)
      .update(name)
      .update(context)
      .update(FIRST_BLOCK)
      .digest(),
  )

/** The same bytes without Buffer's clothes, uncopied: callers compare, store and send plain arrays. */
const plain = (buffer: Uint8Array): Uint8Array => new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
