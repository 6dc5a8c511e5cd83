import type { Refusal } from '../shared/errors.ts'
import type { PeerId, UserName } from '../shared/ids.ts'
import { PRESENCE_KEPT_MS } from '../shared/limits.ts'
import type { DirectoryEntry } from '../shared/wire/enrolment.ts'
import { type Applicant, admit, check, type Newcomer } from './admission.ts'
import { type Audited, writeAudit } from './audit.ts'
import type { Database } from './database.ts'
import { ask } from './modes.ts'
import { readTerms, type Terms } from './terms.ts'
import { changeHash, type HashChange } from './user-password.ts'

export type ListedUser = {
  readonly name: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly disabled: boolean
  readonly devices: readonly {
    readonly peerId: string
    readonly certificateExpires: number
    readonly revoked: boolean
  }[]
}

/** What the CA has written down. All times are milliseconds since the Unix epoch. */
export type Registry = {
  /** Null, or why this one could not be written now: `token-…`, `name-…`, `already-enrolled`, … Cheap, and no promise. */
  check(applicant: Applicant, now: number): Promise<Refusal | null>
  /** The terms on which certificates are given now. */
  terms(): Promise<Terms>
  /** The password of a user, as it was hashed; null when there is no such user. */
  passwordHash(user: UserName): Promise<string | null>
  /** Writes down another one (PHC string), and that it was. */
  setPassword(user: string, passwordHash: string, now: number): Promise<void>
  /** Null when the user has the new password now; else why not. */
  changePassword(change: HashChange, now: number): Promise<Refusal | null>
  /** User, device, certificate, spent token and audit row in one transaction; or the refusals of `check`, and nothing. */
  enrol(newcomer: Newcomer, now: number): Promise<Refusal | null>
  /** Null when the request waits for the operator now, or waited already; `busy` when too many do. */
  askApproval(applicant: Applicant, now: number): Promise<Refusal | null>
  /** @param forName the only user name that they let in; null for any */
  addInvites(tokenHashes: readonly Uint8Array[], expires: number, now: number, forName?: UserName | null): Promise<void>
  /** Each device with a certificate that is still valid, the newest first, up to `maxBytes` of them. */
  directory(maxBytes: number, now: number): Promise<DirectoryEntry[]>
  users(): Promise<ListedUser[]>
  /** Whether a device with this PeerId was enrolled here. */
  isDevice(peer: PeerId): Promise<boolean>
  /** Where the CA listened when it last served: each of its processes, the first addresses of all of them first. */
  addresses(): Promise<string[]>
  /** Those of one process in the place of what it said before; processes that have been silent for long are forgotten. */
  setAddresses(process: string, addresses: readonly string[], now: number): Promise<void>
  audit(row: Audited): Promise<void>
}

const DIRECTORY_PAGE = 250 // certificates read at once: of 100,000 a newcomer gets no more than fit
const ENTRY_OVERHEAD_BYTES = 40 // names and heads of the CBOR around one entry

export const createRegistry = (database: Database): Registry => ({
  check: (applicant, now) => check(database, applicant, now),

  terms: () => readTerms(database),

  passwordHash: async (user) => {
    const row = await database.selectFrom('users').select('password_hash').where('name', '=', user).executeTakeFirst()
    return row?.password_hash ?? null
  },

  setPassword: (user, passwordHash, now) =>
    database.transaction().execute(async (transaction) => {
      await transaction.updateTable('users').set({ password_hash: passwordHash }).where('name', '=', user).execute()
      await writeAudit(transaction, { time: now, event: 'password', subject: user, detail: 'by the operator' })
    }),

  changePassword: (change, now) =>
    database.transaction().execute((transaction) => changeHash(transaction, change, now)),

  enrol: (newcomer, now) => database.transaction().execute((transaction) => admit(transaction, newcomer, now)),

  askApproval: ({ user, peerId }, now) =>
    database.transaction().execute((transaction) => ask(transaction, user, peerId, now)),

  addInvites: (tokenHashes, expires, now, forName = null) =>
    database.transaction().execute(async (transaction) => {
      for (const hash of tokenHashes) {
        await transaction
          .insertInto('invites')
          .values({
            token_hash: hash,
            created_at: now,
            expires_at: expires,
            used_at: null,
            used_by: null,
            for_name: forName,
          })
          .execute()
      }
      const detail = `until ${new Date(expires).toISOString()}${forName === null ? '' : `, for ${forName}`}`
      await writeAudit(transaction, { time: now, event: 'invited', subject: String(tokenHashes.length), detail })
    }),

  directory: async (maxBytes, now) => {
    const found: DirectoryEntry[] = []
    const seen = new Set<number>()
    let size = 0
    const newest = database
      .selectFrom('certificates')
      .innerJoin('devices', 'devices.id', 'certificates.device_id')
      .select(['der', 'device_id', 'addresses'])
      .where('not_after', '>', now)
      .where('revoked_at', 'is', null)
      .orderBy('issued_at', 'desc')
      .orderBy('serial')
    for (let offset = 0; ; offset += DIRECTORY_PAGE) {
      const rows = await newest.limit(DIRECTORY_PAGE).offset(offset).execute()
      for (const { der, device_id, addresses } of rows) {
        if (seen.has(device_id)) continue
        seen.add(device_id)
        size += der.byteLength + Buffer.byteLength(addresses) + ENTRY_OVERHEAD_BYTES
        if (size > maxBytes) return found
        found.push({ certificate: der, addresses: JSON.parse(addresses) })
      }
      if (rows.length < DIRECTORY_PAGE) return found
    }
  },

  isDevice: async (peer) =>
    (await database.selectFrom('devices').select('id').where('peer_id', '=', peer).executeTakeFirst()) !== undefined,

  users: async () => {
    const rows = await database
      .selectFrom('users')
      .innerJoin('devices', 'devices.user_id', 'users.id')
      .innerJoin('certificates', 'certificates.device_id', 'devices.id')
      .select(({ fn }) => [
        'users.name as name',
        'users.created_at as createdAt',
        'users.disabled_at as disabledAt',
        'devices.revoked_at as revokedAt',
        'devices.peer_id as peerId',
        fn.max('certificates.not_after').as('certificateExpires'),
      ])
      .groupBy(['users.id', 'devices.id'])
      .orderBy('users.name')
      .execute()
    const users = Map.groupBy(rows, (row) => row.name)
    return [...users].map(([name, devices]) => ({
      name,
      createdAt: devices[0]?.createdAt ?? 0,
      disabled: typeof devices[0]?.disabledAt === 'number',
      devices: devices.map(({ peerId, certificateExpires, revokedAt }) => ({
        peerId,
        certificateExpires,
        revoked: revokedAt !== null,
      })),
    }))
  },

  addresses: async () => {
    const rows = await database.selectFrom('addresses').selectAll().orderBy('position').orderBy('process').execute()
    const newest = Math.max(...rows.map(({ told_at }) => told_at))
    return rows.filter(({ told_at }) => told_at > newest - PRESENCE_KEPT_MS).map(({ address }) => address)
  },

  setAddresses: (process, addresses, now) =>
    database.transaction().execute(async (transaction) => {
      await transaction
        .deleteFrom('addresses')
        .where(({ eb, or }) => or([eb('process', '=', process), eb('told_at', '<=', now - PRESENCE_KEPT_MS)]))
        .execute()
      for (const [position, address] of addresses.entries()) {
        await transaction.insertInto('addresses').values({ process, position, address, told_at: now }).execute()
      }
    }),

  audit: async (row) => {
    await database.transaction().execute((transaction) => writeAudit(transaction, row))
  },
})
