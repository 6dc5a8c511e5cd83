import { closeSync, openSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { backup, DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import {
  CompiledQuery,
  type Dialect,
  Kysely,
  type Transaction as KyselyTransaction,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { fault, LanyardError } from '../shared/errors.ts'
import { MIGRATIONS, type Schema } from './schema.ts'

export type Database = Kysely<Schema>
export type Transaction = KyselyTransaction<Schema>

// Another process writes for milliseconds: `ca invite` beside a CA that serves.
const LOCK_TIMEOUT_MS = 5_000
const LOCK_RETRY_MS = 10
const BUSY_TIMEOUT_MS = 100 // of SQLite itself, which holds up the event loop: for reads, and at the start

/**
 * The CA's database, brought to the newest version; two processes may hold it open. Its queries run one at a time, and a
 * transaction shuts every other query out: kysely gives SQLite's one connection to one user at a time.
 * @throws LanyardError `storage-failed`
 */
export const openDatabase = (path: string): Database => {
  try {
    closeSync(openSync(path, 'a', 0o600)) // SQLite would make it readable to all; its other files take the rights of this
    const sqlite = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
    // FULL: a certificate that has left the house is on the disk, whatever happens to the power.
    sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    migrate(sqlite)
    return new Kysely<Schema>({ dialect: dialect(adapt(sqlite)) })
  } catch (cause) {
    throw storageFault(cause, path)
  }
}

/** In words of its own: a full disk and a lock are the two that an operator can do something about. */
const storageFault = (cause: unknown, path: string): LanyardError => {
  if (cause instanceof LanyardError) return cause
  if (isBusy(cause)) return fault('database-locked', path, cause)
  return fault(isFull(cause) ? 'disk-full' : 'storage-failed', path, cause)
}

/** A whole copy of the database, while others may write to it. @throws LanyardError `storage-failed` */
export const copyDatabase = async (path: string): Promise<Uint8Array> => {
  const copy = `${path}.copy`
  try {
    const sqlite = new DatabaseSync(path, { readOnly: true })
    try {
      await backup(sqlite, copy)
    } finally {
      sqlite.close()
    }
    return await readFile(copy)
  } catch (cause) {
    throw fault('storage-failed', path, cause)
  } finally {
    await rm(copy, { force: true })
  }
}

/**
 * Makes sure that nobody has the database open, and that all of it is in its one file, which may then be replaced.
 * @throws LanyardError `profile-in-use`
 */
export const shutDatabase = async (path: string): Promise<void> => {
  try {
    const sqlite = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS })
    try {
      sqlite.exec('PRAGMA journal_mode = DELETE') // refused while another process has it open
    } finally {
      sqlite.close()
    }
  } catch (error) {
    if (isBusy(error)) throw fault('profile-in-use', path, error)
    // Whatever else is wrong with it: it is about to be replaced.
  }
  for (const rest of ['-wal', '-shm']) await rm(path + rest, { force: true })
}

const migrate = (sqlite: DatabaseSync): void => {
  sqlite.exec('BEGIN IMMEDIATE')
  try {
    const version = Number(sqlite.prepare('PRAGMA user_version').get()?.user_version)
    if (version > MIGRATIONS.length) throw fault('storage-failed', 'the database is from a newer lanyard')
    for (const script of MIGRATIONS.slice(version)) sqlite.exec(script)
    sqlite.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    sqlite.exec('COMMIT')
  } catch (error) {
    sqlite.exec('ROLLBACK')
    throw error
  }
}

/**
 * A transaction takes the write lock at its start: one that read first could not wait for another process's write. It
 * waits for the lock without holding up the event loop, as SQLite's own waiting would.
 */
class ImmediateDriver extends SqliteDriver {
  override beginTransaction: SqliteDriver['beginTransaction'] = async (connection) => {
    const deadline = performance.now() + LOCK_TIMEOUT_MS
    for (;;) {
      try {
        await connection.executeQuery(CompiledQuery.raw('begin immediate'))
        return
      } catch (error) {
        if (!isBusy(error)) throw error
        if (performance.now() > deadline) throw fault('database-locked', undefined, error)
      }
      await setTimeout(LOCK_RETRY_MS)
    }
  }
}

const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY
const isFull = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === SQLITE_FULL

const dialect = (database: SqliteDatabase): Dialect => ({
  createAdapter: () => new SqliteAdapter(),
  createDriver: () => new ImmediateDriver({ database }),
  createIntrospector: (kysely) => new SqliteIntrospector(kysely),
  createQueryCompiler: () => new SqliteQueryCompiler(),
})

/** node:sqlite in the shape that kysely's SQLite dialect knows. */
const adapt = (sqlite: DatabaseSync): SqliteDatabase => ({
  close: () => sqlite.close(),
  prepare: (sql) => {
    const statement = sqlite.prepare(sql)
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => worded(() => statement.all(...parameters.map(bindable))),
      run: (parameters) => worded(() => statement.run(...parameters.map(bindable))),
      iterate: (parameters) => statement.iterate(...parameters.map(bindable)),
    }
  },
})

const worded = <T>(query: () => T): T => {
  try {
    return query()
  } catch (error) {
    throw isFull(error) ? fault('disk-full', undefined, error) : error
  }
}

const bindable = (value: unknown): SQLInputValue => {
  const known =
    value === null ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    typeof value === 'string' ||
    value instanceof Uint8Array
  if (!known) throw fault('fault', `a ${typeof value} can't be bound`)
  return value
}
