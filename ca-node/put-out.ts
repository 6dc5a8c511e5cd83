import { CRL_ENTRY_KEPT_MS } from '../shared/limits.ts'
import { writeAudit } from './audit.ts'
import type { Transaction } from './database.ts'

// Who is out: what is written down of it, in the caller's transaction. It is in force for others once a list says it.

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

/** A user name, or a PeerId. */
export type Target = { readonly user: string } | { readonly peerId: string }

/** What a revocation did. */
export type RevokedDevices = {
  readonly user: string
  readonly devices: readonly { readonly peerId: string; readonly serials: readonly string[] }[]
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

/** Takes out all certificates of a device that are not out yet. @returns their serials */
export const revokeCertificates = async (transaction: Transaction, device: number, reason: Reason, now: number) => {
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

/** @param since milliseconds since the Unix epoch; null lets the user in again @returns whether there is such a user */
export const setDisabled = async (transaction: Transaction, user: string, since: number | null): Promise<boolean> => {
  const result = await transaction
    .updateTable('users')
    .set({ disabled_at: since })
    .where('name', '=', user)
    .executeTakeFirstOrThrow()
  return result.numUpdatedRows > 0n
}

/** The reason of that name; what nobody here wrote is `unspecified`. */
export const reasonOf = (text: string): Reason => REASONS.find((reason) => reason === text) ?? 'unspecified'
