import {
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  type RoomId,
  toRecordHash,
  type UserName,
} from '../../shared/ids.ts'
import { UNREAD_COUNT_MAX } from '../../shared/limits.ts'
import type { Position } from '../rooms/timeline.ts'
import { blob, type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'
import type { Names } from './names.ts'
import type { LogMark } from './receipts.ts'

export type UnreadStore = ReturnType<typeof createUnreadStore>

/** What our user has read: a mark in each log, and the messages beyond the marks. */
export const createUnreadStore = (database: Database, names: Names) => {
  const unread = 'FROM records INDEXED BY records_unread WHERE room = ? AND unread > 0 AND hidden = 0 AND erased = 0'
  const count = database.prepare(`SELECT COUNT(*) AS count FROM (SELECT 1 ${unread} LIMIT ${UNREAD_COUNT_MAX})`)
  const mentions = database.prepare(
    `SELECT COUNT(*) AS count FROM (SELECT 1 FROM records INDEXED BY records_mentions
     WHERE room = ? AND unread = 2 AND hidden = 0 AND erased = 0 LIMIT ${UNREAD_COUNT_MAX})`,
  )
  const first = database.prepare(`SELECT hash ${unread} AND ms >= ? ORDER BY ms, count, hash LIMIT 1`)
  const upTo = database.prepare(
    `SELECT log, seq ${unread} AND (ms, count, hash) <= (?, ?, ?) ORDER BY ms, count, hash LIMIT ?`,
  )
  const mark = database.prepare('SELECT seq FROM read_marks WHERE room = ? AND device = ? AND inc = ?')
  const marks = database.prepare('SELECT device, inc, seq FROM read_marks WHERE room = ?')
  const setMark = database.prepare(
    `INSERT INTO read_marks (room, device, inc, seq) VALUES (?, ?, ?, ?)
     ON CONFLICT (room, device, inc) DO UPDATE SET seq = excluded.seq`,
  )
  const clear = database.prepare('UPDATE records SET unread = 0 WHERE log = ? AND seq > ? AND seq <= ? AND unread > 0')
  const clearBy = database.prepare(
    `UPDATE records SET unread = 0 WHERE unread > 0 AND hidden = 0 AND erased = 0
     AND author IN (SELECT number FROM names JOIN certificates ON hash = name WHERE user = ?)`,
  )
  const toMark = (room: RoomId, row: Record<string, unknown>): LogMark => ({
    log: { room, device: text(row.device) as PeerId, incarnation: text(row.inc) as Incarnation },
    seq: integer(row.seq),
  })
  const markOf = ({ room, device, incarnation }: LogId): number => {
    const row = mark.get(room, device, incarnation)
    return row === undefined ? -1 : integer(row.seq)
  }

  return {
    /** Each is at most UNREAD_COUNT_MAX. */
    counts: (room: RoomId): { count: number; mentions: number } => ({
      count: integer(count.get(names.find(room))?.count),
      mentions: integer(mentions.get(names.find(room))?.count),
    }),
    /** The oldest one that is still shown. @param keptSince milliseconds since the epoch */
    first: (room: RoomId, keptSince: number): RecordHash | null => {
      const row = first.get(names.find(room), keptSince)
      return row === undefined ? null : toRecordHash(blob(row.hash))
    },
    /** Where unread messages up to a position are, the oldest first. */
    upTo: (room: RoomId, { ms, count, hash }: Position, limit: number): LogMark[] =>
      upTo
        .all(names.find(room), ms, count, fromHex(hash), limit)
        .map((row) => ({ log: names.log(integer(row.log)), seq: integer(row.seq) })),
    /** The highest number of a log that our user has read; −1: none. */
    mark: markOf,
    marks: (room: RoomId): LogMark[] => marks.all(room).map((row) => toMark(room, row)),
    /** Moves the mark of a log on; what lies before it is read. @returns whether it moved */
    advance: ({ log, seq }: LogMark): boolean => {
      const before = markOf(log)
      if (seq <= before) return false
      setMark.run(log.room, log.device, log.incarnation, seq)
      clear.run(names.findLog(log), before, seq)
      return true
    },
    /** Nothing of this user's is unread any more. */
    clearBy: (user: UserName): void => {
      clearBy.run(user)
    },
  }
}
