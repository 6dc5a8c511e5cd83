import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from 'node:crypto'
import { fault } from '../../shared/errors.ts'
import type { Random } from '../../shared/random.ts'

/** Seals columns under the store key: AES-256-GCM, a random 96-bit nonce each (NIST SP 800-38D §8.2.2). */
export type Sealer = {
  /** nonce (12) ‖ ciphertext ‖ tag (16). @param place table, column and row: sealed bytes open nowhere else */
  seal(place: string, bytes: Uint8Array): Uint8Array
  /** @throws LanyardError `profile-damaged` when the bytes were altered or moved */
  open(place: string, sealed: Uint8Array): Uint8Array
  /** 16 bytes that stand for a text in a column which must be looked up: equal for equal texts, and no hint without the key. */
  blind(place: string, text: string): Uint8Array
}

const BLIND_BYTES = 16 // no two alike among what one store holds, and short in an index
const BLIND_KEY = 'lanyard store blind names 1' // apart from what the store key seals
const NONCE_BYTES = 12
const TAG_BYTES = 16
const NONCES_AT_ONCE = 64

/** @param key 32 bytes */
export const createSealer = (key: Uint8Array, random: Random): Sealer => {
  const secret = createSecretKey(key)
  const blindKey = createSecretKey(createHmac('sha256', secret).update(BLIND_KEY).digest())
  let nonces: Uint8Array = new Uint8Array()
  /** Asking for many at once takes as long as asking for one. */
  const nextNonce = (): Uint8Array => {
    if (nonces.byteLength === 0) nonces = random.bytes(NONCES_AT_ONCE * NONCE_BYTES)
    const nonce = nonces.subarray(0, NONCE_BYTES)
    nonces = nonces.subarray(NONCE_BYTES)
    return nonce
  }
  return {
    seal: (place, bytes) => {
      const nonce = nextNonce()
      const cipher = createCipheriv('aes-256-gcm', secret, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(Buffer.from(place))
      const sealed = new Uint8Array(NONCE_BYTES + bytes.byteLength + TAG_BYTES)
      sealed.set(nonce)
      sealed.set(cipher.update(bytes), NONCE_BYTES)
      cipher.final()
      sealed.set(cipher.getAuthTag(), NONCE_BYTES + bytes.byteLength)
      return sealed
    },
    open: (place, sealed) => {
      try {
        const end = sealed.byteLength - TAG_BYTES
        const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(0, NONCE_BYTES), {
          authTagLength: TAG_BYTES,
        })
        decipher.setAAD(Buffer.from(place))
        decipher.setAuthTag(sealed.subarray(end))
        const bytes = decipher.update(sealed.subarray(NONCE_BYTES, end))
        decipher.final()
        return new Uint8Array(bytes)
      } catch (cause) {
        throw fault('profile-damaged', place, cause)
      }
    },
    blind: (place, text) =>
      new Uint8Array(createHmac('sha256', blindKey).update(`${place}\0${text}`).digest().subarray(0, BLIND_BYTES)),
  }
}
