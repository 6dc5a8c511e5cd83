import { isFromNewest } from '../shared/certificate/lineage.ts'
import type { TrustAnchor } from '../shared/certificate/verify.ts'
import { fault } from '../shared/errors.ts'
import { sha256, toHex } from '../shared/ids.ts'
import { writeAudit } from './audit.ts'
import type { Database, Transaction } from './database.ts'
import type { CaIdentity } from './root-key.ts'

// After a roll-over two roots are trusted, until the older one's time is over: by its date, or since the new one revokes
// what it says of it.

type Reading = Pick<Database, 'selectFrom'>

/**
 * Writes down, in the audit too, which root this CA signs with, when it is a newer one than the last time. From then on no
 * process on this database signs with an older one.
 * @throws LanyardError `root-outdated` when a newer root is written down already, or another one of this number
 */
export const noteRoot = (database: Database, { anchor }: Pick<CaIdentity, 'anchor'>, now: number): Promise<void> =>
  database.transaction().execute(async (transaction) => {
    const { generation, pin } = await readRoot(transaction)
    const ours = toHex(sha256(anchor.spki))
    const isOther = generation === anchor.generation && pin !== undefined && pin !== ours
    if (generation > anchor.generation || isOther) throw fault('root-outdated')
    if (generation === anchor.generation) return
    await transaction.deleteFrom('settings').where('name', '=', ROOT).execute()
    const value = `${anchor.generation} ${ours}`
    await transaction.insertInto('settings').values({ name: ROOT, value }).execute()
    const [elder] = anchor.elders
    const detail =
      elder === undefined ? '' : `root ${anchor.generation - 1} until ${new Date(elder.until).toISOString()}`
    const subject = String(anchor.generation)
    await writeAudit(transaction, { time: now, event: 'rolled-over', subject, detail })
  })

/**
 * In the transaction that writes down what a root has signed: transactions that write go one behind the other, whichever
 * process they are of, and so nothing by an older root comes behind the roll-over.
 * @param generation of the root that has signed, or is to sign
 * @throws LanyardError `root-outdated`
 */
export const checkRoot = async (database: Reading, generation: number): Promise<void> => {
  if ((await readRoot(database)).generation > generation) throw fault('root-outdated')
}

const ROOT = 'root'

/** The newest root that has been signed with, and its pin in hex; the first one is not written down. */
const readRoot = async (database: Reading): Promise<{ generation: number; pin: string | undefined }> => {
  const row = await database.selectFrom('settings').select('value').where('name', '=', ROOT).executeTakeFirst()
  const [generation, pin] = (row?.value ?? '1').split(' ')
  return { generation: Number(generation), pin }
}

export type Overlap = {
  /** Until when the older roots are trusted at most, milliseconds since the Unix epoch. */
  readonly until: number
  /** PeerIds of devices whose newest certificate is from an older root, and still good. */
  readonly behind: readonly string[]
}

/** Null while one root alone is trusted. */
export const overlapOf = async (database: Reading, identity: CaIdentity, now: number): Promise<Overlap | null> => {
  const [elder] = identity.anchor.elders
  if (elder === undefined || (await isOverlapEnded(database, identity.anchor, now))) return null
  const behind = await certificatesBehind(database, identity, now)
  return { until: elder.until, behind: behind.map(({ peerId }) => peerId) }
}

/** Whether the newest root alone is trusted. */
export const isOverlapEnded = async (database: Reading, { elders }: TrustAnchor, now: number): Promise<boolean> => {
  const [elder] = elders
  return elder === undefined || now > elder.until || (await isRevoked(database, elder.vouchers))
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
