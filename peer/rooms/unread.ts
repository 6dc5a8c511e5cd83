import type { Clock } from '../../shared/clock.ts'
import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { UNREAD_TOLD_MS } from '../../shared/limits.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { Database } from '../store/database.ts'
import type { LogMark } from '../store/receipts.ts'
import type { UnreadStore } from '../store/unread.ts'
import { callsFor, mentionsOf } from './mentions.ts'
import { isEntry, type Position } from './timeline.ts'
import type { Arrived } from './timeline-handler.ts'

/** What our user has yet to read in a room. */
export type UnreadCount = {
  /** At most UNREAD_COUNT_MAX: that many, or more. */
  readonly count: number
  /** How many call our user, by name or as `@all`. */
  readonly mentions: number
  /** The oldest of them. */
  readonly first: RecordHash | null
}

export type Unread = {
  /** Whether a message is unread when it arrives: 2 when it calls our user. */
  judge(message: Arrived, content: MessageContent): 0 | 1 | 2
  of(room: RoomId): UnreadCount
  /** All up to a place is read. Resolves when it is noted; thousands are taken in turns. */
  markRead(room: RoomId, upTo: Position): Promise<void>
  /** Our user has read these on another device; within a transaction. */
  readElsewhere(room: RoomId, marks: readonly LogMark[]): void
  /** Something may be unread, or not any more: the count is told soon. */
  touch(room: RoomId): void
  /** When counts are to be told, milliseconds since the epoch; null: there is nothing to tell. */
  due(): number | null
  /** Tells the counts that have changed. */
  tell(): void
}

export type UnreadParts = {
  readonly store: UnreadStore
  readonly database: Database
  readonly self: UserName
  readonly isUser: (name: string) => boolean
  readonly isBlocked: (user: UserName) => boolean
  /** From when on messages of a room are news to our user, milliseconds since the epoch: what is older is history. */
  readonly newsSince: (room: RoomId) => number
  readonly keptSince: (room: RoomId) => number
  readonly clock: Clock
  readonly onChange: (room: RoomId, unread: UnreadCount) => void
  /** Marks have moved here, by our user. */
  readonly onMarked: (marks: readonly LogMark[]) => void
}

const MARKED_AT_ONCE = 500 // messages read in one transaction: 5 ms

export const createUnread = (parts: UnreadParts): Unread => {
  const { store, database } = parts
  const untold = new Set<RoomId>()
  let due: number | null = null

  const of = (room: RoomId): UnreadCount => ({ ...store.counts(room), first: store.first(room, parts.keptSince(room)) })
  const touch = (room: RoomId): void => {
    untold.add(room)
    due ??= parts.clock.now() + UNREAD_TOLD_MS
  }
  const advance = (marks: readonly LogMark[]): LogMark[] => marks.filter((mark) => store.advance(mark))

  return {
    judge: ({ user, log, seq, ms }, content) => {
      if (!isEntry(content) || user === parts.self || parts.isBlocked(user)) return 0
      if (ms < Math.max(parts.newsSince(log.room), parts.keptSince(log.room)) || seq <= store.mark(log)) return 0
      return content.kind === 'text' && callsFor(mentionsOf(content.text, parts.isUser), parts.self) ? 2 : 1
    },
    of,
    markRead: async (room, upTo) => {
      for (;;) {
        const some = store.upTo(room, upTo, MARKED_AT_ONCE)
        const moved = database.transaction(() => advance(newestOf(some)))
        if (moved.length > 0) {
          parts.onMarked(moved)
          touch(room)
        }
        if (some.length < MARKED_AT_ONCE) return
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    readElsewhere: (room, marks) => {
      if (advance(marks).length > 0) touch(room)
    },
    touch,
    due: () => due,
    tell: () => {
      const rooms = [...untold]
      untold.clear()
      due = null
      for (const room of rooms) parts.onChange(room, of(room))
    },
  }
}

/** Of each log the highest number. */
const newestOf = (marks: readonly LogMark[]): LogMark[] => {
  const newest = new Map<string, LogMark>()
  for (const mark of marks) {
    const name = `${mark.log.device}/${mark.log.incarnation}`
    if (mark.seq > (newest.get(name)?.seq ?? -1)) newest.set(name, mark)
  }
  return [...newest.values()]
}
