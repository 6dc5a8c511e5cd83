import { z } from 'zod'
import { bytes, codec, count } from '../../shared/codec.ts'
import { BACKUP_LIST_MAX_BYTES, SEALED_KEY_MAX_BYTES } from '../../shared/limits.ts'

// The backup of a profile is a sealed file (shared/sealed-file.ts) of: the length of the list in 4 bytes, big-endian; the
// list, in CBOR; the database; its write-ahead log, which belongs to it.

/** What the file begins with. */
export const BACKUP_HEAD = 'lanyard profile backup 1\n'

/** All of a profile but its database. */
export type BackupList = {
  /** Milliseconds since the Unix epoch. */
  readonly madeAt: number
  /** The files of the identity by name; the private ones are sealed by themselves, too. */
  readonly identity: Readonly<Record<string, Uint8Array>>
  /** The home's settings as they stand in their file; null when there are none. */
  readonly settings: Uint8Array | null
  /** Bytes of the database, and of its write-ahead log. */
  readonly database: number
  readonly log: number
}

export const backupListCodec = codec<BackupList>(
  z.strictObject({
    madeAt: count(),
    identity: z.record(z.string().regex(/^[a-z]{1,32}\.(pem|json|key)$/), bytes({ max: 4 * SEALED_KEY_MAX_BYTES })),
    settings: bytes({ max: SEALED_KEY_MAX_BYTES }).nullable(),
    database: count(),
    log: count(),
  }),
  BACKUP_LIST_MAX_BYTES,
)

/** How the length of the list is written. */
export const LENGTH_BYTES = 4
