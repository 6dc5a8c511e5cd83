import { type KeyObject, verify } from 'node:crypto'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { toHex } from '../ids.ts'
import { children, malformed, readDer, TAG } from './der.ts'
import { readBits } from './der-value.ts'
import { openPublicKey, rsaKeyOf } from './rsa-key.ts'

/** How a signature was made: which hash, and which kind of key. */
export type SignatureAlgorithm = {
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  readonly key: 'rsa' | 'ec' | 'ed25519'
}

/** sha256WithRSAEncryption: what everything of ours is signed with. */
export const SHA256_WITH_RSA: SignatureAlgorithm = { hash: 'sha256', key: 'rsa' }

/**
 * What an AlgorithmIdentifier says, or null for one that is not taken here: no MD5, no SHA-1, no parameter too many.
 * @param der compared whole, so that parameters are as their RFC has them: 4055 §5, 5758 §3.2, 8410 §3
 */
export const signatureAlgorithmOf = (der: Uint8Array): SignatureAlgorithm | null => SIGNATURES[toHex(der)] ?? null

/** The public key in a SubjectPublicKeyInfo (DER), or `certificate-weak-key`. */
export const publicKeyOf = (spki: Uint8Array): KeyObject | Refusal => {
  const pointBytes = readDer(spki, 'certificate-weak-key', (root) => {
    const [algorithm, key] = children(root, TAG.sequence, 2)
    const kind = algorithm === undefined ? '' : toHex(algorithm.der)
    const length = POINT_BYTES[kind]
    if (length === undefined) return null
    // RFC 5480 §2.2: an uncompressed point. OpenSSL checks that it is on its curve.
    const point = readBits(key)
    const whole = point.byteLength === length && (kind === ED25519 || point[0] === 0x04)
    return whole ? length : malformed('not a whole public key')
  })
  if (isRefusal(pointBytes)) return pointBytes
  if (pointBytes === null) {
    const key = rsaKeyOf(spki)
    return isRefusal(key) ? refuse('certificate-weak-key', key.detail) : key
  }
  return openPublicKey(spki, 'certificate-weak-key')
}

/** Whether the key signed the bytes, by that algorithm; never throws. */
export const isSignedBy = (
  key: KeyObject,
  { algorithm, bytes, signature }: { algorithm: SignatureAlgorithm; bytes: Uint8Array; signature: Uint8Array },
): boolean => {
  if (key.asymmetricKeyType !== algorithm.key) return false
  try {
    return verify(algorithm.hash, bytes, key, signature)
  } catch {
    return false // OpenSSL throws on some moduli that no honest key has
  }
}

const SIGNATURES: Readonly<Record<string, SignatureAlgorithm>> = {
  '300d06092a864886f70d01010b0500': SHA256_WITH_RSA,
  '300d06092a864886f70d01010c0500': { hash: 'sha384', key: 'rsa' },
  '300d06092a864886f70d01010d0500': { hash: 'sha512', key: 'rsa' },
  '300a06082a8648ce3d040302': { hash: 'sha256', key: 'ec' },
  '300a06082a8648ce3d040303': { hash: 'sha384', key: 'ec' },
  '300a06082a8648ce3d040304': { hash: 'sha512', key: 'ec' },
  '300506032b6570': { hash: null, key: 'ed25519' },
}

const ED25519 = '300506032b6570'

/** Public keys other than RSA, by their AlgorithmIdentifier (named curves only), and how long each is. */
const POINT_BYTES: Readonly<Record<string, number>> = {
  '301306072a8648ce3d020106082a8648ce3d030107': 65, // P-256
  '301006072a8648ce3d020106052b81040022': 97, // P-384
  '301006072a8648ce3d020106052b81040023': 133, // P-521
  [ED25519]: 32,
}
