import type { TrustAnchor } from '../shared/certificate/verify.ts'
import { fault } from '../shared/errors.ts'
import { CLOCK_SKEW_MS, CRL_ENTRY_KEPT_MS, CRL_INTERVAL_MS, CRLS_KEPT } from '../shared/limits.ts'
import { adopt, type SignedList } from './adoption.ts'
import { findAudit, writeAudit } from './audit.ts'
import type { Database, Transaction } from './database.ts'
import type { HighWater } from './high-water.ts'
import {
  type Reason,
  type Revoked,
  type RevokedDevices,
  reasonOf,
  revoke,
  setDisabled,
  type Target,
} from './put-out.ts'
import { checkRoot } from './roll-over.ts'

/** What a list is to say. */
export type CrlOrder = { readonly number: number; readonly entries: readonly Revoked[]; readonly now: number }

export type SignedCrl = {
  readonly number: number
  readonly der: Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly madeAt: number
  readonly nextUpdate: number
}

/** Signs a list with the key of the root of that number. */
export type CrlSigner = {
  readonly root: number
  sign(order: CrlOrder): Promise<{ readonly der: Uint8Array; readonly nextUpdate: number }>
}

export type Revocations = {
  /**
   * Writes down that the devices of the target are out, for ever; in force for others once `publish` has signed it.
   * Null when there is no such user or device.
   */
  revoke(target: Target, reason: Reason, now: number): Promise<RevokedDevices | null>
  /** As `revoke` does with all devices, and the user can neither log in nor renew until `enable`. */
  disable(user: string, now: number): Promise<RevokedDevices | null>
  /** Whether there is such a user. The devices stay revoked: the user logs in with new keys. */
  enable(user: string, now: number): Promise<boolean>
  /** Whether a revocation waits for a signature. */
  unsigned(): Promise<boolean>
  /** Whether a list is to be made: there is none, a revocation waits, or the last is a day old. */
  due(now: number): Promise<boolean>
  /**
   * The next list; with `if-due` the newest where none is due: another process may have been faster.
   * @throws LanyardError `clock-behind` when the last one is from the future
   */
  publish(signer: CrlSigner, now: number, when?: 'now' | 'if-due'): Promise<SignedCrl>
  latest(): Promise<SignedCrl | null>
  /** The number of the newest list; 0 before the first. */
  latestNumber(): Promise<number>
  /** Marks, outside the database, that a list is there which another process made. */
  witness(list: SignedCrl): Promise<void>
  /**
   * Takes over what a list says that this CA signed, and that this database doesn't know: after a restore. The caller has
   * checked the list against the root. How many revocations were new; the next list has a number above this one's.
   * @param anchor with it, what was put out of use with an older root does not put out its device
   */
  adopt(list: SignedList, now: number, anchor?: TrustAnchor): Promise<number>
}

export const createRevocations = (database: Database, highWater: HighWater): Revocations => ({
  revoke: (target, reason, now) =>
    database.transaction().execute((transaction) => revoke(transaction, target, reason, now)),

  disable: (user, now) =>
    database.transaction().execute(async (transaction) => {
      const changed = await setDisabled(transaction, user, now)
      if (!changed) return null
      await writeAudit(transaction, { time: now, event: 'disabled', subject: user, detail: '' })
      return revoke(transaction, { user }, 'cessationOfOperation', now)
    }),

  enable: (user, now) =>
    database.transaction().execute(async (transaction) => {
      const changed = await setDisabled(transaction, user, null)
      if (changed) await writeAudit(transaction, { time: now, event: 'enabled', subject: user, detail: '' })
      return changed
    }),

  unsigned: () => hasUnsigned(database),
  latest: () => latest(database),
  latestNumber: async () => (await latestHead(database))?.number ?? 0,
  due: (now) => isDue(database, highWater, now),

  witness: async ({ number }) =>
    highWater.raise({ crlNumber: number, audit: await findAudit(database, 'crl', String(number)) }),

  adopt: (list, now, anchor) =>
    database.transaction().execute(async (transaction) => {
      const { number } = list
      const added = await adopt(transaction, list, { now, anchor })
      const known = Math.max((await latestHead(transaction))?.number ?? 0, (await highWater.read()).crlNumber)
      if (added === 0 && number <= known) return 0
      const detail = `list ${number}, ${added} revocations`
      const audit = await writeAudit(transaction, { time: now, event: 'restored', subject: String(number), detail })
      await highWater.raise({ crlNumber: number, audit })
      return added
    }),

  publish: async (signer, now, when = 'now') => {
    const { list, audit } = await database.transaction().execute(async (inside) => {
      const list = when === 'now' || (await isDue(inside, highWater, now)) ? null : await latest(inside)
      return list === null ? await publish(inside, highWater, signer, now) : { list, audit: null }
    })
    // Only now that the row is there for good: a mark of one that was rolled back would accuse us.
    if (audit !== null) await highWater.raise({ crlNumber: list.number, audit })
    return list
  },
})

const publish = async (transaction: Transaction, highWater: HighWater, signer: CrlSigner, now: number) => {
  await checkRoot(transaction, signer.root)
  const last = await latestHead(transaction)
  if (last !== null) checkClock(last, now)
  const mark = await highWater.read()
  const number = Math.max(last?.number ?? 0, mark.crlNumber) + 1
  const entries = await listed(transaction, now)
  const { der, nextUpdate } = await signer.sign({ number, entries, now })
  await transaction.insertInto('crls').values({ number, der, made_at: now, next_update: nextUpdate }).execute()
  await transaction
    .deleteFrom('crls')
    .where('number', '<=', number - CRLS_KEPT)
    .execute()
  await transaction.updateTable('revocations').set({ crl_number: number }).where('crl_number', 'is', null).execute()
  const detail = `${entries.length} revoked`
  const audit = await writeAudit(transaction, { time: now, event: 'crl', subject: String(number), detail })
  // Before the commit: a number that was never used may be skipped, one that was may never come again.
  await highWater.raise({ crlNumber: number, audit: mark.audit })
  return { list: { number, der, madeAt: now, nextUpdate }, audit }
}

/** Nobody would take a list that is older, by its own word, than the one before. */
export const checkClock = (last: Pick<SignedCrl, 'number' | 'madeAt'>, now: number): void => {
  if (now >= last.madeAt - CLOCK_SKEW_MS) return
  const made = new Date(last.madeAt).toISOString()
  throw fault('clock-behind', `it says ${new Date(now).toISOString()}; list ${last.number} was made at ${made}`)
}

type Reading = Pick<Database, 'selectFrom'>

const hasUnsigned = async (database: Reading): Promise<boolean> => {
  const row = await database
    .selectFrom('revocations')
    .select('serial')
    .where('crl_number', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

const latest = async (database: Reading): Promise<SignedCrl | null> => {
  const row = await database.selectFrom('crls').selectAll().orderBy('number', 'desc').limit(1).executeTakeFirst()
  if (row === undefined) return null
  return { number: row.number, der: row.der, madeAt: row.made_at, nextUpdate: row.next_update }
}

const latestHead = async (database: Reading) => {
  const query = database.selectFrom('crls').select(['number', 'made_at as madeAt']).orderBy('number', 'desc')
  return (await query.limit(1).executeTakeFirst()) ?? null
}

const isDue = async (database: Reading, highWater: HighWater, now: number): Promise<boolean> => {
  if (await hasUnsigned(database)) return true
  const last = await latestHead(database)
  if (last === null || now >= last.madeAt + CRL_INTERVAL_MS) return true
  return (await highWater.read()).crlNumber > last.number // this database is a restored one
}

/** RFC 5280 §3.3: an entry stays until a list has been made after its certificate's end; ours stay a month. */
const listed = async (database: Reading, now: number): Promise<Revoked[]> => {
  const rows = await database
    .selectFrom('revocations')
    .select(['serial', 'time', 'reason'])
    .where('not_after', '>', now - CRL_ENTRY_KEPT_MS)
    .orderBy('time')
    .orderBy('serial')
    .execute()
  return rows.map(({ serial, time, reason }) => ({ serial, time, reason: reasonOf(reason) }))
}
