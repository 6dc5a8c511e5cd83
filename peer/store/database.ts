import { closeSync, fdatasync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { fault } from '../../shared/errors.ts'

/** The one door to node:sqlite in the peer. Everything is synchronous: one writer, short transactions. */
export type Database = {
  prepare(sql: string): StatementSync
  /**
   * Runs `work` in one transaction; nested calls join the outer one. It outlives a killed process at once, and a power cut
   * once it is `flushed`: what other members hold too need not wait for that.
   */
  transaction<T>(work: () => T): T
  /** Called whenever a transaction was rolled back: what its rows were called or numbered does not hold any more. */
  onRollback(listener: () => void): void
  /**
   * Resolves once all that was committed before is on the disk: half a millisecond, or twenty on a slow one, in which
   * the event loop is free. @throws LanyardError `storage-failed`
   */
  flushed(): Promise<void>
  /**
   * Moves all from the write-ahead log into the file and empties the log: what was erased is then in neither, since
   * SQLite writes zeros over what is deleted (`secure_delete`). @throws LanyardError `storage-failed`
   */
  checkpoint(): void
  close(): void
}

/** Bytes of a column. */
export const blob = (value: unknown): Uint8Array => {
  if (value instanceof Uint8Array) return value
  throw fault('storage-failed', 'a column that should hold bytes does not')
}
/** Bytes of a column that may have none. */
export const blobOrNull = (value: unknown): Uint8Array | null => (value === null ? null : blob(value))
export const text = (value: unknown): string => {
  if (typeof value === 'string') return value
  throw fault('storage-failed', 'a column that should hold text does not')
}
export const integer = (value: unknown): number => {
  if (typeof value === 'number') return value
  throw fault('storage-failed', 'a column that should hold a number does not')
}

/** The database of a home. */
export const databasePath = (home: string): string => join(home, 'lanyard.db')

/** @param path of the file, or `:memory:` @throws LanyardError `storage-failed` */
export const openDatabase = (path: string): Database => {
  const database = open(path)
  migrate(database)
  const log = path === IN_MEMORY ? null : openSync(`${path}-wal`, 'r+')
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const listeners: (() => void)[] = []
  let depth = 0

  return {
    prepare: (sql) => database.prepare(sql),
    onRollback: (listener) => void listeners.push(listener),
    transaction: (work) => {
      if (depth > 0) return work()
      depth++
      try {
        begin.run()
        const result = work()
        commit.run()
        return result
      } catch (cause) {
        if (database.isTransaction) database.exec('ROLLBACK')
        for (const listener of listeners) listener()
        throw cause instanceof Error && 'errcode' in cause ? fault('storage-failed', cause.message, cause) : cause
      } finally {
        depth--
      }
    },
    flushed: async () => {
      if (log === null) return
      await flush(log).catch((cause: unknown) => {
        throw fault('storage-failed', 'the disk did not take what was written', cause)
      })
    },
    checkpoint: () => {
      try {
        database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      } catch (cause) {
        throw fault('storage-failed', 'the write-ahead log was not emptied', cause)
      }
    },
    close: () => {
      database.close()
      if (log !== null) closeSync(log)
    },
  }
}

const IN_MEMORY = ':memory:'

// SQLite appends what a transaction wrote to its write-ahead log, whole and with checksums (https://sqlite.org/walformat.html).
// It would wait for the disk itself (`synchronous = FULL`), and hold up everything else for as long.
const flush = promisify(fdatasync)

/**
 * Locked for this process alone until it ends, however it ends: two that write one device's log would number two records
 * alike, and be taken for a forger.
 */
const open = (path: string): DatabaseSync => {
  try {
    if (path !== IN_MEMORY) closeSync(openSync(path, 'a', 0o600)) // SQLite would make it readable to all; its journals follow it
    const database = new DatabaseSync(path, { enableForeignKeyConstraints: true, timeout: BUSY_TIMEOUT_MS })
    database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -16000; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; BEGIN IMMEDIATE; COMMIT`)
    return database
  } catch (cause) {
    throw fault(openingCode(cause instanceof Error ? cause.message : ''), path, cause)
  }
}

// A page that many records change, as those of an index by hash, is moved to the file once in 16 MiB of log, not in 4: a third of
// the time that a long catch-up spends in here. What is erased does not wait for it: see `checkpoint`.
const CHECKPOINT_PAGES = 4_000

const openingCode = (message: string) =>
  /locked|busy/.test(message) ? 'profile-in-use' : /full/.test(message) ? 'disk-full' : 'storage-failed'

const BUSY_TIMEOUT_MS = 500 // another lanyard on this home that is about to end

const migrate = (database: DatabaseSync): void => {
  const version = integer(database.prepare('PRAGMA user_version').get()?.user_version)
  if (version > MIGRATIONS.length) {
    throw fault('storage-failed', 'the database was written by a newer lanyard: update lanyard')
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue
    database.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`)
  }
  // One write with FULL at each start, which makes the log's name in its folder durable too; from here on `flushed` does it.
  database.exec(`PRAGMA synchronous = FULL; BEGIN IMMEDIATE; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT;
    PRAGMA synchronous = NORMAL`)
}

// Never edited once released, only added to. Columns that are called sealed_… are AES-256-GCM under the store key.
const MIGRATIONS = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

  -- Certificates of all devices that were ever seen; records name their author by the hash.
  CREATE TABLE certificates (
    hash TEXT PRIMARY KEY, peer TEXT NOT NULL, user TEXT NOT NULL, serial TEXT NOT NULL, der BLOB NOT NULL,
    not_before INTEGER NOT NULL, not_after INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX certificates_by_peer ON certificates (peer);
  CREATE INDEX certificates_by_user ON certificates (user, not_before);

  CREATE TABLE revocation_list (one INTEGER PRIMARY KEY CHECK (one = 1), der BLOB NOT NULL) STRICT;
  -- Older ones, by which somebody is out whom the newest forgets.
  CREATE TABLE kept_revocation_lists (place INTEGER PRIMARY KEY, der BLOB NOT NULL) STRICT;

  -- The newest prekey of each device, and the hybrid time of the record that published it.
  CREATE TABLE prekeys (
    peer TEXT PRIMARY KEY, id BLOB NOT NULL, suite INTEGER NOT NULL, public_key BLOB NOT NULL,
    ms INTEGER NOT NULL, count INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE own_prekeys (
    id BLOB PRIMARY KEY, public_key BLOB NOT NULL, sealed_secret BLOB NOT NULL,
    created INTEGER NOT NULL, rotated INTEGER
  ) STRICT;

  -- Numbers that stand for long names: of rooms, of authors' certificates, and of logs.
  CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE logs (
    number INTEGER PRIMARY KEY, room INTEGER NOT NULL REFERENCES names, device TEXT NOT NULL, inc TEXT NOT NULL,
    UNIQUE (room, device, inc)
  ) STRICT;

  -- One row a record; 'arrival' is the order in which this device stored them.
  CREATE TABLE records (
    arrival INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE, room INTEGER NOT NULL, log INTEGER NOT NULL, seq INTEGER NOT NULL,
    author INTEGER NOT NULL, ms INTEGER NOT NULL, count INTEGER NOT NULL, kind TEXT NOT NULL,
    hidden INTEGER NOT NULL DEFAULT 0, -- 1: its author was removed or revoked by then; it counts for nobody
    -- Of a message that was opened: what it is to the timeline. 'target' is the blind name of the message that it changes.
    role TEXT CHECK (role IN ('entry', 'edit', 'delete', 'reaction', 'none')), target BLOB,
    unread INTEGER NOT NULL DEFAULT 0, -- 1: our user has not read it; 2: … and it mentions our user
    erased INTEGER NOT NULL DEFAULT 0, -- body and key are gone: 1: taken back; 2: past the room's retention
    -- The long ones last: to read what comes before them SQLite need not follow them.
    header BLOB NOT NULL, signature BLOB, proof BLOB, body BLOB, sealed_key BLOB,
    UNIQUE (log, seq)
  ) STRICT;
  -- The same by their names, for who looks in here.
  CREATE VIEW named_records AS SELECT r.arrival, lower(hex(r.hash)) AS hash, n.name AS room, l.device, l.inc, r.seq,
    a.name AS author, r.ms, r.count, r.kind, r.hidden, r.role, r.target, r.unread, r.erased, r.header, r.signature, r.proof,
    r.body, r.sealed_key
  FROM records AS r JOIN names AS n ON n.number = r.room JOIN logs AS l ON l.number = r.log
    JOIN names AS a ON a.number = r.author;
  CREATE INDEX records_by_time ON records (room, kind, ms, count, hash, erased);
  CREATE INDEX records_locked ON records (room) WHERE kind = 'message' AND sealed_key IS NULL AND hidden = 0 AND erased = 0;
  CREATE INDEX records_unread ON records (room, ms, count, hash, unread) WHERE unread > 0 AND hidden = 0 AND erased = 0;
  CREATE INDEX records_mentions ON records (room) WHERE unread = 2 AND hidden = 0 AND erased = 0;
  CREATE INDEX records_by_target ON records (target) WHERE target IS NOT NULL;
  CREATE INDEX records_unsigned ON records (arrival) WHERE signature IS NULL;

  -- Rooms that we know of, besides those that everybody has: 'other' is the second user of a direct room.
  CREATE TABLE rooms (room TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('direct', 'founded')), other TEXT) STRICT;

  -- Where a record cites membership records, or is one: what its author knew from there on. In the order in which they
  -- came here, each stands after all that it cites.
  CREATE TABLE citations (
    arrival INTEGER PRIMARY KEY,
    room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL,
    cited BLOB NOT NULL, UNIQUE (hash)
  ) STRICT;
  CREATE INDEX citations_by_room ON citations (room);

  -- Membership records that lie beyond a fork of their log, and are not in it here: they count for nobody, and may be cited.
  CREATE TABLE void_facts (hash TEXT PRIMARY KEY, room TEXT NOT NULL, wire BLOB NOT NULL) STRICT;
  CREATE INDEX void_facts_by_room ON void_facts (room);

  -- Of each message that was changed: what stands, by user, in each place ('edit', 'delete', or a blind name of an emoji).
  CREATE TABLE changes (
    target BLOB NOT NULL, user TEXT NOT NULL, slot BLOB NOT NULL,
    ms INTEGER NOT NULL, count INTEGER NOT NULL, hash TEXT NOT NULL, sealed_emoji BLOB, is_on INTEGER NOT NULL,
    PRIMARY KEY (target, user, slot)
  ) STRICT, WITHOUT ROWID;

  -- How far our user has read each log.
  CREATE TABLE read_marks (
    room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (room, device, inc)
  ) STRICT, WITHOUT ROWID;
  -- What others do with the logs of our own user: which device holds them, and which user has read them, up to where.
  CREATE TABLE reached (
    room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL,
    what TEXT NOT NULL CHECK (what IN ('held', 'read')), by TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (room, device, inc, what, by)
  ) STRICT, WITHOUT ROWID;
  -- What our receipts have told of each log.
  CREATE TABLE receipts_told (
    room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL, held INTEGER NOT NULL, read INTEGER NOT NULL,
    PRIMARY KEY (room, device, inc)
  ) STRICT, WITHOUT ROWID;
  -- What everybody's receipts cover: that device 'by' held the record of this number and hash at this time, by the receipt
  -- with that number in its own log.
  CREATE TABLE covered (
    room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL, seq INTEGER NOT NULL, by TEXT NOT NULL,
    by_inc TEXT NOT NULL, by_seq INTEGER NOT NULL, ms INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (room, device, inc, seq, by, by_inc, by_seq)
  ) STRICT, WITHOUT ROWID;
  -- What is on this user's desk, and nobody else's business: drafts, muted rooms, blocked users.
  CREATE TABLE desk (
    kind TEXT NOT NULL, name BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;

  -- Two records with one number: the second is kept here as proof.
  CREATE TABLE equivocations (
    hash TEXT PRIMARY KEY, room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL, seq INTEGER NOT NULL,
    wire BLOB NOT NULL
  ) STRICT;

  -- What we seal with: the newest sender key of ours in each room.
  CREATE TABLE own_sender_keys (
    room TEXT PRIMARY KEY, epoch INTEGER NOT NULL, next_index INTEGER NOT NULL, created INTEGER NOT NULL,
    sealed_secret BLOB NOT NULL, sealed_chain BLOB NOT NULL
  ) STRICT;
  CREATE TABLE own_recipients (
    room TEXT NOT NULL, epoch INTEGER NOT NULL, peer TEXT NOT NULL, PRIMARY KEY (room, epoch, peer)
  ) STRICT, WITHOUT ROWID;

  -- What we open with: how far the ratchet of each sender key has gone.
  CREATE TABLE chains (
    room TEXT NOT NULL, device TEXT NOT NULL, inc TEXT NOT NULL, epoch INTEGER NOT NULL,
    next_index INTEGER NOT NULL, sealed_chain BLOB NOT NULL, accepted INTEGER NOT NULL,
    PRIMARY KEY (room, device, inc, epoch)
  ) STRICT;
  CREATE INDEX chains_by_age ON chains (accepted) WHERE sealed_chain <> X'';

  -- What we signed when we left a room: how much of it we held.
  CREATE TABLE session_receipts (room TEXT PRIMARY KEY, file BLOB NOT NULL) STRICT;

  CREATE TABLE addresses (
    peer TEXT NOT NULL, address TEXT NOT NULL, seen INTEGER NOT NULL, PRIMARY KEY (peer, address)
  ) STRICT;

  -- Files that this device was offered, fetches, or holds, by the message that offered them.
  CREATE TABLE files (
    record TEXT PRIMARY KEY, room TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('offered', 'wanted', 'declined', 'held')),
    paused INTEGER NOT NULL, own INTEGER NOT NULL, sealed BLOB NOT NULL, encoded BLOB
  ) STRICT;
  -- Who is known to have all of one.
  CREATE TABLE file_holders (
    record TEXT NOT NULL, device TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (record, device)
  ) STRICT, WITHOUT ROWID
  `,
] as const
