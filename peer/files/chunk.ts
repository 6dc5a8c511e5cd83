import { createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { inPieces } from './cipher-pieces.ts'
import { chunkCount } from './extent.ts'
import { isChunk, type Manifest } from './manifest.ts'

/** A file under its key, as both ends of a transfer know it. */
export type SealedFile = {
  /** 32 random bytes, made for this one offer. */
  readonly key: Uint8Array
  readonly manifest: Manifest
  /** SHA-256 of the manifest's bytes. */
  readonly manifestHash: Uint8Array
}

/** AES-256-GCM, in two pieces so that a MiB is not copied only to put 16 bytes behind it. */
export type SealedChunk = { readonly ciphertext: Uint8Array; readonly tag: Uint8Array }

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals one chunk, or `file-changed` when these are not the bytes that the manifest names.
 *
 * The nonce is the chunk's index. That is safe because the key belongs to one offer, and because each chunk is compared
 * with the manifest before it is sealed: under one key and nonce there is only ever one plaintext, whoever seals it and
 * however often.
 * @param into takes the ciphertext; may be the chunk itself
 */
export const sealChunk = (
  file: SealedFile,
  index: number,
  chunk: Uint8Array,
  into: Uint8Array = new Uint8Array(chunk.byteLength),
): SealedChunk | Refusal => {
  if (!isChunk(file.manifest, index, chunk)) return refuse('file-changed', `chunk ${index}`)
  const cipher = createCipheriv(CIPHER, createSecretKey(file.key), nonceOf(index), { authTagLength: TAG_BYTES })
  cipher.setAAD(file.manifestHash)
  const ciphertext = inPieces(cipher, chunk, into)
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

/**
 * The chunk's bytes, or `file-chunk-wrong`. The tag keeps out who lacks the key; the hash keeps out the members who have
 * it, so what this returns may be written to the disk.
 * @param into takes the bytes; may be the ciphertext itself
 */
export const openChunk = (
  file: SealedFile,
  index: number,
  sealed: SealedChunk,
  into: Uint8Array = new Uint8Array(sealed.ciphertext.byteLength),
): Uint8Array | Refusal => {
  const wrong = refuse('file-chunk-wrong', `chunk ${index}`)
  if (!Number.isSafeInteger(index) || index < 0 || index >= chunkCount(file.manifest)) return wrong
  if (sealed.tag.byteLength !== TAG_BYTES || sealed.ciphertext.byteLength > file.manifest.chunkBytes) return wrong
  const decipher = createDecipheriv(CIPHER, createSecretKey(file.key), nonceOf(index), { authTagLength: TAG_BYTES })
  decipher.setAAD(file.manifestHash)
  decipher.setAuthTag(sealed.tag)
  const chunk = inPieces(decipher, sealed.ciphertext, into)
  try {
    decipher.final()
  } catch {
    return wrong
  }
  return isChunk(file.manifest, index, chunk) ? chunk : wrong
}

const nonceOf = (index: number): Uint8Array => {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeBigUInt64BE(BigInt(index), NONCE_BYTES - 8)
  return nonce
}
