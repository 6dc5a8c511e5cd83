import { isFromNewest } from '../shared/certificate/lineage.ts'
import type { Root } from '../shared/certificate/link.ts'
import { type RevocationList, readRevocationListInTurns } from '../shared/certificate/revocation-list.ts'
import type { TrustAnchor } from '../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import { CERTIFICATE_LIFETIME_MAX_MS } from '../shared/limits.ts'
import { writeAudit } from './audit.ts'
import type { Transaction } from './database.ts'
import { type Revoked, reasonOf, revoke, revokeCertificates, setDisabled } from './put-out.ts'
import { noteAdopted, readRecovery } from './recovery.ts'

// What a database that was put back does not know any more, told by lists that this CA has signed.

export type SignedList = {
  readonly number: number
  readonly entries: readonly Revoked[]
  /** An older root has signed it: what it says counts, and others are waited for all the same. */
  readonly isElders?: boolean
}

/** The list, if one of the roots has signed it; in turns with other work. */
export const readSignedList = async (der: Uint8Array, roots: readonly Root[]): Promise<SignedList | Refusal> => {
  let refused = refuse('crl-wrong-issuer')
  for (const root of roots) {
    const list = await readRevocationListInTurns(der, root)
    if (!isRefusal(list)) return { number: list.number, entries: entriesOf(list) }
    if (list.code !== 'crl-wrong-issuer') refused = list
  }
  return refused
}

const entriesOf = (list: RevocationList): Revoked[] =>
  [...list.entries()].map(({ serial, date, reason }) => ({ serial, time: date, reason: reasonOf(reason) }))

type Moment = { readonly now: number; readonly anchor: TrustAnchor | undefined }

/**
 * Writes down what the list says and nobody here knows: how many. A device whose certificate is on it is out with all its
 * certificates, those too that it was given since the restore. A user whose devices have all ceased to operate was
 * disabled, and is so again: whoever is kept out by mistake is let in by one command, and who is let in by mistake is in.
 */
export const adopt = async (transaction: Transaction, list: SignedList, { now, anchor }: Moment): Promise<number> => {
  const rows = await transaction.selectFrom('revocations').select(['serial', 'reason']).execute()
  const known = new Map(rows.map(({ serial, reason }) => [serial, reason]))
  const news = list.entries.filter(({ serial }) => !known.has(serial))
  const out: Out[] = []
  for (const entry of news) out.push(...(await adoptEntry(transaction, entry, { now, anchor })))
  const successors: Out[] = []
  for (const entry of list.entries) {
    const isWorse = known.get(entry.serial) === 'superseded' && entry.reason !== 'superseded'
    if (isWorse) successors.push(...(await successorsOf(transaction, entry)))
  }
  let added = news.length
  for (const one of [...out, ...successors]) {
    const { device, reason, time } = one
    const isIn = transaction.updateTable('devices').set({ revoked_at: time }).where('id', '=', device)
    await isIn.where('revoked_at', 'is', null).execute()
    const serials = await revokeCertificates(transaction, device, reason, now)
    if (successors.includes(one)) added += serials.length
  }
  const ceased = new Set(out.flatMap(({ user, reason }) => (reason === 'cessationOfOperation' ? [user] : [])))
  const disabled = await disableWhoCeased(transaction, [...ceased], list.number, now)
  await noteAdopted(transaction, list.isElders === true ? 0 : list.number, disabled)
  return added
}

/** A device that is out by an entry of a list. */
type Out = Omit<Revoked, 'serial'> & { readonly device: number; readonly user: number }

const adoptEntry = async (transaction: Transaction, entry: Revoked, { now, anchor }: Moment): Promise<Out[]> => {
  const { serial, time, reason } = entry
  const certificate = await transaction
    .selectFrom('certificates')
    .innerJoin('devices', 'devices.id', 'certificates.device_id')
    .select(['device_id as device', 'user_id as user', 'der', 'not_after as notAfter'])
    .where('serial', '=', serial)
    .executeTakeFirst()
  const notAfter = certificate?.notAfter ?? now + CERTIFICATE_LIFETIME_MAX_MS
  const row = { serial, device_id: certificate?.device ?? null, not_after: notAfter, time, reason, crl_number: null }
  await transaction.insertInto('revocations').values(row).execute()
  if (certificate === undefined) return []
  // Put out of use with its root (roll-over.ts): its device goes on under a newer one.
  if (reason === 'superseded' && anchor !== undefined && !isFromNewest(certificate.der, anchor)) return []
  return [{ device: certificate.device, user: certificate.user, time, reason }]
}

/**
 * A device that was out, and changed its key while nobody here knew (admission.ts): its new device was written at the
 * instant at which the old one was put out, and is out with it; and so on.
 */
const successorsOf = async (transaction: Transaction, { serial, time, reason }: Revoked): Promise<Out[]> => {
  const out: Out[] = []
  const restoredAt = (await readRecovery(transaction))?.at
  if (restoredAt === undefined) return out
  const first = await transaction
    .selectFrom('certificates')
    .innerJoin('devices', 'devices.id', 'certificates.device_id')
    .select(['user_id as user', 'revoked_at as at'])
    .where('serial', '=', serial)
    .executeTakeFirst()
  const user = first?.user
  let at = first?.at ?? null
  while (user !== undefined && at !== null && at >= restoredAt) {
    const next = await transaction
      .selectFrom('devices')
      .select(['id', 'revoked_at as at'])
      .where('user_id', '=', user)
      .where('created_at', '=', at)
      .where('id', 'not in', [0, ...out.map(({ device }) => device)])
      .executeTakeFirst()
    if (next !== undefined) out.push({ device: next.id, user, time, reason })
    at = next?.at ?? null
  }
  return out
}

/** @returns the names of those who were not disabled before */
const disableWhoCeased = async (
  transaction: Transaction,
  users: readonly number[],
  list: number,
  now: number,
): Promise<readonly string[]> => {
  const restoredAt = (await readRecovery(transaction))?.at ?? now
  const disabled: string[] = []
  for (const id of users) {
    const user = await transaction.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
    const others = transaction
      .selectFrom('devices')
      .select('id')
      .where('user_id', '=', id)
      .where('revoked_at', 'is', null)
    const live = await others.where('created_at', '<=', restoredAt).limit(1).executeTakeFirst()
    if (user.disabled_at !== null || live !== undefined) continue
    const { name } = user
    await setDisabled(transaction, name, now)
    const detail = `list ${list} put out all devices, which this database did not know`
    await writeAudit(transaction, { time: now, event: 'disabled', subject: name, detail })
    await revoke(transaction, { user: name }, 'cessationOfOperation', now) // who logged in since the restore
    disabled.push(name)
  }
  return disabled
}
