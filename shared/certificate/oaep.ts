import { constants, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto'

// RFC 8017 §7.1 with SHA-256 both as the hash and in MGF1 (Node takes one for both), and a label for each purpose, so
// that what was sealed for one purpose opens for no other.
const parameters = (key: KeyObject, label: string) => ({
  key,
  padding: constants.RSA_PKCS1_OAEP_PADDING,
  oaepHash: 'sha256',
  oaepLabel: Buffer.from(label, 'ascii'),
})

/**
 * RSA-OAEP to a public key.
 * @param plain at most 190 bytes for RSA-2048
 * @throws when `plain` is too long for the key
 */
export const sealTo = (publicKey: KeyObject, plain: Uint8Array, label: string): Uint8Array =>
  new Uint8Array(publicEncrypt(parameters(publicKey, label), plain))

/** What was sealed to this key under this label, or null, with no word on what was wrong. Blocks for 1 ms (RSA-2048). */
export const openSealed = (privateKey: KeyObject, sealed: Uint8Array, label: string): Uint8Array | null => {
  // RFC 8017 §7.1.2, step 1: OpenSSL takes one for the same number that lacks a zero byte in front.
  if (sealed.byteLength * 8 !== privateKey.asymmetricKeyDetails?.modulusLength) return null
  try {
    return new Uint8Array(privateDecrypt(parameters(privateKey, label), sealed))
  } catch {
    return null
  }
}
