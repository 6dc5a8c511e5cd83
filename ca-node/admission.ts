import { type Refusal, refuse } from '../shared/errors.ts'
import type { PeerId, UserName } from '../shared/ids.ts'
import { writeAudit } from './audit.ts'
import type { Issued } from './authority.ts'
import type { Database, Transaction } from './database.ts'
import { forget, isApproved, readMode } from './modes.ts'
import { skeletonOf } from './names.ts'
import { revoke } from './put-out.ts'
import { checkRoot } from './roll-over.ts'
import { readTerms } from './terms.ts'

/** By which door somebody comes in; serials are lower-case hex. */
export type Admission =
  /** SHA-256 of the invite's token. */
  | { readonly kind: 'token'; readonly tokenHash: Uint8Array }
  /** A new user without an invite. */
  | { readonly kind: 'register' }
  | { readonly kind: 'login' }
  /** The certificate that is held. */
  | { readonly kind: 'renew'; readonly serial: string }
  /** The certificate of the old key, and the device that it made. */
  | { readonly kind: 'rekey'; readonly serial: string; readonly peerId: PeerId }

/** Who asks to come in, and how. */
export type Applicant = {
  readonly user: UserName
  readonly peerId: PeerId
  readonly admission: Admission
  /** Where the device will listen. */
  readonly addresses: readonly string[]
}

export type Newcomer = Applicant & {
  /** PHC string of a new user's password; null for a user who has one. */
  readonly passwordHash: string | null
  readonly spki: Uint8Array
  readonly issued: Issued
}

type Reading = Pick<Database, 'selectFrom'>

/** Null, or why this one could not be written now. What a stranger may not learn is refused first. */
export const check = (database: Reading, applicant: Applicant, now: number): Promise<Refusal | null> => {
  const { admission } = applicant
  switch (admission.kind) {
    case 'token':
      return checkInvited(database, applicant, admission.tokenHash, now)
    case 'register':
      return checkRegister(database, applicant, now)
    case 'login':
      return checkLogin(database, applicant)
    case 'renew':
      return checkHolder(database, applicant.user, applicant.peerId, admission.serial)
    case 'rekey':
      return checkRekey(database, applicant, admission)
  }
}

/** All that comes of an admission, or the refusals of `check` and nothing, in the caller's transaction. */
export const admit = async (transaction: Transaction, newcomer: Newcomer, now: number): Promise<Refusal | null> => {
  // What was checked before the challenge may have changed since: two may have come with one name, or one token.
  const refused = await check(transaction, newcomer, now)
  if (refused !== null) return refused
  const { user, admission, issued } = newcomer
  await checkRoot(transaction, issued.root)
  const isNew = admission.kind === 'token' || admission.kind === 'register'
  const userId = isNew ? await addUser(transaction, newcomer, now) : await idOf(transaction, user)
  if (admission.kind === 'token') await spend(transaction, admission.tokenHash, userId, now)
  if (admission.kind === 'register') await forget(transaction, user)
  const isKnown = admission.kind === 'renew' || (await hasJoined(transaction, newcomer.peerId))
  if (admission.kind === 'rekey' && !isKnown) {
    await revoke(transaction, { peerId: admission.peerId }, 'superseded', now)
  }
  const deviceId = isKnown
    ? await touchDevice(transaction, newcomer)
    : await addDevice(transaction, userId, newcomer, now)
  const { der, serial, notBefore, notAfter } = issued
  await transaction
    .insertInto('certificates')
    .values({ serial, device_id: deviceId, der, not_before: notBefore, not_after: notAfter, issued_at: now })
    .execute()
  const detail = `${admission.kind}, ${newcomer.peerId}, serial ${serial}`
  await writeAudit(transaction, { time: now, event: 'enrolled', subject: user, detail })
  return null
}

/** The token first: whether a name is taken is told only to those who were invited. */
const checkInvited = async (database: Reading, applicant: Applicant, tokenHash: Uint8Array, now: number) => {
  const invite = await database
    .selectFrom('invites')
    .select(['expires_at', 'used_at', 'for_name'])
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst()
  if (invite === undefined) return refuse('token-wrong')
  if (invite.used_at !== null) return refuse('token-used')
  if (now >= invite.expires_at) return refuse('token-expired', `since ${new Date(invite.expires_at).toISOString()}`)
  if (invite.for_name !== null && invite.for_name !== applicant.user) {
    return refuse('token-for-another', `it is for ${invite.for_name}`)
  }
  return (await checkName(database, applicant.user)) ?? (await checkNewDevice(database, applicant.peerId))
}

/** Whether newcomers may come at all, before anything is told of names. */
const checkRegister = async (database: Reading, { user, peerId }: Applicant, now: number): Promise<Refusal | null> => {
  const mode = await readMode(database)
  if (mode === 'invite') return refuse('invite-needed')
  const refused = (await checkName(database, user)) ?? (await checkNewDevice(database, peerId))
  if (refused !== null || mode === 'open') return refused
  return (await isApproved(database, user, peerId, now)) ? null : refuse('approval-pending', user)
}

const checkName = async (database: Reading, user: UserName): Promise<Refusal | null> => {
  const found = await database
    .selectFrom('users')
    .select('name')
    .where(({ eb, or }) => or([eb('name', '=', user), eb('skeleton', '=', skeletonOf(user))]))
    .execute()
  if (found.some(({ name }) => name === user)) return refuse('name-taken', user)
  return found[0] === undefined ? null : refuse('name-lookalike', `${user}, like ${found[0].name}`)
}

const checkNewDevice = async (database: Reading, peerId: PeerId): Promise<Refusal | null> =>
  (await hasJoined(database, peerId)) ? refuse('already-enrolled', peerId) : null

const hasJoined = async (database: Reading, peerId: PeerId): Promise<boolean> =>
  (await database.selectFrom('devices').select('id').where('peer_id', '=', peerId).executeTakeFirst()) !== undefined

const checkLogin = async (database: Reading, { user, peerId }: Applicant): Promise<Refusal | null> => {
  const account = await database
    .selectFrom('users')
    .select(['id', 'disabled_at'])
    .where('name', '=', user)
    .executeTakeFirst()
  if (account === undefined) return refuse('password-wrong')
  if (account.disabled_at !== null) return refuse('user-disabled', user)
  const devices = await database
    .selectFrom('devices')
    .select('id')
    .where('user_id', '=', account.id)
    .where('revoked_at', 'is', null)
    .execute()
  const terms = await readTerms(database)
  if (devices.length >= terms.devices) return refuse('device-limit', `${user}: ${devices.length}`)
  return checkNewDevice(database, peerId)
}

const checkRekey = async (
  database: Reading,
  { user, peerId }: Applicant,
  old: { readonly serial: string; readonly peerId: PeerId },
): Promise<Refusal | null> => {
  if (await hasSucceeded(database, user, peerId, old)) return null
  return (await checkHolder(database, user, old.peerId, old.serial)) ?? (await checkNewDevice(database, peerId))
}

/**
 * Whether the new key has taken the old one's place already: our answer to an earlier request was lost on the way, and
 * the device, which has proven both keys again, gets another one. Else a crash would leave it without any good key.
 */
const hasSucceeded = async (
  database: Reading,
  user: UserName,
  peerId: PeerId,
  old: { readonly serial: string; readonly peerId: PeerId },
): Promise<boolean> => {
  const superseded = await database
    .selectFrom('certificates')
    .innerJoin('devices', 'devices.id', 'certificates.device_id')
    .innerJoin('revocations', 'revocations.serial', 'certificates.serial')
    .select('devices.id')
    .where('certificates.serial', '=', old.serial)
    .where('devices.peer_id', '=', old.peerId)
    .where('revocations.reason', '=', 'superseded')
    .executeTakeFirst()
  if (superseded === undefined) return false
  const successor = await database
    .selectFrom('devices')
    .innerJoin('users', 'users.id', 'devices.user_id')
    .select('devices.id')
    .where('devices.peer_id', '=', peerId)
    .where('devices.revoked_at', 'is', null)
    .where('users.name', '=', user)
    .where('users.disabled_at', 'is', null)
    .executeTakeFirst()
  return successor !== undefined
}

/** The device got that certificate from us, and neither it nor its user is out. */
const checkHolder = async (database: Reading, user: UserName, peerId: PeerId, serial: string) => {
  const held = await database
    .selectFrom('certificates')
    .innerJoin('devices', 'devices.id', 'certificates.device_id')
    .innerJoin('users', 'users.id', 'devices.user_id')
    .select(['devices.revoked_at as revoked', 'users.disabled_at as disabled'])
    .where('certificates.serial', '=', serial)
    .where('devices.peer_id', '=', peerId)
    .where('users.name', '=', user)
    .executeTakeFirst()
  if (held === undefined) return refuse('certificate-unknown', `serial ${serial}`)
  if (held.disabled !== null) return refuse('user-disabled', user)
  return held.revoked === null ? null : refuse('certificate-revoked', `serial ${serial}`)
}

const addUser = async (transaction: Transaction, { user, passwordHash }: Newcomer, now: number): Promise<number> => {
  if (passwordHash === null) throw new Error('a new user without a password')
  const values = { name: user, skeleton: skeletonOf(user), password_hash: passwordHash, created_at: now }
  const { id } = await transaction
    .insertInto('users')
    .values({ ...values, disabled_at: null })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

const idOf = async (transaction: Transaction, user: UserName): Promise<number> => {
  const row = await transaction.selectFrom('users').select('id').where('name', '=', user).executeTakeFirstOrThrow()
  return row.id
}

const spend = async (transaction: Transaction, tokenHash: Uint8Array, userId: number, now: number): Promise<void> => {
  await transaction
    .updateTable('invites')
    .set({ used_at: now, used_by: userId })
    .where('token_hash', '=', tokenHash)
    .execute()
}

const addDevice = async (transaction: Transaction, userId: number, newcomer: Newcomer, now: number) => {
  const { peerId, spki, addresses } = newcomer
  const place = { peer_id: peerId, spki, addresses: JSON.stringify(addresses) }
  const { id } = await transaction
    .insertInto('devices')
    .values({ user_id: userId, ...place, created_at: now, revoked_at: null })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** It may have moved since it joined; one that only renews, and listens nowhere, is where it was. */
const touchDevice = async (transaction: Transaction, { peerId, addresses }: Newcomer): Promise<number> => {
  if (addresses.length === 0) return await deviceOf(transaction, peerId)
  const { id } = await transaction
    .updateTable('devices')
    .set({ addresses: JSON.stringify(addresses) })
    .where('peer_id', '=', peerId)
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

const deviceOf = async (transaction: Transaction, peerId: PeerId): Promise<number> => {
  const row = await transaction
    .selectFrom('devices')
    .select('id')
    .where('peer_id', '=', peerId)
    .executeTakeFirstOrThrow()
  return row.id
}
