import type { Incarnation, PeerId, RoomId, UserName } from '../../shared/ids.ts'
import { blob, type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'
import type { Names } from './names.ts'

/** One log up to a number. */
export type LogMark = { readonly log: LogId; readonly seq: number }

/** That a device held a record of a log at a time. `by`: the receipt that says so. */
export type Cover = { readonly seq: number; readonly by: LogMark; readonly hash: Uint8Array }

export type ReceiptStore = ReturnType<typeof createReceiptStore>

/** What receipts say: who holds and has read our user's logs, what covers everybody's, and what ours have told. */
export const createReceiptStore = (database: Database, names: Names) => {
  const reach = database.prepare(
    `INSERT INTO reached (room, device, inc, what, by, seq) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (room, device, inc, what, by) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > seq`,
  )
  const holders = database.prepare(
    `SELECT COUNT(*) AS count FROM reached
     WHERE room = ? AND device = ? AND inc = ? AND what = 'held' AND seq >= ?`,
  )
  const readers = database.prepare(
    `SELECT by FROM reached WHERE room = ? AND device = ? AND inc = ? AND what = 'read' AND seq >= ? ORDER BY by`,
  )
  const cover = database.prepare(
    `INSERT OR IGNORE INTO covered (room, device, inc, seq, by, by_inc, by_seq, ms, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const covers = database.prepare(
    `SELECT seq, by, by_inc, by_seq, hash FROM covered WHERE room = ? AND device = ? AND inc = ? AND ms <= ?
     ORDER BY seq DESC`,
  )
  const witnesses = database.prepare(
    'SELECT COUNT(DISTINCT by) AS count FROM covered WHERE room = ? AND device = ? AND inc = ? AND seq >= ?',
  )
  const tell = database.prepare(
    `INSERT INTO receipts_told (room, device, inc, held, read) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (room, device, inc) DO UPDATE SET held = MAX(held, excluded.held), read = MAX(read, excluded.read)`,
  )
  const told = database.prepare('SELECT device, inc, held, read FROM receipts_told WHERE room = ?')
  const newest = database.prepare(
    `SELECT seq FROM records WHERE log = ? AND seq > ? AND kind NOT IN ('receipt', 'sender-key')
     ORDER BY seq DESC LIMIT 1`,
  )
  const args = ({ room, device, incarnation }: LogId) => [room, device, incarnation] as const

  return {
    /** A device holds a log of our user's up to a number. @returns whether that is news */
    held: ({ log, seq }: LogMark, by: PeerId): boolean => reach.run(...args(log), 'held', by, seq).changes > 0,
    /** A user has read it. @returns whether that is news */
    read: ({ log, seq }: LogMark, by: UserName): boolean => reach.run(...args(log), 'read', by, seq).changes > 0,
    /** How many devices besides its author's hold a record. */
    holders: (log: LogId, seq: number): number => integer(holders.get(...args(log), seq)?.count),
    readers: (log: LogId, seq: number): UserName[] =>
      readers.all(...args(log), seq).map((row) => text(row.by) as UserName),

    /** Keeps that a device held a record at a time. */
    cover: (log: LogId, { seq, by, hash }: Cover, ms: number): void => {
      cover.run(...args(log), seq, by.log.device, by.log.incarnation, by.seq, ms, hash)
    },
    /** Who held what of a log by a time, the highest numbers first. */
    covers: function* (log: LogId, until: number): Generator<Cover> {
      for (const row of covers.iterate(...args(log), until)) {
        const by = { room: log.room, device: text(row.by) as PeerId, incarnation: text(row.by_inc) as Incarnation }
        yield { seq: integer(row.seq), by: { log: by, seq: integer(row.by_seq) }, hash: blob(row.hash) }
      }
    },
    /** How many devices have told that they hold a record. */
    witnesses: (log: LogId, seq: number): number => integer(witnesses.get(...args(log), seq)?.count),

    /** Our receipts have told of a log up to here; −1: nothing. */
    tell: (log: LogId, held: number, read: number): void => {
      tell.run(...args(log), held, read)
    },
    told: (room: RoomId): (LogMark & { readonly read: number })[] =>
      told.all(room).map((row) => ({
        log: { room, device: text(row.device) as PeerId, incarnation: text(row.inc) as Incarnation },
        seq: integer(row.held),
        read: integer(row.read),
      })),
    /** The newest record of a log past a number that a receipt is worth; null when there is none. */
    newestWorth: (log: LogId, after: number): number | null => {
      const row = newest.get(names.findLog(log), after)
      return row === undefined ? null : integer(row.seq)
    },
  }
}
