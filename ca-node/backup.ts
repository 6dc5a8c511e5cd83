import { z } from 'zod'
import { bytes, codec, count } from '../shared/codec.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import { BACKUP_MAX_BYTES } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'
import { openWhole, sealWhole } from '../shared/sealed-file.ts'
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

const HEAD = 'lanyard ca backup 1\n'

/** All of it in one file, sealed as shared/sealed-file.ts has it. */
export const sealBackup = (backup: Backup, passphrase: string, random: Random): Promise<Uint8Array> =>
  sealWhole(HEAD, backupCodec.encode(backup), passphrase, random)

/** The backup, or `backup-damaged`, or `passphrase-wrong` (which an altered byte looks like). */
export const openBackup = async (file: Uint8Array, passphrase: string): Promise<Backup | Refusal> => {
  const plain = await openWhole(HEAD, file, passphrase)
  if (isRefusal(plain)) return plain
  const backup = backupCodec.decode(plain)
  return isRefusal(backup) ? refuse('backup-damaged', backup.detail) : backup
}
