import { createCipheriv, createDecipheriv, type ScryptOptions, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { z } from 'zod'
import { bytes, codec, count } from '../shared/codec.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import { BACKUP_MAX_BYTES, SCRYPT_BLOCK, SCRYPT_COST, SCRYPT_LANES, SCRYPT_MAX_MEMORY_BYTES } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'
import { type AllRows, allRowsShape } from './database-rows.ts'

/** All of a CA, in one piece. */
export type Backup = {
  /** The files of its key folder by name; the private ones are sealed by themselves, too. */
  readonly keys: Readonly<Record<string, Uint8Array>>
  /** The version of the tables, and all their rows: they can be put back into either kind of database. */
  readonly schema: number
  readonly rows: AllRows
  /** The number of the newest CRL when it was made. */
  readonly crlNumber: number
  /** Milliseconds since the Unix epoch. */
  readonly madeAt: number
}

const backupCodec = codec<Backup>(
  z.strictObject({
    keys: z.record(z.string().regex(/^[a-z-]{1,32}\.(pem|key)$/), bytes({ max: 64 * 1024 })),
    schema: count(),
    rows: allRowsShape,
    crlNumber: count(),
    madeAt: count(),
  }),
  BACKUP_MAX_BYTES,
)

const HEAD = Buffer.from('lanyard ca backup 1\n')
const SALT_BYTES = 16
const IV_BYTES = 12
const TAG_BYTES = 16

/** `head ‖ salt ‖ iv ‖ tag ‖ ciphertext`: AES-256-GCM under scrypt of the passphrase; the head is authenticated. */
export const sealBackup = async (backup: Backup, passphrase: string, random: Random): Promise<Uint8Array> => {
  const salt = random.bytes(SALT_BYTES)
  const iv = random.bytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', await stretch(passphrase, salt), iv)
  cipher.setAAD(HEAD)
  const sealed = [cipher.update(backupCodec.encode(backup)), cipher.final()]
  return Buffer.concat([HEAD, salt, iv, cipher.getAuthTag(), ...sealed])
}

/** The backup, or `backup-damaged`, or `passphrase-wrong` (which an altered byte looks like). */
export const openBackup = async (file: Uint8Array, passphrase: string): Promise<Backup | Refusal> => {
  const start = HEAD.byteLength + SALT_BYTES + IV_BYTES + TAG_BYTES
  if (file.byteLength < start || !HEAD.equals(file.subarray(0, HEAD.byteLength))) return refuse('backup-damaged')
  const salt = file.subarray(HEAD.byteLength, HEAD.byteLength + SALT_BYTES)
  const iv = file.subarray(HEAD.byteLength + SALT_BYTES, start - TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', await stretch(passphrase, salt), iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(HEAD)
  decipher.setAuthTag(file.subarray(start - TAG_BYTES, start))
  const plain = decrypt(decipher, file.subarray(start))
  if (plain === null) return refuse('passphrase-wrong', 'or the file was altered')
  const backup = backupCodec.decode(plain)
  return isRefusal(backup) ? refuse('backup-damaged', backup.detail) : backup
}

const decrypt = (decipher: ReturnType<typeof createDecipheriv>, sealed: Uint8Array): Buffer | null => {
  try {
    return Buffer.concat([decipher.update(sealed), decipher.final()])
  } catch {
    return null
  }
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
