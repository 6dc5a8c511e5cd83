/**
 * The tables in SQLite. Each brings the database from the version of its place in this list to the next; once released
 * none is changed. The one of the same place in `schema-postgres.ts` makes the same tables.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
  ) STRICT;
  CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    peer_id TEXT NOT NULL UNIQUE,
    spki BLOB NOT NULL,
    addresses TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
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
  CREATE INDEX certificates_by_issue ON certificates (issued_at DESC, serial);
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE pending (
    name TEXT NOT NULL,
    peer_id TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    approved_at INTEGER,
    PRIMARY KEY (name, peer_id)
  ) STRICT;
  CREATE TABLE attempts (
    key TEXT PRIMARY KEY,
    tries INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    strikes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE invites (
    token_hash BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    used_by INTEGER REFERENCES users (id),
    for_name TEXT
  ) STRICT;
  CREATE TABLE revocations (
    serial TEXT PRIMARY KEY,
    device_id INTEGER REFERENCES devices (id),
    not_after INTEGER NOT NULL,
    time INTEGER NOT NULL,
    reason TEXT NOT NULL,
    crl_number INTEGER
  ) STRICT;
  CREATE INDEX revocations_to_sign ON revocations (serial) WHERE crl_number IS NULL;
  CREATE TRIGGER revocations_are_never_lifted BEFORE DELETE ON revocations
    BEGIN SELECT RAISE(ABORT, 'a revocation is for ever'); END;
  CREATE TABLE crls (
    number INTEGER PRIMARY KEY,
    der BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    next_update INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE addresses (
    process TEXT NOT NULL,
    position INTEGER NOT NULL,
    address TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (process, position)
  ) STRICT;
  CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    event TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
  CREATE TRIGGER audit_is_never_shortened BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
  `,
]
