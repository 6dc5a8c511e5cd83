import { type FileHandle, mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fault, isRefusal, LanyardError, orThrow } from '../../shared/errors.ts'
import { openHome, syncFolder, writeDurably } from '../../shared/folder.ts'
import { BACKUP_LIST_MAX_BYTES, BACKUP_PIECE_BYTES } from '../../shared/limits.ts'
import { openFile, SEALED_END_BYTES, sealedStartBytes } from '../../shared/sealed-file.ts'
import { type Profile, readIdentity } from '../identity/identity-files.ts'
import { readProfile } from '../identity/keystore.ts'
import { IDENTITY } from '../identity/successor.ts'
import { settingsPath } from '../settings.ts'
import { databasePath, openDatabase } from '../store/database.ts'
import { beginNewIncarnation } from '../store/meta.ts'
import { BACKUP_HEAD, type BackupList, backupListCodec, LENGTH_BYTES } from './format.ts'

export type Restored = {
  readonly profile: Profile
  /** When the backup was made, milliseconds since the Unix epoch. */
  readonly madeAt: number
}

/**
 * A backup into a home that has no profile: all of it, or nothing. The device goes on under a new incarnation and new sender
 * keys, since what it wrote after the backup is not known here.
 * @throws LanyardError `already-enrolled`, `file-unreadable`, `backup-damaged`, `passphrase-wrong`, `disk-full`, …
 */
export const restore = async (home: string, file: string, passphrase: string): Promise<Restored> => {
  await refuseProfile(home)
  await using source = await open(file, 'r').catch((cause: unknown) => {
    throw fault('file-unreadable', cause instanceof Error ? cause.message : file, cause)
  })
  await openHome(home)
  await clearDrafts(home)
  const draft = await mkdtemp(join(home, DRAFT))
  try {
    const list = await unseal(source, passphrase, draft)
    const { profile } = await readIdentity(join(draft, IDENTITY), passphrase, () => undefined)
    await startOver(draft)
    await moveIn(draft, home)
    return { profile, madeAt: list.madeAt }
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

const DRAFT = '.restore-'

const refuseProfile = async (home: string): Promise<void> => {
  const there = await readProfile(home).catch((error: unknown) => {
    if (error instanceof LanyardError && error.code === 'no-profile') return null
    throw error
  })
  if (there !== null) throw fault('already-enrolled', home)
}

/** What a restore that was killed has left. */
const clearDrafts = async (home: string): Promise<void> => {
  for (const name of await readdir(home)) {
    if (name.startsWith(DRAFT)) await rm(join(home, name), { recursive: true, force: true })
  }
}

/** Writes what was sealed into the draft; it counts for nothing until this has returned. */
const unseal = async (source: FileHandle, passphrase: string, draft: string): Promise<BackupList> => {
  const from = sealedStartBytes(BACKUP_HEAD)
  const until = (await source.stat()).size - SEALED_END_BYTES
  const start = await bytesAt(source, 0, from)
  if (until < from) throw fault('backup-damaged')
  const opening = orThrow(await openFile(BACKUP_HEAD, start, passphrase))
  let at = from
  /** The next bytes of what was sealed. @throws `backup-damaged` when there are not so many: whoever sealed it did not say so */
  const next = async (length: number): Promise<Uint8Array> => {
    if (at + length > until) throw await wrong()
    const piece = await bytesAt(source, at, length)
    at += length
    return opening.open(piece)
  }
  /** Under a wrong passphrase everything is noise: which of the two it was, the end of the file tells. */
  const wrong = async (): Promise<LanyardError> => {
    for (; at < until; at += BACKUP_PIECE_BYTES) {
      opening.open(await bytesAt(source, at, Math.min(BACKUP_PIECE_BYTES, until - at)))
    }
    return new LanyardError(opening.end(await bytesAt(source, until, SEALED_END_BYTES)) ?? damaged())
  }
  const length = Buffer.from(await next(LENGTH_BYTES)).readUInt32BE()
  if (length > BACKUP_LIST_MAX_BYTES) throw await wrong()
  const list = backupListCodec.decode(await next(length))
  if (isRefusal(list) || list.database + list.log !== until - at) throw await wrong()
  await mkdir(join(draft, IDENTITY), { mode: 0o700 })
  for (const [name, content] of Object.entries(list.identity)) await writeDurably(join(draft, IDENTITY, name), content)
  if (list.settings !== null) await writeDurably(settingsPath(draft), list.settings)
  for (const [path, size] of [
    [databasePath(draft), list.database],
    [`${databasePath(draft)}-wal`, list.log],
  ] as const) {
    await using target = await open(path, 'wx', 0o600)
    for (let left = size; left > 0; ) {
      const piece = await next(Math.min(BACKUP_PIECE_BYTES, left))
      await target.writeFile(piece)
      left -= piece.byteLength
    }
    await target.sync()
  }
  const refusal = opening.end(await bytesAt(source, until, SEALED_END_BYTES))
  if (refusal !== null) throw new LanyardError(refusal)
  return list
}

const damaged = () => ({ kind: 'refusal', code: 'backup-damaged', by: 'here' }) as const

const bytesAt = async (source: FileHandle, at: number, length: number): Promise<Uint8Array> => {
  const { buffer, bytesRead } = await source.read(Buffer.alloc(length), 0, length, at)
  return buffer.subarray(0, bytesRead)
}

/** Nothing that was sent since the backup can be sent another time under its number. */
const startOver = async (draft: string): Promise<void> => {
  const database = openDatabase(databasePath(draft))
  try {
    const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (verdict !== 'ok') throw fault('backup-damaged', String(verdict))
    beginNewIncarnation(database)
    database.checkpoint()
    await database.flushed()
  } finally {
    database.close()
  }
}

/** The identity last: it makes a profile of what is there. A database without one is nobody's, and gives way. */
const moveIn = async (draft: string, home: string): Promise<void> => {
  for (const end of ['-wal', '-shm']) await rm(`${databasePath(home)}${end}`, { force: true })
  await rename(databasePath(draft), databasePath(home))
  await rename(settingsPath(draft), settingsPath(home)).catch(ifThere)
  await syncFolder(home)
  await rename(join(draft, IDENTITY), join(home, IDENTITY)).catch((cause: unknown) => {
    throw fault('already-enrolled', home, cause) // rename(2) never replaces a folder that has something in it
  })
  await syncFolder(home)
}

const ifThere = (error: unknown): void => {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}
