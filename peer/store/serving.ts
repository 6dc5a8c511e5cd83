import {
  type CertificateHash,
  fromHex,
  type PeerId,
  type RecordHash,
  type RoomId,
  toIncarnation,
  toRecordHash,
} from '../../shared/ids.ts'
import { MEMBERSHIP_KINDS } from '../../shared/wire/membership.ts'
import { recordCodec, type WireRecord } from '../../shared/wire/record.ts'
import type { LogName, LogPoint } from '../../shared/wire/sync.ts'
import { blob, type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'
import type { Names } from './names.ts'
import { keyPlace } from './records.ts'
import type { Sealer } from './sealer.ts'
import { wireOf } from './wire-record.ts'

/** One record of a log as its place in the order of time, without its bytes. */
export type Step = {
  readonly arrival: number
  readonly seq: number
  readonly ms: number
  readonly count: number
  readonly hash: RecordHash
}

/** A record as it is served; of a message that counts and can be opened here, where it stands, and its key. */
export type Served = {
  readonly wire: WireRecord
  readonly message: { readonly log: LogId; readonly seq: number; key(): Uint8Array } | null
}

/** What serving the records of a room to others asks of the store. */
export type ServingStore = ReturnType<typeof createServingStore>

export const createServingStore = (database: Database, sealer: Sealer, names: Names) => {
  const steps = database.prepare(
    `SELECT arrival, seq, ms, count, hash FROM records
     WHERE log = ? AND seq > ? AND seq <= ? AND signature IS NOT NULL ORDER BY seq LIMIT ?`,
  )
  const wire = database.prepare('SELECT header, signature, proof, body FROM records WHERE arrival = ?')
  const served = database.prepare(
    `SELECT hash, log, seq, header, signature, proof, body,
       CASE WHEN kind = 'message' AND hidden = 0 AND body IS NOT NULL THEN sealed_key END AS sealed_key
     FROM records WHERE arrival = ?`,
  )
  const forks = database.prepare(
    'SELECT device, inc, MIN(seq) AS seq FROM equivocations WHERE room = ? GROUP BY device, inc',
  )
  const other = database.prepare('SELECT wire FROM equivocations WHERE room = ? AND device = ? AND inc = ? AND seq = ?')

  const voids = database.prepare('SELECT wire FROM void_facts WHERE room = ? ORDER BY rowid')
  const ownVoids = database.prepare(
    `SELECT header, signature, proof, body FROM logs AS l JOIN
       (SELECT device, inc, MIN(seq) AS fork FROM equivocations WHERE room = ?2 GROUP BY device, inc) AS f
       ON l.device = f.device AND l.inc = f.inc JOIN records AS r ON r.log = l.number
     WHERE l.room = ?1 AND r.seq >= f.fork AND r.kind IN (${MEMBERSHIP_KINDS.map((kind) => `'${kind}'`).join(', ')})
       AND r.signature IS NOT NULL ORDER BY r.arrival`,
  )

  const authors = database.prepare('SELECT DISTINCT author FROM records WHERE room = ?')
  const asides = database.prepare(
    'SELECT wire FROM equivocations WHERE room = ?1 UNION SELECT wire FROM void_facts WHERE room = ?1',
  )

  return {
    /** The certificates that the records of a room were written under. */
    authors: (room: RoomId): CertificateHash[] =>
      authors.all(names.find(room)).map((row) => names.name(integer(row.author)) as CertificateHash),
    /** Records that are kept and not in their logs: the second ones of a number, and membership records beyond such a pair. */
    asides: (room: RoomId): Uint8Array[] => asides.all(room).map((row) => blob(row.wire)),
    /** Membership records beyond forks, as they travel: they count for nobody, and others cite them. */
    voids: (room: RoomId): Uint8Array[] => [
      ...ownVoids.all(names.find(room), room).flatMap((row) => {
        const wire = wireOf(row)
        return wire === null ? [] : [recordCodec.encode(wire)]
      }),
      ...voids.all(room).map((row) => blob(row.wire)),
    ],
    /** The next signed records of one log past a number, up to another: at most `limit`. */
    steps: (log: LogId, after: number, upTo: number, limit: number): Step[] =>
      steps.all(names.findLog(log), after, upTo, limit).map((row) => ({
        arrival: integer(row.arrival),
        seq: integer(row.seq),
        ms: integer(row.ms),
        count: integer(row.count),
        hash: toRecordHash(blob(row.hash)),
      })),
    /** One record that is signed. */
    wire: (arrival: number): WireRecord | null => {
      const row = wire.get(arrival)
      return row === undefined ? null : wireOf(row)
    },
    /** One record that is signed, for somebody who may need its key. */
    served: (arrival: number): Served | null => {
      const row = served.get(arrival)
      const wire = row === undefined ? null : wireOf(row)
      if (row === undefined || wire === null) return null
      if (row.sealed_key === null) return { wire, message: null }
      const key = (): Uint8Array => sealer.open(keyPlace(toRecordHash(blob(row.hash))), blob(row.sealed_key))
      return { wire, message: { log: names.log(integer(row.log)), seq: integer(row.seq), key } }
    },
    /** Logs of which two records with one number are kept, with the lowest such number of each. */
    forks: (room: RoomId): LogPoint[] =>
      forks.all(room).map((row) => ({ device: text(row.device), inc: fromHex(text(row.inc)), seq: integer(row.seq) })),
    /** The record that is kept beside the one with this number of the log, as `encodeRecord` made it. */
    other: (log: LogId, seq: number): Uint8Array | null => {
      const row = other.get(log.room, log.device, log.incarnation, seq)
      return row === undefined ? null : blob(row.wire)
    },
  }
}

/** What the wire names, within a room. */
export const logOf = (room: RoomId, { device, inc }: LogName): LogId => ({
  room,
  device: device as PeerId,
  incarnation: toIncarnation(inc),
})
