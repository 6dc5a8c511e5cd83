import type { Database } from './database.ts'

// What the operator's lists and the metrics show: questions to the database, and no decisions.

export type ListedInvite = {
  /** The first 8 hex digits of the token's hash: it names an invite, and lets nobody in. */
  readonly id: string
  readonly state: 'open' | 'used' | 'expired'
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly expires: number
  readonly usedBy: string | null
  /** The only user name that it lets in; null for any. */
  readonly forName: string | null
}

export type Counts = {
  readonly users: number
  readonly disabled: number
  /** Not revoked. */
  readonly devices: number
  readonly revoked: number
  /** Certificates that are in their time and not revoked. */
  readonly certificates: number
  readonly openInvites: number
  readonly auditRows: number
}

/** The newest first. */
export const listInvites = async (database: Database, now: number): Promise<ListedInvite[]> => {
  const rows = await database
    .selectFrom('invites')
    .leftJoin('users', 'users.id', 'invites.used_by')
    .select([
      'token_hash',
      'invites.created_at as createdAt',
      'expires_at as expires',
      'used_at',
      'for_name as forName',
      'users.name as usedBy',
    ])
    .orderBy('invites.created_at', 'desc')
    .execute()
  return rows.map(({ token_hash, createdAt, expires, used_at, usedBy, forName }) => ({
    id: Buffer.from(token_hash).toString('hex').slice(0, 8),
    state: used_at !== null ? 'used' : now >= expires ? 'expired' : 'open',
    createdAt,
    expires,
    usedBy,
    forName,
  }))
}

/** @param now milliseconds since the Unix epoch */
export const countAll = async (database: Database, now: number): Promise<Counts> => {
  const users = await database
    .selectFrom('users')
    .select(({ fn }) => [fn.countAll<number>().as('all'), fn.count<number>('disabled_at').as('disabled')])
    .executeTakeFirstOrThrow()
  const devices = await database
    .selectFrom('devices')
    .select(({ fn }) => [fn.countAll<number>().as('all'), fn.count<number>('revoked_at').as('revoked')])
    .executeTakeFirstOrThrow()
  const certificates = await database
    .selectFrom('certificates')
    .leftJoin('revocations', 'revocations.serial', 'certificates.serial')
    .select(({ fn }) => fn.countAll<number>().as('all'))
    .where('certificates.not_after', '>', now)
    .where('revocations.serial', 'is', null)
    .executeTakeFirstOrThrow()
  const invites = await database
    .selectFrom('invites')
    .select(({ fn }) => fn.countAll<number>().as('all'))
    .where('used_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirstOrThrow()
  const audit = await database
    .selectFrom('audit')
    .select(({ fn }) => fn.countAll<number>().as('all'))
    .executeTakeFirstOrThrow()
  return {
    users: Number(users.all),
    disabled: Number(users.disabled),
    devices: Number(devices.all) - Number(devices.revoked),
    revoked: Number(devices.revoked),
    certificates: Number(certificates.all),
    openInvites: Number(invites.all),
    auditRows: Number(audit.all),
  }
}
