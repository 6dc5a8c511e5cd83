import { type FileHandle, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../shared/clock.ts'
import { fault } from '../../shared/errors.ts'
import { syncFolder } from '../../shared/folder.ts'
import { BACKUP_TRIES } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import { sealFile } from '../../shared/sealed-file.ts'
import { openKeystore } from '../identity/keystore.ts'
import { IDENTITY, isAsked } from '../identity/successor.ts'
import { settingsPath } from '../settings.ts'
import { databasePath } from '../store/database.ts'
import { type DatabaseFiles, withDatabaseFiles } from './copy.ts'
import { BACKUP_HEAD, backupListCodec, LENGTH_BYTES } from './format.ts'

export type BackupOrder = {
  readonly home: string
  /** Where to; what is there is replaced whole. */
  readonly file: string
  /** Of this device: it seals the backup, too. */
  readonly passphrase: string
  readonly clock: Clock
  readonly random: Random
}

/**
 * All of a profile in one sealed file, whether or not its peer runs: identity, settings, and the database with history, keys
 * and revocation lists; not the files that were fetched.
 * @returns how many bytes
 * @throws LanyardError `no-profile`, `passphrase-wrong`, `rekey-cut-off`, `busy`, `disk-full`, `storage-failed`
 */
export const backUp = async (order: BackupOrder): Promise<number> => {
  const { home, passphrase, clock } = order
  await openKeystore(home, passphrase) // a backup under a mistyped passphrase is none
  if (await isAsked(home)) throw fault('rekey-cut-off')
  for (let tries = 0; tries < BACKUP_TRIES; tries++) {
    const bytes = await withDatabaseFiles(databasePath(home), clock, (files) =>
      replaceBy(order.file, async (draft) => {
        const key = await readFile(keyPath(home))
        const written = await write(order, files, draft)
        // The key is another one after `rekey`, which a peer that has just ended made room for.
        return (await files.isWhole()) && key.equals(await readFile(keyPath(home))) ? written : null
      }),
    )
    if (bytes !== null) return bytes
  }
  throw fault('busy', 'the database changes faster than it can be copied')
}

const keyPath = (home: string): string => join(home, IDENTITY, 'identity.pem')

const write = async (
  { home, passphrase, clock, random }: BackupOrder,
  files: DatabaseFiles,
  draft: FileHandle,
): Promise<number> => {
  const { database, log } = files
  const [identity, settings] = [await readIdentityFiles(home), await readFile(settingsPath(home)).catch(() => null)]
  const list = backupListCodec.encode({ madeAt: clock.now(), identity, settings, database, log })
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(list.byteLength)
  const sealing = await sealFile(BACKUP_HEAD, passphrase, random)
  let bytes = 0
  const put = async (piece: Uint8Array): Promise<void> => {
    await draft.writeFile(piece)
    bytes += piece.byteLength
  }
  await put(sealing.start)
  for (const piece of [length, list]) await put(sealing.seal(piece))
  for await (const piece of files.pieces()) await put(sealing.seal(piece))
  await put(sealing.end())
  return bytes
}

const readIdentityFiles = async (home: string): Promise<Record<string, Uint8Array>> => {
  const folder = join(home, IDENTITY)
  const names = (await readdir(folder)).filter((name) => /^[a-z]+\.(pem|json|key)$/.test(name)) // no drafts
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const)),
  )
}

/** Writes beside the file first: a name that is there holds all of it, the old or the new. Null leaves the old one. */
const replaceBy = async <T>(file: string, work: (draft: FileHandle) => Promise<T | null>): Promise<T | null> => {
  const path = `${resolve(file)}.part`
  try {
    const draft = await open(path, 'w', 0o600).catch((cause: unknown) => {
      throw fault('storage-failed', cause instanceof Error ? cause.message : path, cause)
    })
    const outcome = await work(draft)
      .then(async (written) => {
        if (written !== null) await draft.sync()
        return written
      })
      .finally(() => draft.close())
    if (outcome === null) return null
    await rename(path, file)
    await syncFolder(dirname(path))
    return outcome
  } finally {
    await rm(path, { force: true })
  }
}
