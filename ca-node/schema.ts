import type { Generated } from 'kysely'

/** The CA's tables. All times are milliseconds since the Unix epoch. */
export type Schema = {
  users: {
    id: Generated<number>
    name: string
    /** What no other name may look like; null where two of an older database do. */
    skeleton: string | null
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
  /** Where the CA listened when it last served: for invites made while it does. */
  addresses: { position: number; address: string }
  audit: {
    id: number
    time: number
    event: string
    subject: string
    detail: string
    /** Hex; empty in the rows from before there was a chain. */
    hash: string
  }
}

/** Each brings the database from the version of its place in this list to the next; none is ever changed. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    peer_id TEXT NOT NULL UNIQUE,
    spki BLOB NOT NULL,
    addresses TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX devices_by_user ON devices (user_id);
  CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    device_id INTEGER NOT NULL REFERENCES devices (id),
    der BLOB NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    issued_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX certificates_by_device ON certificates (device_id);
  CREATE INDEX certificates_by_end ON certificates (not_after);
  CREATE TABLE invites (
    token_hash BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by INTEGER REFERENCES users (id),
    for_name TEXT
  ) STRICT;
  CREATE TABLE addresses (position INTEGER PRIMARY KEY, address TEXT NOT NULL) STRICT;
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    event TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
  CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
  `,
  `
  ALTER TABLE users ADD COLUMN disabled_at INTEGER;
  ALTER TABLE devices ADD COLUMN revoked_at INTEGER;
  CREATE TABLE revocations (
    serial TEXT PRIMARY KEY,
    device_id INTEGER REFERENCES devices (id),
    not_after INTEGER NOT NULL,
    time INTEGER NOT NULL,
    reason TEXT NOT NULL,
    crl_number INTEGER
  ) STRICT;
  CREATE INDEX revocations_to_sign ON revocations (serial) WHERE crl_number IS NULL;
  CREATE TABLE crls (
    number INTEGER PRIMARY KEY,
    der BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    next_update INTEGER NOT NULL
  ) STRICT;
  ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';
  CREATE TRIGGER revocations_are_never_lifted BEFORE DELETE ON revocations
    BEGIN SELECT RAISE(ABORT, 'a revocation is for ever'); END;
  `,
  `
  ALTER TABLE users ADD COLUMN skeleton TEXT;
  CREATE UNIQUE INDEX users_by_skeleton ON users (skeleton);
  UPDATE OR IGNORE users SET skeleton =
    replace(replace(replace(replace(replace(replace(replace(
      name, '.', '-'), '_', '-'), '0', 'o'), '1', 'l'), 'i', 'l'), 'rn', 'm'), 'vv', 'w');
  CREATE TABLE attempts (
    key TEXT PRIMARY KEY,
    tries INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    strikes INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE pending (
    name TEXT NOT NULL,
    peer_id TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    approved_at INTEGER,
    PRIMARY KEY (name, peer_id)
  ) STRICT;
  `,
]
