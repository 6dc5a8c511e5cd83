import {
  type CertificateHash,
  fromHex,
  type RecordHash,
  type RoomId,
  toHex,
  toRecordHash,
  type UserName,
} from '../../shared/ids.ts'
import { type Position, type Role, type Standing, supersedes } from '../rooms/timeline.ts'
import { blob, blobOrNull, type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'
import type { Names } from './names.ts'
import { type Placement, STORED_COLUMNS, type StoredRecord, storedRecords } from './records.ts'
import type { Sealer } from './sealer.ts'

/** What the timeline asks of a stored message without opening it. */
export type Placed = Position & {
  readonly room: RoomId
  readonly log: LogId
  readonly seq: number
  readonly author: CertificateHash
  readonly role: Role | null
  /** The blind name of the message that it changes. */
  readonly target: Uint8Array | null
  readonly hidden: boolean
  /** Its author took it back, or the room's retention is over: nothing is left to open. */
  readonly erased: 'taken-back' | 'expired' | null
}

/** A place that a user's change to a message takes: a newer one of the same slot takes the place of the older. */
export type Slot = 'edit' | 'delete' | { readonly emoji: string }

/** A change that stands. */
export type StandingChange = Position & { readonly on: boolean }

/** From which message on, and in which direction, a page goes; neither: the newest. */
export type PageFrom = { readonly before?: Position; readonly after?: Position }

const TARGETS_REMEMBERED = 256 // messages of one transaction, and some

export type TimelineStore = ReturnType<typeof createTimelineStore>

const PLACED = 'hash, log, seq, author, ms, count, role, target, hidden, erased'
// Neither hidden nor a change of another message; what nobody has a key for yet may be anything, and is shown as that.
const SHOWN = `hidden = 0 AND (role IS NULL OR role = 'entry')`
const IN_TIMELINE = `FROM records INDEXED BY records_by_time WHERE room = ? AND kind = 'message' AND erased < 2`

export const createTimelineStore = (database: Database, sealer: Sealer, names: Names) => {
  const place = database.prepare('UPDATE records SET role = ?, target = ?, unread = ? WHERE arrival = ?')
  const byHash = database.prepare(`SELECT ${PLACED} FROM records WHERE hash = ? AND kind = 'message'`)
  const shown = database.prepare(
    `SELECT ${STORED_COLUMNS} FROM records WHERE hash = ? AND kind = 'message' AND erased < 2 AND ${SHOWN}`,
  )
  const newer = database.prepare(
    `SELECT ${STORED_COLUMNS} ${IN_TIMELINE} AND ms >= ? AND (ms, count, hash) > (?, ?, ?) AND ${SHOWN}
     ORDER BY ms, count, hash LIMIT ?`,
  )
  const older = database.prepare(
    `SELECT ${STORED_COLUMNS} ${IN_TIMELINE} AND ms >= ? AND (ms, count, hash) < (?, ?, ?) AND ${SHOWN}
     ORDER BY ms DESC, count DESC, hash DESC LIMIT ?`,
  )
  const changesIn = database.prepare(
    `SELECT DISTINCT target FROM records
     WHERE log = ? AND seq BETWEEN ? AND ? AND target IS NOT NULL`,
  )
  const changesOf = database.prepare(`SELECT ${PLACED} FROM records WHERE target = ?`)
  // The body goes too: who gets the record from here sees that nothing can be read of it, and asks nobody for a key. Of a
  // record of ours that is being signed it stays, since it is read again then.
  const erase = database.prepare(
    `UPDATE records SET sealed_key = NULL, body = CASE WHEN signature IS NULL THEN body END, erased = 1, unread = 0
     WHERE hash = ? AND erased = 0`,
  )
  const restore = database.prepare('UPDATE records SET erased = 0 WHERE hash = ? AND erased = 1')

  const stand = database.prepare(
    `INSERT INTO changes (target, user, slot, ms, count, hash, sealed_emoji, is_on) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (target, user, slot) DO UPDATE SET ms = excluded.ms, count = excluded.count, hash = excluded.hash,
     sealed_emoji = excluded.sealed_emoji, is_on = excluded.is_on`,
  )
  const anyChange = database.prepare('SELECT 1 FROM changes WHERE target = ? LIMIT 1')
  const standing = database.prepare('SELECT * FROM changes WHERE target = ? AND user = ? AND slot = ?')
  const reactions = database.prepare(
    'SELECT * FROM changes WHERE target = ? AND sealed_emoji IS NOT NULL AND is_on = 1 LIMIT ?',
  )
  const clear = database.prepare('DELETE FROM changes WHERE target = ?')

  const toStored = storedRecords(sealer, names)
  /** Where a change stands; `changes` have the names of records as texts. */
  const toPosition = (row: Record<string, unknown>): Position => ({
    ms: integer(row.ms),
    count: integer(row.count),
    hash: text(row.hash) as RecordHash,
  })
  const toPlaced = (row: Record<string, unknown>): Placed => {
    const log = names.log(integer(row.log))
    return {
      ...positionOf(row),
      room: log.room,
      log,
      seq: integer(row.seq),
      author: names.name(integer(row.author)) as CertificateHash,
      role: row.role === null ? null : (text(row.role) as Role),
      target: blobOrNull(row.target),
      hidden: row.hidden === 1,
      erased: row.erased === 0 ? null : row.erased === 1 ? 'taken-back' : 'expired',
    }
  }
  /** What is stored in one transaction is shown after it: each message is asked for twice. */
  const targets = new Map<RecordHash, { readonly room: RoomId; readonly target: Uint8Array }>()
  const slotOf = (target: Uint8Array, slot: Slot): Uint8Array =>
    typeof slot === 'string'
      ? new TextEncoder().encode(slot)
      : sealer.blind('changes.emoji', `${toHex(target)}/${slot.emoji}`)
  const standingOf = (target: Uint8Array, user: UserName, slot: Slot): StandingChange | null => {
    const row = standing.get(target, user, slotOf(target, slot))
    return row === undefined ? null : { ...toPosition(row), on: row.is_on === 1 }
  }

  return {
    /** The blind name under which changes of a message are found. In the room's name too: a change elsewhere is none of it. */
    targetOf: (room: RoomId, hash: RecordHash): Uint8Array => {
      const known = targets.get(hash)
      if (known?.room === room) return known.target
      const target = sealer.blind('records.target', `${room}/${hash}`)
      if (targets.size >= TARGETS_REMEMBERED) targets.clear()
      targets.set(hash, { room, target })
      return target
    },
    get: (hash: RecordHash): Placed | null => {
      const row = byHash.get(fromHex(hash))
      return row === undefined ? null : toPlaced(row)
    },
    /** A message that is shown by itself. */
    shown: (hash: RecordHash): StoredRecord | null => {
      const row = shown.get(fromHex(hash))
      return row === undefined ? null : toStored(row)
    },
    /** Notes what a message is that was stored before it was opened. */
    place: (arrival: number, { role, target, unread }: Placement): void => {
      place.run(role, target, unread, arrival)
    },
    /**
     * Messages that are shown by themselves, oldest first: what one page costs does not depend on how many there are.
     * @param since the earliest time, milliseconds since the epoch
     */
    page: (room: RoomId, { before, after }: PageFrom, since: number, limit: number): StoredRecord[] => {
      const number = names.find(room)
      if (after !== undefined)
        return newer.all(number, since, after.ms, after.count, fromHex(after.hash), limit).map(toStored)
      const { ms, count, hash } = before ?? END
      return older.all(number, since, ms, count, fromHex(hash), limit).map(toStored).reverse()
    },
    /** What the records of one log, from one number to another, change. */
    targetsIn: (log: LogId, from: number, to: number): Uint8Array[] =>
      changesIn.all(names.findLog(log), from, to).map((row) => blob(row.target)),
    /** All that was ever said about one message, whether it stands or not. */
    changesOf: (target: Uint8Array): Placed[] => changesOf.all(target).map(toPlaced),
    /** Erases what a message says, and its key; its signature stays. @returns whether it had not been erased */
    erase: (hash: RecordHash): boolean => erase.run(fromHex(hash)).changes > 0,
    /** It is not taken back after all: body and key may be asked for again. @returns whether it had been erased so */
    restore: (hash: RecordHash): boolean => restore.run(fromHex(hash)).changes > 0,

    /** Takes the slot if nothing newer stands there. @returns whether it did */
    stand: (target: Uint8Array, user: UserName, slot: Slot, at: Position, on: boolean): boolean => {
      if (!supersedes(at, standingOf(target, user, slot))) return false
      const name = slotOf(target, slot)
      const sealed =
        typeof slot === 'string' ? null : sealer.seal(`changes.emoji.${at.hash}`, new TextEncoder().encode(slot.emoji))
      stand.run(target, user, name, at.ms, at.count, at.hash, sealed, on ? 1 : 0)
      return true
    },
    /** Whether anything stands of a message at all: of most there is nothing. */
    isChanged: (target: Uint8Array): boolean => anyChange.get(target) !== undefined,
    standing: standingOf,
    reactions: (target: Uint8Array, limit: number): Standing[] =>
      reactions.all(target, limit).map((row) => {
        const since = toPosition(row)
        const emoji = new TextDecoder().decode(sealer.open(`changes.emoji.${since.hash}`, blob(row.sealed_emoji)))
        return { user: text(row.user) as UserName, emoji, since }
      }),
    /** Forgets what stands of a message, to be judged anew. */
    clear: (target: Uint8Array): void => {
      clear.run(target)
    },
  }
}

/** Where a record stands in the order of time. */
export const positionOf = (row: Record<string, unknown>): Position => ({
  ms: integer(row.ms),
  count: integer(row.count),
  hash: toRecordHash(blob(row.hash)),
})

const END: Position = { ms: Number.MAX_SAFE_INTEGER, count: 0, hash: '' as RecordHash }
