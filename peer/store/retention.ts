import { fromHex, type RoomId } from '../../shared/ids.ts'
import type { Position } from '../rooms/timeline.ts'
import { blobOrNull, type Database, integer } from './database.ts'
import type { Names } from './names.ts'
import { positionOf } from './timeline.ts'

/** A message of which body and key are still there. */
export type Kept = Position & {
  readonly arrival: number
  readonly target: Uint8Array | null
  /** A record of ours is read again when it is signed: it can't be erased before. */
  readonly signed: boolean
}

export type RetentionStore = ReturnType<typeof createRetentionStore>

/** Erases bodies and keys, and leaves header and signature: the chain still verifies. */
export const createRetentionStore = (database: Database, names: Names) => {
  const before = database.prepare(
    `SELECT arrival, ms, count, hash, target, signature IS NOT NULL AS signed FROM records INDEXED BY records_by_time
     WHERE room = ? AND kind = 'message' AND erased < 2 AND ms >= ? AND (ms, count, hash) < (?, ?, ?)
     ORDER BY ms, count, hash LIMIT ?`,
  )
  const beyond = database.prepare(
    `SELECT ms, count, hash FROM records INDEXED BY records_by_time WHERE room = ? AND kind = 'message' AND erased < 2
     ORDER BY ms DESC, count DESC, hash DESC LIMIT 1 OFFSET ?`,
  )
  const erase = database.prepare(
    'UPDATE records SET body = NULL, sealed_key = NULL, erased = 2, unread = 0, target = NULL WHERE arrival = ?',
  )
  // Where the file of a message is, and what it is made of, says what the message said; the file itself is its user's.
  const forgetFile = database.prepare('DELETE FROM files WHERE record = ?')
  const forget = database.prepare('DELETE FROM changes WHERE target = ?')
  const forgetOne = database.prepare('DELETE FROM changes WHERE target = ? AND hash = ?')
  return {
    /** Messages before a place, the oldest first. @param from nothing older than this time is asked for, milliseconds since the epoch */
    before: (room: RoomId, from: number, { ms, count, hash }: Position, limit: number): Kept[] =>
      before.all(names.find(room), from, ms, count, fromHex(hash), limit).map((row) => ({
        ...positionOf(row),
        arrival: integer(row.arrival),
        target: blobOrNull(row.target),
        signed: row.signed === 1,
      })),
    /** The place of the oldest of the newest `keep` messages; null where there are not so many. */
    keepsFrom: (room: RoomId, keep: number): Position | null => {
      const row = beyond.get(names.find(room), keep - 1)
      return row === undefined ? null : positionOf(row)
    },
    /** @param own the blind name of the message itself: what was said about it goes with it */
    erase: ({ arrival, target, hash }: Kept, own: Uint8Array): void => {
      erase.run(arrival)
      forgetFile.run(hash)
      forget.run(own)
      if (target !== null) forgetOne.run(target, hash)
    },
  }
}
