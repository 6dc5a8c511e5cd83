import { sha256, toHex } from '../shared/ids.ts'
import type { Database, Transaction } from './database.ts'
import type { Mark } from './high-water.ts'

/** What is written down, by what happened. */
export type AuditEvent =
  | 'approved'
  | 'asked'
  | 'backed-up'
  | 'crl'
  | 'disabled'
  | 'enabled'
  | 'enrolled'
  | 'invited'
  | 'mode'
  | 'moved'
  | 'overlap-ended'
  | 'password'
  | 'refused'
  | 'restored'
  | 'revoked'
  | 'rolled-over'
  | 'served'
  | 'terms'

/** A row of the audit. */
export type Audited = {
  /** Milliseconds since the Unix epoch. */
  readonly time: number
  readonly event: AuditEvent
  /** Whom or what it is about. */
  readonly subject: string
  readonly detail: string
}

/** A row as it stands: each one's hash covers the hash before it, so that none is changed, dropped or put in between unseen. */
export type ChainedRow = Omit<Audited, 'event'> & { readonly id: number; readonly event: string; readonly hash: string }

export type AuditVerdict =
  | { readonly kind: 'intact'; readonly rows: number; readonly head: string }
  /** `row` is the first that does not follow from those before it. */
  | { readonly kind: 'broken'; readonly row: number; readonly why: string }

/** Adds a row, in the caller's transaction: what it tells of and the telling stand or fall together. */
export const writeAudit = async (transaction: Transaction, row: Audited): Promise<{ id: number; hash: string }> => {
  const query = transaction.selectFrom('audit').select(['id', 'hash']).orderBy('id', 'desc')
  const last = await query.limit(1).executeTakeFirst()
  const id = (last?.id ?? 0) + 1
  const hash = link(last?.hash ?? START, { ...row, id })
  await transaction
    .insertInto('audit')
    .values({ ...row, id, hash })
    .execute()
  return { id, hash }
}

/** The rows after one, the oldest first. */
export const readAudit = (database: Reading, after: number, limit: number): Promise<ChainedRow[]> =>
  database.selectFrom('audit').selectAll().where('id', '>', after).orderBy('id').limit(limit).execute()

/** The newest rows, the oldest of them first. */
export const lastAudit = async (database: Reading, count: number): Promise<ChainedRow[]> => {
  const rows = await database.selectFrom('audit').selectAll().orderBy('id', 'desc').limit(count).execute()
  return rows.reverse()
}

/** The newest row of that event and subject. */
export const findAudit = async (
  database: Reading,
  event: AuditEvent,
  subject: string,
): Promise<{ id: number; hash: string } | null> => {
  const query = database.selectFrom('audit').select(['id', 'hash']).where('event', '=', event)
  return (await query.where('subject', '=', subject).orderBy('id', 'desc').limit(1).executeTakeFirst()) ?? null
}

/** Follows the chain from its start, and compares it with the mark outside the database. */
export const verifyAudit = async (database: Reading, mark: Mark): Promise<AuditVerdict> => {
  let hash = START
  let last = 0
  for (let rows = await readAudit(database, 0, PAGE); rows.length > 0; rows = await readAudit(database, last, PAGE)) {
    for (const row of rows) {
      if (row.id !== last + 1) return { kind: 'broken', row: last + 1, why: 'it is missing' }
      hash = link(hash, row)
      last = row.id
      if (row.hash !== hash) return { kind: 'broken', row: row.id, why: 'it, or one before it, was changed' }
      const marked = mark.audit?.id === row.id
      if (marked && mark.audit.hash !== hash) {
        return { kind: 'broken', row: row.id, why: 'it is not what it was when the last list was made' }
      }
    }
  }
  if (mark.audit !== null && mark.audit.id > last) return { kind: 'broken', row: last + 1, why: 'the end was cut off' }
  return { kind: 'intact', rows: last, head: hash }
}

type Reading = Pick<Database, 'selectFrom'>

const START = ''
const PAGE = 1_000

/** SHA-256, hex, over the JSON of the hash before and the row. */
const link = (previous: string, { id, time, event, subject, detail }: Omit<ChainedRow, 'hash'>): string =>
  toHex(sha256(new TextEncoder().encode(JSON.stringify([previous, id, time, event, subject, detail]))))
