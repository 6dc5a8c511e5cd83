import { createHash } from 'node:crypto'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { bytes } from '../shared/codec.ts'
import { fault } from '../shared/errors.ts'
import { BACKUP_MAX_BYTES } from '../shared/limits.ts'
import type { Database, Transaction } from './database.ts'
import { type Schema, TABLES } from './schema.ts'

// Rows as they are, of whatever kind of database: what is read from the one can be written into the other.

type Cell = string | number | null | Uint8Array
type Row = Readonly<Record<string, Cell>>

/** One table: the names of its columns once, then each row's cells in that order. */
export type TableRows = { readonly columns: readonly string[]; readonly rows: readonly (readonly Cell[])[] }

/** Every table by its name. */
export type AllRows = Readonly<Record<keyof Schema, TableRows>>

const cell = z.union([z.string(), z.int(), z.null(), bytes({ max: BACKUP_MAX_BYTES })])
const tableRows = z.strictObject({ columns: z.array(z.string()), rows: z.array(z.array(cell)) })

/** No table missing, and none that is not ours. */
export const allRowsShape: z.ZodType<AllRows> = z.record(z.enum(TABLES.map(({ name }) => name)), tableRows)

/** All rows as they are at one moment, while others may write. */
export const readRows = (database: Database): Promise<AllRows> =>
  atOneMoment(database, async (reading) => {
    const all: Partial<Record<keyof Schema, TableRows>> = {}
    for (const table of TABLES) {
      const rows: Row[] = []
      for await (const page of pagesOf(reading, table)) rows.push(...page)
      const columns = Object.keys(rows[0] ?? {})
      all[table.name] = { columns, rows: rows.map((row) => columns.map((column) => row[column] ?? null)) }
    }
    return all as AllRows
  })

/** Puts them into a database that has none. */
export const writeRows = async (transaction: Transaction, all: AllRows): Promise<void> => {
  for (const { name } of TABLES) {
    const { columns, rows } = all[name]
    for (let start = 0; start < rows.length; start += PAGE) {
      const page = rows.slice(start, start + PAGE)
      await insert(
        transaction,
        name,
        page.map((cells) => Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? null]))),
      )
    }
  }
}

/**
 * All rows of the one into the other, which has none; then both are read and compared to the byte.
 * @returns how many
 * @throws LanyardError `storage-failed` when they differ
 */
export const copyRows = (from: Database, to: Transaction): Promise<number> =>
  atOneMoment(from, async (reading) => {
    let copied = 0
    for (const table of TABLES) {
      for await (const page of pagesOf(reading, table)) await insert(to, table.name, page)
      const [before, after] = [await digestOf(reading, table), await digestOf(to, table)]
      if (before.digest !== after.digest) throw fault('storage-failed', `${table.name} did not arrive as it was`)
      copied += after.rows
    }
    return copied
  })

type Reading = Pick<Database, 'selectFrom'>
type Table = (typeof TABLES)[number]

const PAGE = 500 // times ten columns is far below what a statement may bind

const atOneMoment = <T>(database: Database, job: (reading: Transaction) => Promise<T>): Promise<T> =>
  database.transaction().setAccessMode('read only').execute(job)

async function* pagesOf(database: Reading, { name, order }: Table): AsyncGenerator<Row[]> {
  const all = loose(database).selectFrom(name).selectAll()
  const inOrder = order.reduce((query, column) => query.orderBy(column), all)
  for (let offset = 0; ; offset += PAGE) {
    const page = await inOrder.limit(PAGE).offset(offset).execute()
    if (page.length > 0) yield page
    if (page.length < PAGE) return
  }
}

const insert = async (transaction: Transaction, name: keyof Schema, rows: readonly Row[]): Promise<void> => {
  if (rows.length > 0) await loose(transaction).insertInto(name).values(rows).execute()
}

const digestOf = async (database: Reading, table: Table): Promise<{ digest: string; rows: number }> => {
  const hash = createHash('sha256')
  let rows = 0
  for await (const page of pagesOf(database, table)) {
    rows += page.length
    for (const row of page) hash.update(`${JSON.stringify(Object.entries(row).sort().map(plain))}\n`)
  }
  return { digest: hash.digest('hex'), rows }
}

const plain = ([column, value]: [string, Cell]) =>
  value instanceof Uint8Array ? [column, 'bytes', Buffer.from(value).toString('hex')] : [column, value]

/** Whoever copies a table does not ask what is in it. */
const loose = (database: Reading) => database as unknown as Kysely<Record<keyof Schema, Row>>
