import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  type KeyObject,
  type ScryptOptions,
  scrypt,
} from 'node:crypto'
import { promisify } from 'node:util'
import { fault, isRefusal, orThrow, refuse } from '../errors.ts'
import {
  SCRYPT_BLOCK,
  SCRYPT_COST,
  SCRYPT_LANES,
  SCRYPT_LANES_MAX,
  SCRYPT_MAX_MEMORY_BYTES,
  SEALED_KEY_MAX_BYTES,
} from '../limits.ts'
import type { Random } from '../random.ts'
import { children, content, type Element, malformed, readDer, TAG } from './der.ts'
import { readCount, readOid } from './der-value.ts'
import { fromPem, toPem } from './pem.ts'
import { encode, integer, octets, oid, sequence } from './x509.ts'

const LABEL = 'ENCRYPTED PRIVATE KEY'
const PBES2 = '1.2.840.113549.1.5.13' // RFC 8018 §6.2
const SCRYPT = '1.3.6.1.4.1.11591.4.11' // RFC 7914 §7
const AES_256_CBC = '2.16.840.1.101.3.4.1.42' // RFC 8018 §B.2.5
const KEY_BYTES = 32
const IV_BYTES = 16
const SALT_BYTES = 16

/**
 * The private key as PKCS#8, sealed under the passphrase: PEM that `openssl pkey` opens too.
 * About 0.2 s, off the event loop.
 */
export const sealPrivateKey = async (key: KeyObject, passphrase: string, random: Random): Promise<string> => {
  const box = { salt: random.bytes(SALT_BYTES), iv: random.bytes(IV_BYTES), ...COST }
  const secret = await stretch(passphrase, box)
  const plain = key.export({ type: 'pkcs8', format: 'der' })
  const cipher = createCipheriv('aes-256-cbc', secret, box.iv)
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()])
  plain.fill(0)
  secret.fill(0)
  return toPem(LABEL, writeBox({ ...box, sealed }))
}

/**
 * The private key in a sealed PEM. About 0.2 s, off the event loop (`createPrivateKey` would block it that long).
 * @throws LanyardError `passphrase-wrong`, or `profile-damaged` when it is not such a PEM
 */
export const openPrivateKey = async (pem: string, passphrase: string): Promise<KeyObject> => {
  const der = fromPem(LABEL, pem)
  if (der === null) throw fault('profile-damaged', 'not a sealed private key')
  const box = orThrow(readBox(der))
  const secret = await stretch(passphrase, box)
  const plain = decrypt(box, secret)
  secret.fill(0)
  // One wrong passphrase in 256 leaves a padding that looks right; then it is the key that doesn't read.
  const key = plain === null ? null : readKey(plain)
  plain?.fill(0)
  if (key === null) throw fault('passphrase-wrong')
  return key
}

type Cost = { readonly N: number; readonly r: number; readonly p: number }
type Box = Cost & { readonly salt: Uint8Array; readonly iv: Uint8Array; readonly sealed: Uint8Array }

const COST: Cost = { N: SCRYPT_COST, r: SCRYPT_BLOCK, p: SCRYPT_LANES }

const scryptAsync = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt)

// One text has one form, whether macOS or Linux typed it (RFC 8265 §4.2.2).
const stretch = (passphrase: string, { salt, N, r, p }: Cost & { readonly salt: Uint8Array }): Promise<Buffer> =>
  scryptAsync(passphrase.normalize('NFC'), salt, KEY_BYTES, { N, r, p, maxmem: SCRYPT_MAX_MEMORY_BYTES })

const decrypt = (box: Box, secret: Buffer): Buffer | null => {
  const decipher = createDecipheriv('aes-256-cbc', secret, box.iv)
  try {
    return Buffer.concat([decipher.update(box.sealed), decipher.final()])
  } catch {
    return null
  }
}

const readKey = (pkcs8: Buffer): KeyObject | null => {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  } catch {
    return null
  }
}

// RFC 5958 §3: EncryptedPrivateKeyInfo; RFC 8018 §A.4: PBES2-params; RFC 7914 §7: scrypt-params.
const writeBox = ({ salt, N, r, p, iv, sealed }: Box): Uint8Array => {
  const stretching = sequence(oid(SCRYPT), sequence(octets(salt), integer(N), integer(r), integer(p)))
  const encryption = sequence(oid(AES_256_CBC), octets(iv))
  return encode(sequence(sequence(oid(PBES2), sequence(stretching, encryption)), octets(sealed)))
}

const readBox = (der: Uint8Array) => {
  const box = readDer(der, 'profile-damaged', readParts, SEALED_KEY_MAX_BYTES)
  if (isRefusal(box)) return box
  const { N, r, p } = box
  const powerOfTwo = N > 1 && Number.isInteger(Math.log2(N))
  const bounded = p <= SCRYPT_LANES_MAX && 128 * r * (N + p + 2) <= SCRYPT_MAX_MEMORY_BYTES
  return powerOfTwo && bounded ? box : refuse('profile-damaged', `scrypt with N=${N}, r=${r}, p=${p}`)
}

const readParts = (root: Element): Box => {
  const [algorithm, sealed] = children(root, TAG.sequence, 2)
  const [scheme, parameters] = children(algorithm, TAG.sequence, 2)
  const [stretching, encryption] = children(parameters, TAG.sequence, 2)
  const [derivation, cost] = children(stretching, TAG.sequence, 2)
  const [cipher, iv] = children(encryption, TAG.sequence, 2)
  if (readOid(scheme) !== PBES2 || readOid(derivation) !== SCRYPT || readOid(cipher) !== AES_256_CBC) {
    return malformed('sealed in another way than PBES2 with scrypt and AES-256-CBC')
  }
  // `openssl pkcs8 -scrypt` writes no key length; RFC 7914 allows one.
  const [salt, N, r, p, keyLength] = children(cost, TAG.sequence)
  if (keyLength !== undefined && readCount(keyLength) !== KEY_BYTES) return malformed('another length of key')
  const vector = content(iv, TAG.octets)
  if (vector.byteLength !== IV_BYTES) return malformed('an initialisation vector of another length')
  return {
    salt: content(salt, TAG.octets),
    N: readCount(N),
    r: readCount(r),
    p: readCount(p),
    iv: vector,
    sealed: content(sealed, TAG.octets),
  }
}
