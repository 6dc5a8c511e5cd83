import { closeSync, openSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { setTimeout } from 'node:timers/promises'
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  Kysely,
  type Transaction as KyselyTransaction,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type TransactionSettings,
} from 'kysely'
import { fault, LanyardError } from '../shared/errors.ts'
import { syncFolder } from '../shared/folder.ts'
import type { Schema } from './schema.ts'
import { MIGRATIONS } from './schema-sqlite.ts'

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
    return open(path, (sqlite) => {
      // FULL: a certificate that has left the house is on the disk, whatever happens to the power.
      sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
      migrate(sqlite)
    })
  } catch (cause) {
    throw storageFault(cause, path)
  }
}

const open = (path: string, prepare: (sqlite: DatabaseSync) => void): Database => {
  const sqlite = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true })
  try {
    prepare(sqlite)
  } catch (error) {
    sqlite.close() // or its lock stays until it is swept up
    throw error
  }
  const database = new Kysely<Schema>({ dialect: dialect(sqlite) })
  const destroy = database.destroy.bind(database)
  database.destroy = async () => {
    await destroy()
    if (sqlite.isOpen) sqlite.close() // kysely closes only what it was asked something on
  }
  return database
}

/** In words of its own: a full disk and a lock are the two that an operator can do something about. */
const storageFault = (cause: unknown, path?: string): LanyardError => {
  if (cause instanceof LanyardError) return cause
  if (isBusy(cause)) return fault('database-locked', path, cause)
  return fault(isFull(cause) ? 'disk-full' : 'storage-failed', path, cause)
}

/**
 * The database as it is, with nobody else in it until it is closed: to be read whole, and left as it was.
 * @throws LanyardError `profile-in-use`, `storage-failed`
 */
export const openAlone = (path: string): Database => {
  try {
    return open(path, (sqlite) => {
      // Before the first look at a write-ahead log: then the lock is taken at that look, and kept.
      sqlite.exec('PRAGMA locking_mode = EXCLUSIVE')
      const isNewest = versionOf(sqlite) === MIGRATIONS.length
      if (!isNewest) throw fault('storage-failed', 'it is of another version: start the CA once, and stop it')
    })
  } catch (cause) {
    throw isBusy(cause) ? fault('profile-in-use', path, cause) : storageFault(cause, path)
  }
}

/**
 * A new database in the place of the one that is there, if any: a crash leaves the old one or the new one.
 * @throws LanyardError `profile-in-use`, `storage-failed`
 */
export const replaceDatabase = async (
  path: string,
  fill: (transaction: Transaction) => Promise<void>,
): Promise<void> => {
  const draft = `${path}.draft`
  for (const rest of ['', '-wal', '-shm']) await rm(draft + rest, { force: true })
  const database = openDatabase(draft)
  try {
    await database.transaction().execute(fill)
  } finally {
    await database.destroy()
  }
  await shutDatabase(draft)
  await shutDatabase(path)
  await rename(draft, path)
  await syncFolder(dirname(path))
}

/**
 * Makes sure that nobody has the database open, and that all of it is in its one file, which may then be replaced.
 * @throws LanyardError `profile-in-use`
 */
const shutDatabase = async (path: string): Promise<void> => {
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
  // Of one that is up to date nothing is written, nor is its lock asked for: it can be looked at while another process
  // writes for long, and on a disk that is full.
  if (versionOf(sqlite) === MIGRATIONS.length) return
  sqlite.exec('BEGIN IMMEDIATE')
  try {
    const version = versionOf(sqlite)
    if (version > MIGRATIONS.length) throw fault('storage-failed', 'the database is from a newer lanyard')
    for (const script of MIGRATIONS.slice(version)) sqlite.exec(script)
    sqlite.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    sqlite.exec('COMMIT')
  } catch (error) {
    rollBack(sqlite)
    throw error
  }
}

/** A full disk has ended the transaction already, and to end it again would be the error that is told. */
const rollBack = (sqlite: DatabaseSync): void => {
  if (sqlite.isTransaction) sqlite.exec('ROLLBACK')
}

const versionOf = (sqlite: DatabaseSync): number => Number(sqlite.prepare('PRAGMA user_version').get()?.user_version)

/**
 * A transaction takes the write lock at its start: one that read first could not wait for another process's write. It
 * waits for the lock without holding up the event loop, as SQLite's own waiting would. One that only
 * reads takes none, and sees the database as it was at its first look.
 */
class ImmediateDriver extends SqliteDriver {
  readonly #sqlite: DatabaseSync

  constructor(sqlite: DatabaseSync) {
    super({ database: adapt(sqlite) })
    this.#sqlite = sqlite
  }

  override beginTransaction = async (connection: DatabaseConnection, settings?: TransactionSettings) => {
    if (settings?.accessMode === 'read only') return void (await connection.executeQuery(CompiledQuery.raw('begin')))
    const deadline = performance.now() + LOCK_TIMEOUT_MS
    for (;;) {
      try {
        await connection.executeQuery(CompiledQuery.raw('begin immediate'))
        return
      } catch (error) {
        const locked = error instanceof LanyardError && error.code === 'database-locked'
        if (!locked || performance.now() > deadline) throw error
      }
      await setTimeout(LOCK_RETRY_MS)
    }
  }

  override rollbackTransaction = async () => rollBack(this.#sqlite)
}

// https://sqlite.org/rescode.html: the lowest byte is the primary code, what stands above it says more.
const SQLITE_BUSY = 5
const SQLITE_FULL = 13
const STORAGE_CODES: readonly (number | null)[] = [8, 10, 11, 14, 26] // read-only, I/O, corrupt, can't open, no database
const codeOf = (error: unknown): number | null =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : null
const isBusy = (error: unknown): boolean => codeOf(error) === SQLITE_BUSY
const isFull = (error: unknown): boolean => codeOf(error) === SQLITE_FULL

const dialect = (sqlite: DatabaseSync): Dialect => ({
  createAdapter: () => new SqliteAdapter(),
  createDriver: () => new ImmediateDriver(sqlite),
  createIntrospector: (kysely) => new SqliteIntrospector(kysely),
  createQueryCompiler: () => new SqliteQueryCompiler(),
})

/** node:sqlite in the shape that kysely's SQLite dialect knows. */
const adapt = (sqlite: DatabaseSync): SqliteDatabase => ({
  close: () => sqlite.close(),
  prepare: (sql) => {
    const statement = worded(() => sqlite.prepare(sql))
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
    const ours = isFull(error) || isBusy(error) || STORAGE_CODES.includes(codeOf(error))
    throw ours ? storageFault(error) : error
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
