import { type Refusal, refuse } from '../shared/errors.ts'
import type { PeerId, UserName } from '../shared/ids.ts'
import { PENDING_LIFETIME_MS, PENDING_MAX } from '../shared/limits.ts'
import { writeAudit } from './audit.ts'
import type { Database, Transaction } from './database.ts'

/**
 * Who may join without an invite: nobody, everybody, or whom the operator approves. An invite is good in each of them.
 */
export const MODES = ['invite', 'open', 'approval'] as const
export type Mode = (typeof MODES)[number]

/** Somebody who waits, or who has been approved and not come back yet. Times are milliseconds since the Unix epoch. */
export type Pending = {
  readonly name: string
  readonly peerId: string
  readonly askedAt: number
  readonly approvedAt: number | null
}

type Reading = Pick<Database, 'selectFrom'>

export const readMode = async (database: Reading): Promise<Mode> => {
  const row = await database.selectFrom('settings').select('value').where('name', '=', 'mode').executeTakeFirst()
  return MODES.find((mode) => mode === row?.value) ?? 'invite'
}

/** Writes the mode down, and in the audit when it is another one. */
export const setMode = (database: Database, mode: Mode, now: number): Promise<void> =>
  database.transaction().execute(async (transaction) => {
    if ((await readMode(transaction)) === mode) return
    await transaction.deleteFrom('settings').where('name', '=', 'mode').execute()
    await transaction.insertInto('settings').values({ name: 'mode', value: mode }).execute()
    await writeAudit(transaction, { time: now, event: 'mode', subject: mode, detail: '' })
  })

export const isApproved = async (database: Reading, user: UserName, peerId: PeerId, now: number): Promise<boolean> => {
  const row = await database
    .selectFrom('pending')
    .select('approved_at')
    .where('name', '=', user)
    .where('peer_id', '=', peerId)
    .executeTakeFirst()
  const approved = row?.approved_at ?? null
  return approved !== null && now < approved + PENDING_LIFETIME_MS
}

/** Notes that somebody asks to join. Those that nobody came back for make room. */
export const ask = async (
  transaction: Transaction,
  user: UserName,
  peerId: PeerId,
  now: number,
): Promise<Refusal | null> => {
  const old = now - PENDING_LIFETIME_MS
  await transaction
    .deleteFrom('pending')
    .where('asked_at', '<=', old)
    .where(({ eb, or }) => or([eb('approved_at', 'is', null), eb('approved_at', '<=', old)]))
    .execute()
  const waiting = await listPending(transaction)
  if (waiting.some((one) => one.name === user && one.peerId === peerId)) return null
  if (waiting.length >= PENDING_MAX) return refuse('busy', `${waiting.length} requests wait for approval`)
  await transaction
    .insertInto('pending')
    .values({ name: user, peer_id: peerId, asked_at: now, approved_at: null })
    .execute()
  return null
}

/** The oldest first. */
export const listPending = async (database: Reading): Promise<Pending[]> => {
  const rows = await database.selectFrom('pending').selectAll().orderBy('asked_at').execute()
  return rows.map(({ name, peer_id, asked_at, approved_at }) => ({
    name,
    peerId: peer_id,
    askedAt: asked_at,
    approvedAt: approved_at,
  }))
}

/** Lets the device of that name in at its next try. */
export const approve = (database: Database, { name, peerId }: Pending, now: number): Promise<void> =>
  database.transaction().execute(async (transaction) => {
    await transaction
      .updateTable('pending')
      .set({ approved_at: now })
      .where('name', '=', name)
      .where('peer_id', '=', peerId)
      .execute()
    await writeAudit(transaction, { time: now, event: 'approved', subject: name, detail: peerId })
  })

/** The name is somebody's now: all who asked for it are done. */
export const forget = async (transaction: Transaction, user: UserName): Promise<void> => {
  await transaction.deleteFrom('pending').where('name', '=', user).execute()
}
