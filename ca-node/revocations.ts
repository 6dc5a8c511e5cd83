import { fault } from '../shared/errors.ts'
import {
  CERTIFICATE_LIFETIME_MAX_MS,
  CLOCK_SKEW_MS,
  CRL_ENTRY_KEPT_MS,
  CRL_INTERVAL_MS,
  CRLS_KEPT,
} from '../shared/limits.ts'
import { findAudit, writeAudit } from './audit.ts'
import type { Database, Transaction } from './database.ts'
import type { HighWater } from './high-water.ts'

/** Why a certificate is revoked (RFC 5280 §5.3.1), of those that an operator can mean. */
export const REASONS = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const
export type Reason = (typeof REASONS)[number]

/** One certificate that is no longer good. */
export type Revoked = {
  /** Lower-case hex. */
  readonly serial: string
  /** Milliseconds since the Unix epoch. */
  readonly time: number
  readonly reason: Reason
}

/** What a list is to say. */
export type CrlOrder = { readonly number: number; readonly entries: readonly Revoked[]; readonly now: number }

export type SignedCrl = {
  readonly number: number
  readonly der: Uint8Array
  /** Milliseconds since the Unix epoch. */
  readonly madeAt: number
  readonly nextUpdate: number
}

/** Signs a list with the root's key. */
export type CrlSigner = (order: CrlOrder) => Promise<{ readonly der: Uint8Array; readonly nextUpdate: number }>

/** A user name, or a PeerId. */
export type Target = { readonly user: string } | { readonly peerId: string }

/** What a revocation did. */
export type RevokedDevices = {
  readonly user: string
  readonly devices: readonly { readonly peerId: string; readonly serials: readonly string[] }[]
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
  publish(sign: CrlSigner, now: number, when?: 'now' | 'if-due'): Promise<SignedCrl>
  latest(): Promise<SignedCrl | null>
  /** The number of the newest list; 0 before the first. */
  latestNumber(): Promise<number>
  /** Marks, outside the database, that a list is there which another process made. */
  witness(list: SignedCrl): Promise<void>
  /**
   * Takes over what a list says that this CA signed, and that this database doesn't know: after a restore. The caller has
   * checked the list against the root.
   */
  adopt(list: { readonly number: number; readonly entries: readonly Revoked[] }, now: number): Promise<number>
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

  adopt: ({ number, entries }, now) =>
    database.transaction().execute(async (transaction) => {
      let added = 0
      for (const entry of entries) added += (await adoptEntry(transaction, entry, now)) ? 1 : 0
      const detail = `list ${number}, ${added} revocations`
      const audit = await writeAudit(transaction, { time: now, event: 'restored', subject: String(number), detail })
      await highWater.raise({ crlNumber: number, audit })
      return added
    }),

  publish: async (sign, now, when = 'now') => {
    const { list, audit } = await database.transaction().execute(async (inside) => {
      const list = when === 'now' || (await isDue(inside, highWater, now)) ? null : await latest(inside)
      return list === null ? await publish(inside, highWater, sign, now) : { list, audit: null }
    })
    // Only now that the row is there for good: a mark of one that was rolled back would accuse us.
    if (audit !== null) await highWater.raise({ crlNumber: list.number, audit })
    return list
  },
})

const publish = async (transaction: Transaction, highWater: HighWater, sign: CrlSigner, now: number) => {
  const last = await latestHead(transaction)
  if (last !== null) checkClock(last, now)
  const mark = await highWater.read()
  const number = Math.max(last?.number ?? 0, mark.crlNumber) + 1
  const entries = await listed(transaction, now)
  const { der, nextUpdate } = await sign({ number, entries, now })
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

/** Takes the devices of the target out, in the caller's transaction. */
export const revoke = async (
  transaction: Transaction,
  target: Target,
  reason: Reason,
  now: number,
): Promise<RevokedDevices | null> => {
  const found = await find(transaction, target)
  if (found === null) return null
  const devices: { peerId: string; serials: string[] }[] = []
  for (const { id, peerId } of found.devices) {
    await transaction
      .updateTable('devices')
      .set({ revoked_at: now })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .execute()
    const serials = await revokeCertificates(transaction, id, reason, now)
    devices.push({ peerId, serials })
  }
  for (const { peerId, serials } of devices) {
    const detail = `${peerId}: ${reason}, serial ${serials.join(', ') || 'none'}`
    await writeAudit(transaction, { time: now, event: 'revoked', subject: found.user, detail })
  }
  return { user: found.user, devices }
}

const find = async (transaction: Transaction, target: Target) => {
  const query = transaction
    .selectFrom('users')
    .leftJoin('devices', 'devices.user_id', 'users.id')
    .select(['users.name as user', 'devices.id as id', 'devices.peer_id as peerId', 'devices.revoked_at as revokedAt'])
  const rows = await ('user' in target
    ? query.where('users.name', '=', target.user)
    : query.where('devices.peer_id', '=', target.peerId)
  ).execute()
  const user = rows[0]?.user
  if (user === undefined) return null
  // A device of the user that is out already is passed over; one that was named is looked at again.
  const devices = rows.flatMap(({ id, peerId, revokedAt }) =>
    id === null || peerId === null || ('user' in target && revokedAt !== null) ? [] : [{ id, peerId }],
  )
  return { user, devices }
}

const revokeCertificates = async (transaction: Transaction, device: number, reason: Reason, now: number) => {
  const rows = await transaction
    .selectFrom('certificates')
    .leftJoin('revocations', 'revocations.serial', 'certificates.serial')
    .select(['certificates.serial as serial', 'certificates.not_after as notAfter'])
    .where('certificates.device_id', '=', device)
    .where('certificates.not_after', '>', now - CRL_ENTRY_KEPT_MS)
    .where('revocations.serial', 'is', null)
    .execute()
  for (const { serial, notAfter } of rows) {
    const row = { serial, device_id: device, not_after: notAfter, time: now, reason, crl_number: null }
    await transaction.insertInto('revocations').values(row).execute()
  }
  return rows.map(({ serial }) => serial)
}

const adoptEntry = async (transaction: Transaction, { serial, time, reason }: Revoked, now: number) => {
  const known = await transaction
    .selectFrom('revocations')
    .select('serial')
    .where('serial', '=', serial)
    .executeTakeFirst()
  if (known !== undefined) return false
  const certificate = await transaction
    .selectFrom('certificates')
    .select(['device_id', 'not_after'])
    .where('serial', '=', serial)
    .executeTakeFirst()
  const device = certificate?.device_id ?? null
  const notAfter = certificate?.not_after ?? now + CERTIFICATE_LIFETIME_MAX_MS
  const row = { serial, device_id: device, not_after: notAfter, time, reason, crl_number: null }
  await transaction.insertInto('revocations').values(row).execute()
  if (device !== null)
    await transaction.updateTable('devices').set({ revoked_at: time }).where('id', '=', device).execute()
  return true
}

const setDisabled = async (transaction: Transaction, user: string, since: number | null): Promise<boolean> => {
  const result = await transaction
    .updateTable('users')
    .set({ disabled_at: since })
    .where('name', '=', user)
    .executeTakeFirstOrThrow()
  return result.numUpdatedRows > 0n
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

/** The reason of that name; what nobody here wrote is `unspecified`. */
const reasonOf = (text: string): Reason => REASONS.find((reason) => reason === text) ?? 'unspecified'
