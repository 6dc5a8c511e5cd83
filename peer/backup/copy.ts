import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock } from '../../shared/clock.ts'
import { fault, LanyardError } from '../../shared/errors.ts'
import { BACKUP_PIECE_BYTES, BACKUP_STILL_MS } from '../../shared/limits.ts'
import { type Database, openDatabase } from '../store/database.ts'

// A peer that runs has its database locked: nobody else opens it. But SQLite changes the file in a checkpoint only, and appends
// everything else to the write-ahead log, each frame with a checksum (https://sqlite.org/walformat.html). So the two files
// copied one after the other, with no checkpoint between, are what a killed process would have left: SQLite opens that.

/** The files of a database, so long as nothing but the end of the log changes. */
export type DatabaseFiles = {
  readonly database: number
  readonly log: number
  /** All bytes: of the database, then of the log. What was read counts only if `isWhole` says so afterwards. */
  pieces(): AsyncIterable<Uint8Array>
  /** Whether no checkpoint came between; and what was read is on the disk, so that a power cut takes none of it back. */
  isWhole(): Promise<boolean>
}

/**
 * Lends the database's files to `work`: to nobody else meanwhile, or, while a peer has them locked, as they are. Null when
 * that peer has just ended: then it is to be tried again.
 * @throws LanyardError `storage-failed`, `disk-full`
 */
export const withDatabaseFiles = async <T>(
  path: string,
  clock: Clock,
  work: (files: DatabaseFiles) => Promise<T>,
): Promise<T | null> => {
  const held = lock(path)
  try {
    held?.checkpoint()
    await using database = await open(path, 'r')
    await using log = await open(`${path}-wal`, 'r+').catch(unlessGone)
    return log === null ? null : await work(await look({ path, database, log, clock }))
  } finally {
    held?.close()
  }
}

const lock = (path: string): Database | null => {
  try {
    return openDatabase(path)
  } catch (error) {
    if (error instanceof LanyardError && error.code === 'profile-in-use') return null
    throw error
  }
}

/** Who closes a database takes its log away. */
const unlessGone = (cause: unknown): null => {
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
  throw fault('storage-failed', cause instanceof Error ? cause.message : undefined, cause)
}

type Handles = {
  readonly path: string
  readonly database: FileHandle
  readonly log: FileHandle
  readonly clock: Clock
}

const look = async (handles: Handles): Promise<DatabaseFiles> => {
  const { database, log, clock } = handles
  // A change within one tick of the file system's clock would leave the time of the last one as it is.
  for (;;) {
    const { mtimeMs } = await database.stat()
    const wait = mtimeMs + BACKUP_STILL_MS - clock.now()
    if (wait <= 0 || wait > BACKUP_STILL_MS) break // a clock that was set back tells nothing
    await delay(wait)
  }
  const before = await markOf(handles)
  const sizes = { database: before.size, log: (await log.stat()).size }
  return {
    ...sizes,
    pieces: async function* () {
      yield* piecesOf(database, sizes.database)
      yield* piecesOf(log, sizes.log)
    },
    isWhole: async () => {
      await log.datasync()
      const after = await markOf(handles)
      const isSame = after.changed === before.changed && after.salts.equals(before.salts)
      return isSame && before.isLog && after.isLog && after.size === before.size
    },
  }
}

/** What a checkpoint changes: the database, and the head of the log that is begun anew. */
const markOf = async ({ path, database, log }: Handles) => {
  const { size, mtimeNs } = await database.stat({ bigint: true })
  const { buffer, bytesRead } = await log.read(Buffer.alloc(LOG_HEAD_BYTES), 0, LOG_HEAD_BYTES, 0)
  // Another peer on this home begins another log.
  const present = await stat(`${path}-wal`).catch(() => null)
  const isLog = present?.ino === (await log.stat()).ino
  return { size: Number(size), changed: mtimeNs, salts: buffer.subarray(0, bytesRead), isLog }
}

const LOG_HEAD_BYTES = 32 // with two salts, which are others in each round of the log

/** So many bytes; fewer where the file has become shorter, which `isWhole` sees. */
const piecesOf = async function* (file: FileHandle, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < size; ) {
    const length = Math.min(BACKUP_PIECE_BYTES, size - at)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}
