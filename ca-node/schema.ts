import type { Generated } from 'kysely'

/** The CA's tables. All times are milliseconds since the Unix epoch. */
export type Schema = {
  users: {
    id: Generated<number>
    name: string
    /** What no other name may look like. */
    skeleton: string
    password_hash: string
    created_at: number
    /** Since when the user may neither log in nor renew. */
    disabled_at: number | null
  }
  devices: {
    id: Generated<number>
    user_id: number
    peer_id: string
    spki: Uint8Array
    /** A JSON list of multiaddrs, as the device told them when it joined. */
    addresses: string
    created_at: number
    /** Since when no certificate of it is good, and it gets none. */
    revoked_at: number | null
  }
  certificates: {
    /** Lower-case hex. */
    serial: string
    device_id: number
    der: Uint8Array
    not_before: number
    not_after: number
    issued_at: number
  }
  /** What the operator has set; in a server's database also whose it is (`network`). */
  settings: { name: string; value: string }
  /** Who asked to join without an invite, and waits for the operator. */
  pending: { name: string; peer_id: string; asked_at: number; approved_at: number | null }
  /** Tries to enrol, by whom or for what. */
  attempts: { key: string; tries: number; since: number; until: number; strikes: number }
  invites: {
    /** SHA-256 of the token: who reads the database can let nobody in. */
    token_hash: Uint8Array
    created_at: number
    expires_at: number
    used_at: number | null
    used_by: number | null
    /** The only user name that it lets in; null for any. */
    for_name: string | null
  }
  revocations: {
    serial: string
    /** Null where a restored database does not know the certificate: a list that it signed does. */
    device_id: number | null
    /** The certificate's end, or later where that is not known. */
    not_after: number
    time: number
    /** RFC 5280 §5.3.1, in its own words: `keyCompromise`, … */
    reason: string
    /** The first list that it stands in; null until that is signed. */
    crl_number: number | null
  }
  crls: { number: number; der: Uint8Array; made_at: number; next_update: number }
  /** Where each process of the CA listened when it last served, and when it last said so: for invites. */
  addresses: { process: string; position: number; address: string; told_at: number }
  audit: {
    id: number
    time: number
    event: string
    subject: string
    detail: string
    /** Hex. */
    hash: string
  }
}

/** How many migrations have made these tables, in either kind of database. */
export const SCHEMA_VERSION = 1

/**
 * Every table, each behind those that it refers to, with the columns that order its rows: for whoever copies them all.
 */
export const TABLES: readonly { readonly [Name in keyof Schema]: Table<Name> }[keyof Schema][] = [
  { name: 'users', order: ['id'] },
  { name: 'devices', order: ['id'] },
  { name: 'certificates', order: ['serial'] },
  { name: 'settings', order: ['name'] },
  { name: 'pending', order: ['name', 'peer_id'] },
  { name: 'attempts', order: ['key'] },
  { name: 'invites', order: ['token_hash'] },
  { name: 'revocations', order: ['serial'] },
  { name: 'crls', order: ['number'] },
  { name: 'addresses', order: ['process', 'position'] },
  { name: 'audit', order: ['id'] },
]

type Table<Name extends keyof Schema> = { readonly name: Name; readonly order: readonly (keyof Schema[Name])[] }
