import { sql } from 'kysely'
import { fault, LanyardError } from '../shared/errors.ts'
import type { Database, Transaction } from './database.ts'
import type { ServerAddress } from './database-address.ts'
import { connectPostgres, PRESENT } from './database-postgres.ts'
import { TABLES } from './schema.ts'
import { DROP, MIGRATIONS } from './schema-postgres.ts'

/**
 * The CA's database on a server, brought to the newest version; any number of processes may hold it open.
 * @param state `new` makes the tables where there is nothing yet
 * @throws LanyardError `database-unreachable`, `database-refused`, `database-foreign`, `database-missing`, …
 */
export const openServer = async (address: ServerAddress, state: 'used' | 'new' = 'used'): Promise<Database> => {
  const database = connectPostgres(address, 'with-others')
  try {
    await database.transaction().execute(async (transaction) => {
      const version = await versionOf(transaction)
      if (version === null && state === 'used') throw fault('database-missing', `${address.bare} is empty`)
      await migrate(transaction, version)
    })
    return database
  } catch (error) {
    await database.destroy()
    throw error
  }
}

/**
 * Fills a database from the ground up, all of it or nothing, while nobody else has it open.
 * @param part.replace looks at what is there before it is thrown away, and throws when it must stay; without it there may
 * be nothing
 * @throws LanyardError `database-not-empty`, `profile-in-use`, and all that `openServer` throws
 */
export const fillServer = async (
  address: ServerAddress,
  part: { readonly replace?: Work; readonly fill: Work },
): Promise<void> => {
  const database = connectPostgres(address, 'alone')
  try {
    await database.transaction().execute(async (transaction) => {
      await claim(transaction)
      await migrate(transaction, await versionOf(transaction))
      if (!(await isEmpty(transaction))) {
        if (part.replace === undefined) throw fault('database-not-empty', address.bare)
        await part.replace(transaction)
        await sql.raw(DROP).execute(transaction)
        await migrate(transaction, null)
      }
      await part.fill(transaction)
      for (const table of ['users', 'devices']) await countOn(transaction, table)
      // Or it would not know for a while that there is much of one and little of another.
      for (const { name } of TABLES) await sql`ANALYZE ${sql.table(name)}`.execute(transaction)
    })
  } finally {
    await database.destroy()
  }
}

type Work = (transaction: Transaction) => Promise<void>

/** Whether none of our tables has a row. */
export const isEmpty = async (database: Pick<Database, 'selectFrom'>): Promise<boolean> => {
  for (const { name } of TABLES) {
    if ((await database.selectFrom(name).select(sql`1`.as('row')).limit(1).execute()).length > 0) return false
  }
  return true
}

/** Until the transaction's end nobody else opens it. */
const claim = async (transaction: Transaction): Promise<void> => {
  // One that has just closed it may be a moment in going.
  await sql.raw(`SET LOCAL lock_timeout = ${GOING_MS}`).execute(transaction)
  try {
    await sql`SELECT pg_advisory_xact_lock(${PRESENT[0]}::int, ${PRESENT[1]}::int)`.execute(transaction)
  } catch (error) {
    const isHeld = error instanceof LanyardError && error.code === 'database-locked'
    throw isHeld ? fault('profile-in-use', 'it has that database open', error) : error
  }
  await sql`SET LOCAL lock_timeout TO DEFAULT`.execute(transaction)
}

const GOING_MS = 1_000

/** Rows that were copied brought their numbers with them: the next one's is above them. */
const countOn = async (transaction: Transaction, table: string): Promise<void> => {
  await sql`
    SELECT setval(pg_get_serial_sequence(${table}, 'id'), coalesce(max(id), 0) + 1, false) FROM ${sql.table(table)}
  `.execute(transaction)
}

/** @param version what is there; null for nothing */
const migrate = async (transaction: Transaction, version: number | null): Promise<void> => {
  if (version === MIGRATIONS.length) return
  if (version !== null && version > MIGRATIONS.length) {
    throw fault('storage-failed', 'the database is from a newer lanyard')
  }
  if (version === null) {
    await checkEncoding(transaction)
    await sql`CREATE TABLE schema_version (version bigint NOT NULL)`.execute(transaction)
  }
  for (const script of MIGRATIONS.slice(version ?? 0)) await sql.raw(script).execute(transaction)
  await sql`DELETE FROM schema_version`.execute(transaction)
  await sql`INSERT INTO schema_version VALUES (${MIGRATIONS.length})`.execute(transaction)
}

/** Null for a database that nobody has used. */
const versionOf = async (transaction: Transaction): Promise<number | null> => {
  const { rows: tables } = await sql<{ name: string }>`
    SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()`.execute(transaction)
  if (tables.length === 0) return null
  if (!tables.some(({ name }) => name === 'schema_version')) {
    const names = tables.slice(0, 3).map(({ name }) => name)
    throw fault('database-foreign', `it has tables of another program: ${names.join(', ')}`)
  }
  const { rows } = await sql<{ version: number }>`SELECT version FROM schema_version`.execute(transaction)
  return rows[0]?.version ?? 0
}

/** Another one could not hold every name. */
const checkEncoding = async (transaction: Transaction): Promise<void> => {
  const { rows } = await sql<{ server_encoding: string }>`SHOW server_encoding`.execute(transaction)
  const encoding = rows[0]?.server_encoding ?? 'unknown'
  if (encoding !== 'UTF8') {
    throw fault('input-invalid', `its encoding is ${encoding}: createdb --encoding UTF8 --template template0 NAME`)
  }
}
