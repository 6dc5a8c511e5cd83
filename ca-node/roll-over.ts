import { isFromNewest } from '../shared/certificate/lineage.ts'
import { writeAudit } from './audit.ts'
import type { Database, Transaction } from './database.ts'
import type { CaIdentity } from './root-key.ts'

// After a roll-over two roots are trusted, until the older one's time is over: by its date, or since the new one revokes
// what it says of it.

type Reading = Pick<Database, 'selectFrom'>

/** Writes down in the audit which root this CA signs with, when it is another one than the last time. */
export const noteRoot = (database: Database, { anchor }: CaIdentity, now: number): Promise<void> =>
  database.transaction().execute(async (transaction) => {
    const known = await transaction.selectFrom('settings').select('value').where('name', '=', ROOT).executeTakeFirst()
    const value = String(anchor.generation)
    if ((known?.value ?? '1') === value) return
    await transaction.deleteFrom('settings').where('name', '=', ROOT).execute()
    await transaction.insertInto('settings').values({ name: ROOT, value }).execute()
    const [elder] = anchor.elders
    const detail =
      elder === undefined ? '' : `root ${anchor.generation - 1} until ${new Date(elder.until).toISOString()}`
    await writeAudit(transaction, { time: now, event: 'rolled-over', subject: value, detail })
  })

const ROOT = 'root'

export type Overlap = {
  /** Until when the older roots are trusted at most, milliseconds since the Unix epoch. */
  readonly until: number
  /** PeerIds of devices whose newest certificate is from an older root, and still good. */
  readonly behind: readonly string[]
}

/** Null while one root alone is trusted. */
export const overlapOf = async (database: Reading, identity: CaIdentity, now: number): Promise<Overlap | null> => {
  const [elder] = identity.anchor.elders
  if (elder === undefined || now > elder.until || (await isRevoked(database, elder.vouchers))) return null
  const behind = await certificatesBehind(database, identity, now)
  return { until: elder.until, behind: behind.map(({ peerId }) => peerId) }
}

/**
 * Ends the overlap now: what the new root says of the older ones is revoked, and so is each certificate of theirs whose
 * device has no newer one; such a device is not out: it renews as soon as it meets the CA. In force for others once the
 * next list is signed. Null when no overlap lasts.
 */
export const endOverlap = (database: Database, identity: CaIdentity, now: number): Promise<Overlap | null> =>
  database.transaction().execute(async (transaction) => {
    const overlap = await overlapOf(transaction, identity, now)
    if (overlap === null) return null
    for (const { until, vouchers } of identity.anchor.elders) {
      for (const serial of vouchers) await revokeOne(transaction, { serial, device: null, notAfter: until, now })
    }
    for (const { serial, device, notAfter } of await certificatesBehind(transaction, identity, now)) {
      await revokeOne(transaction, { serial, device, notAfter, now })
    }
    const detail = `${overlap.behind.length} devices had not renewed`
    const subject = String(identity.anchor.generation)
    await writeAudit(transaction, { time: now, event: 'overlap-ended', subject, detail })
    return overlap
  })

type Ended = {
  readonly serial: string
  readonly device: number | null
  readonly notAfter: number
  readonly now: number
}

const revokeOne = async (transaction: Transaction, { serial, device, notAfter, now }: Ended): Promise<void> => {
  if (await isRevoked(transaction, [serial])) return
  const row = { serial, device_id: device, not_after: notAfter, time: now, reason: 'superseded', crl_number: null }
  await transaction.insertInto('revocations').values(row).execute()
}

const isRevoked = async (database: Reading, serials: readonly string[]): Promise<boolean> => {
  const query = database.selectFrom('revocations').select('serial').where('serial', 'in', serials).limit(1)
  return (await query.executeTakeFirst()) !== undefined
}

/** The good certificates of older roots, of devices that have none of the newest. */
const certificatesBehind = async (database: Reading, { anchor }: CaIdentity, now: number) => {
  const rows = await database
    .selectFrom('certificates')
    .innerJoin('devices', 'devices.id', 'certificates.device_id')
    .select(['serial', 'device_id as device', 'peer_id as peerId', 'der', 'not_after as notAfter'])
    .where('not_after', '>', now)
    .where('revoked_at', 'is', null)
    .orderBy('issued_at')
    .execute()
  const devices = [...Map.groupBy(rows, ({ device }) => device).values()]
  return devices.flatMap((own) => (own.some(({ der }) => isFromNewest(der, anchor)) ? [] : own))
}
