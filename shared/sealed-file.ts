import { createCipheriv, createDecipheriv, type ScryptOptions, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { type Refusal, refuse } from './errors.ts'
import { SCRYPT_BLOCK, SCRYPT_COST, SCRYPT_LANES, SCRYPT_MAX_MEMORY_BYTES } from './limits.ts'
import type { Random } from './random.ts'

// A file under a passphrase: `head ‖ salt (16) ‖ iv (12) ‖ ciphertext ‖ tag (16)`. AES-256-GCM (NIST SP 800-38D) under
// scrypt (RFC 7914) of the passphrase; the head, which says what the file is, is authenticated. Backups are such files.

const SALT_BYTES = 16
const IV_BYTES = 12
const TAG_BYTES = 16

/** A file that is being sealed, piece by piece: GCM takes 64 GiB of it. */
export type FileSealing = {
  /** The file's first bytes. */
  readonly start: Uint8Array
  seal(piece: Uint8Array): Uint8Array
  /** The file's last bytes. */
  end(): Uint8Array
}

/** About 0.2 s, off the event loop. */
export const sealFile = async (head: string, passphrase: string, random: Random): Promise<FileSealing> => {
  const salt = random.bytes(SALT_BYTES)
  const iv = random.bytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', await stretch(passphrase, salt), iv)
  cipher.setAAD(Buffer.from(head))
  return {
    start: Buffer.concat([Buffer.from(head), salt, iv]),
    seal: (piece) => cipher.update(piece),
    end: () => Buffer.concat([cipher.final(), cipher.getAuthTag()]),
  }
}

/** Bytes of a sealed file that stand before its ciphertext, and behind it. */
export const sealedStartBytes = (head: string): number => Buffer.byteLength(head) + SALT_BYTES + IV_BYTES
export const SEALED_END_BYTES = TAG_BYTES

/** A file that is being opened, piece by piece: nothing of it counts before `end` has said so. */
export type FileOpening = {
  open(piece: Uint8Array): Uint8Array
  /** Null when all of it is as it was sealed; `passphrase-wrong`, which an altered byte looks like, when it is not. */
  end(last: Uint8Array): Refusal | null
}

/** @param start the file's first bytes, as many as `sealedStartBytes` says @returns `backup-damaged` for another kind of file */
export const openFile = async (head: string, start: Uint8Array, passphrase: string): Promise<FileOpening | Refusal> => {
  const salted = Buffer.byteLength(head)
  if (start.byteLength !== sealedStartBytes(head) || !Buffer.from(head).equals(start.subarray(0, salted))) {
    return refuse('backup-damaged')
  }
  const key = await stretch(passphrase, start.subarray(salted, salted + SALT_BYTES))
  const iv = start.subarray(salted + SALT_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(head))
  return {
    open: (piece) => decipher.update(piece),
    end: (last) => {
      try {
        decipher.setAuthTag(last)
        decipher.final()
        return null
      } catch {
        return refuse('passphrase-wrong', 'or the file was altered')
      }
    },
  }
}

/** A file that is in memory. */
export const sealWhole = async (
  head: string,
  content: Uint8Array,
  passphrase: string,
  random: Random,
): Promise<Uint8Array> => {
  const sealing = await sealFile(head, passphrase, random)
  return Buffer.concat([sealing.start, sealing.seal(content), sealing.end()])
}

/** What was sealed, or `backup-damaged`, or `passphrase-wrong` (which an altered byte looks like). */
export const openWhole = async (head: string, file: Uint8Array, passphrase: string): Promise<Uint8Array | Refusal> => {
  const from = sealedStartBytes(head)
  if (file.byteLength < from + SEALED_END_BYTES) return refuse('backup-damaged')
  const opening = await openFile(head, file.subarray(0, from), passphrase)
  if ('kind' in opening) return opening
  const content = opening.open(file.subarray(from, -SEALED_END_BYTES))
  return opening.end(file.subarray(-SEALED_END_BYTES)) ?? content
}

const scryptAsync = promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt)

// One text has one form, whether macOS or Linux typed it (RFC 8265 §4.2.2).
const stretch = (passphrase: string, salt: Uint8Array): Promise<Buffer> =>
  scryptAsync(passphrase.normalize('NFC'), salt, 32, {
    N: SCRYPT_COST,
    r: SCRYPT_BLOCK,
    p: SCRYPT_LANES,
    maxmem: SCRYPT_MAX_MEMORY_BYTES,
  })
