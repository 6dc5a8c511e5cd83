import { compareTimes, HYBRID_ZERO, type HybridTime } from '../../shared/clock.ts'
import {
  type CertificateHash,
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  type RoomId,
  toRecordHash,
} from '../../shared/ids.ts'
import { RECORD_KINDS, type RecordKind, type WireRecord } from '../../shared/wire/record.ts'
import type { LogPoint } from '../../shared/wire/sync.ts'
import type { ParsedRecord } from '../log/record.ts'
import type { Role } from '../rooms/timeline.ts'
import { blob, blobOrNull, type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'
import type { Names } from './names.ts'
import type { Sealer } from './sealer.ts'
import { packProof, wireOf } from './wire-record.ts'

/** What an opened message is to the timeline. `target`: the blind name of the message that it changes. */
export type Placement = {
  readonly role: Role
  readonly target: Uint8Array | null
  /** Whether our user has yet to read it: 2 when it mentions our user. */
  readonly unread: 0 | 1 | 2
}

/** The newest record of a log. */
export type LogHead = { readonly seq: number; readonly hash: RecordHash }

/** A record as the inbox wants it. */
export type StoredRecord = {
  readonly arrival: number
  readonly hash: RecordHash
  readonly room: RoomId
  readonly device: PeerId
  readonly incarnation: Incarnation
  readonly seq: number
  readonly kind: RecordKind
  readonly author: CertificateHash
  readonly ms: number
  readonly count: number
  readonly header: Uint8Array
  /** Null when it is erased, or was when it came. */
  readonly body: Uint8Array | null
  /** The message key, when we have it. */
  readonly key: Uint8Array | null
  /** It counts for nobody: its author was removed or revoked by then. */
  readonly hidden: boolean
}

/** A message that no key is here for. */
export type LockedMessage = {
  readonly hash: RecordHash
  readonly log: LogId
  readonly seq: number
  readonly arrival: number
  /** Its body is not here either. */
  readonly bare: boolean
}

export type RecordStore = ReturnType<typeof createRecordStore>

/** The place that a message's key is sealed for. */
export const keyPlace = (hash: RecordHash): string => `records.key.${hash}`

/** Reads rows of the table; those of STORED_COLUMNS must be there. */
export const storedRecords =
  (sealer: Sealer, names: Names) =>
  (row: Record<string, unknown>): StoredRecord => {
    const hash = toRecordHash(blob(row.hash))
    return {
      arrival: integer(row.arrival),
      hash,
      ...names.log(integer(row.log)),
      seq: integer(row.seq),
      kind: text(row.kind) as RecordKind,
      author: names.name(integer(row.author)) as CertificateHash,
      ms: integer(row.ms),
      count: integer(row.count),
      header: blob(row.header),
      body: blobOrNull(row.body),
      key: row.sealed_key === null ? null : sealer.open(keyPlace(hash), blob(row.sealed_key)),
      hidden: row.hidden === 1,
    }
  }

/** What a `StoredRecord` is read from. */
export const STORED_COLUMNS = 'arrival, hash, log, seq, kind, author, ms, count, hidden, header, body, sealed_key'

export const createRecordStore = (database: Database, sealer: Sealer, names: Names) => {
  const insert = database.prepare(
    `INSERT INTO records (hash, room, log, seq, author, ms, count, kind, header, signature, proof, body, sealed_key,
       role, target, unread)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const sign = database.prepare('UPDATE records SET signature = ?, proof = ? WHERE hash = ?')
  const setKey = database.prepare('UPDATE records SET sealed_key = ? WHERE hash = ? AND erased = 0')
  const setBody = database.prepare('UPDATE records SET body = ? WHERE hash = ? AND body IS NULL AND erased = 0')
  const heads = database.prepare(
    `SELECT device, inc, seq, hash FROM logs JOIN records ON log = number
     WHERE logs.room = ? AND seq = (SELECT MAX(seq) FROM records WHERE log = number) ORDER BY device, inc`,
  )
  const unsigned = database.prepare('SELECT hash FROM records WHERE signature IS NULL ORDER BY arrival')
  const byHash = database.prepare('SELECT * FROM records WHERE hash = ?')
  const bySeq = database.prepare('SELECT hash FROM records WHERE log = ? AND seq = ?')
  const locked = database.prepare(
    `SELECT hash, log, seq, arrival, body IS NULL AS bare FROM records WHERE room = ? AND kind = 'message' AND sealed_key IS NULL AND hidden = 0 AND erased = 0 AND arrival < ?
     ORDER BY arrival DESC LIMIT ?`,
  )
  // One kind at a time, since the index by time begins with room and kind: without it each message reads the whole room.
  const lastTime = database.prepare(
    'SELECT ms, count FROM records WHERE room = ? AND kind = ? ORDER BY ms DESC, count DESC LIMIT 1',
  )
  const lockedOf = database.prepare(
    `SELECT * FROM records INDEXED BY records_locked
     WHERE room = ? AND log = ? AND kind = 'message' AND sealed_key IS NULL AND hidden = 0 AND erased = 0 ORDER BY seq`,
  )
  const hide = database.prepare(
    'UPDATE records SET hidden = ?1 WHERE log = ?2 AND seq BETWEEN ?3 AND ?4 AND hidden <> ?1',
  )
  const firstAfter = database.prepare('SELECT MIN(seq) AS seq FROM records WHERE log = ? AND ms > ?')
  const ofKind = database.prepare('SELECT * FROM records WHERE room = ? AND kind = ? ORDER BY arrival')
  const newestOf = database.prepare('SELECT * FROM records WHERE log = ? ORDER BY seq DESC LIMIT 1')
  const newestOpenedOf = database.prepare(
    `SELECT header FROM records WHERE log = ? AND kind = 'message' AND (sealed_key IS NOT NULL OR erased > 0)
     ORDER BY seq DESC LIMIT 1`,
  )
  const fork = database.prepare(
    `INSERT INTO equivocations (hash, room, device, inc, seq, wire) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS
     (SELECT 1 FROM equivocations WHERE room = ?2 AND device = ?3 AND inc = ?4 AND seq = ?5)`,
  )

  const toStored = storedRecords(sealer, names)
  const lastTimeOf = (room: RoomId, kind: RecordKind): HybridTime => {
    const row = lastTime.get(names.find(room), kind)
    return row === undefined ? HYBRID_ZERO : { ms: integer(row.ms), count: integer(row.count) }
  }
  const times = new Map<RoomId, HybridTime>()
  const sealKey = (hash: RecordHash, key: Uint8Array): Uint8Array => sealer.seal(keyPlace(hash), key)

  return {
    /**
     * Adds a record at the head of its log; unsigned when it is our own and its signature is still being made.
     * @param placement of a message that is open already
     * @returns its arrival
     */
    append: (
      log: LogId,
      record: Omit<ParsedRecord, 'wire'> & { wire: Partial<WireRecord> & Pick<WireRecord, 'header' | 'body'> },
      key: Uint8Array | null,
      placement: Placement | null = null,
    ): number => {
      const { header, wire, hash } = record
      const known = times.get(log.room)
      if (known !== undefined) times.set(log.room, later(known, { ms: header.time[0], count: header.time[1] }))
      const { lastInsertRowid } = insert.run(
        fromHex(hash),
        names.give(log.room),
        names.giveLog(log),
        header.seq,
        names.give(record.author),
        header.time[0],
        header.time[1],
        header.kind,
        wire.header,
        wire.signature ?? null,
        wire.proof === undefined ? null : packProof(wire.proof),
        wire.body,
        key === null ? null : sealKey(hash, key),
        placement?.role ?? null,
        placement?.target ?? null,
        placement?.unread ?? 0,
      )
      return Number(lastInsertRowid)
    },
    sign: (hash: RecordHash, { signature, proof }: Pick<WireRecord, 'signature' | 'proof'>): void => {
      sign.run(signature, packProof(proof), fromHex(hash))
    },
    /** Keeps a message's key. @returns false: the message was erased meanwhile */
    setKey: (hash: RecordHash, key: Uint8Array): boolean => setKey.run(sealKey(hash, key), fromHex(hash)).changes > 0,
    /** Hashes of our own records whose signature was not yet made when the process ended. */
    unsigned: (): RecordHash[] => unsigned.all().map((row) => toRecordHash(blob(row.hash))),
    heads: (room: RoomId): (LogPoint & { hash: RecordHash })[] =>
      heads.all(names.find(room)).map((row) => ({
        device: text(row.device),
        inc: fromHex(text(row.inc)),
        seq: integer(row.seq),
        hash: toRecordHash(blob(row.hash)),
      })),
    get: (hash: RecordHash): StoredRecord | null => {
      const row = byHash.get(fromHex(hash))
      return row === undefined ? null : toStored(row)
    },
    wire: (hash: RecordHash): WireRecord | null => {
      const row = byHash.get(fromHex(hash))
      return row === undefined ? null : wireOf(row)
    },
    hashAt: (log: LogId, seq: number): RecordHash | null => {
      const row = bySeq.get(names.findLog(log), seq)
      return row === undefined ? null : toRecordHash(blob(row.hash))
    },
    /** The newest record of one log. */
    newestOf: (log: LogId): StoredRecord | null => {
      const row = newestOf.get(names.findLog(log))
      return row === undefined ? null : toStored(row)
    },
    /** The header of a log's newest message that was opened, whatever opened it. */
    newestOpenedOf: (log: LogId): Uint8Array | null => {
      const row = newestOpenedOf.get(names.findLog(log))
      return row === undefined ? null : blob(row.header)
    },
    ofKind: (room: RoomId, kind: RecordKind): StoredRecord[] => ofKind.all(names.find(room), kind).map(toStored),
    /** Whether any message waits for a key. */
    hasLocked: (room: RoomId): boolean => locked.get(names.find(room), Number.MAX_SAFE_INTEGER, 1) !== undefined,
    /** Messages that no key is here for, the newest arrivals first; `bare`: and no body either. @param before an arrival */
    locked: (room: RoomId, limit: number, before: number): LockedMessage[] =>
      locked.all(names.find(room), before, limit).map((row) => ({
        hash: toRecordHash(blob(row.hash)),
        log: names.log(integer(row.log)),
        seq: integer(row.seq),
        arrival: integer(row.arrival),
        bare: row.bare === 1,
      })),
    /** The body of a skeleton, whose hash is checked. */
    setBody: (hash: RecordHash, body: Uint8Array): void => {
      setBody.run(body, fromHex(hash))
    },
    lockedOf: (log: LogId): StoredRecord[] => lockedOf.all(names.find(log.room), names.findLog(log)).map(toStored),
    /** The latest time in a room: asked of the database once, and kept up since. One that is rolled back stays: time does. */
    lastTime: (room: RoomId): HybridTime => {
      const time = times.get(room) ?? RECORD_KINDS.map((kind) => lastTimeOf(room, kind)).reduce(later)
      times.set(room, time)
      return time
    },
    /** The first number of a log whose record is later than this, milliseconds since the epoch; null: none is. */
    firstAfter: (log: LogId, ms: number): number | null => {
      const seq = firstAfter.get(names.findLog(log), ms)?.seq
      return typeof seq === 'number' ? seq : null
    },
    /** Hides, or shows again, the records of a log from one number to another, both included. @returns whether any changed */
    hide: (log: LogId, from: number, to: number, hidden: boolean): boolean =>
      hide.run(hidden ? 1 : 0, names.findLog(log), from, to).changes > 0,
    /** Keeps one other record with the number of a stored one: that is the proof, and a thousand prove no more. */
    keepFork: (log: LogId, record: ParsedRecord, wire: Uint8Array): void => {
      fork.run(record.hash, log.room, log.device, log.incarnation, record.header.seq, wire)
    },
  }
}

const later = (a: HybridTime, b: HybridTime): HybridTime => (compareTimes(a, b) < 0 ? b : a)
