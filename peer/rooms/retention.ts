import type { Clock } from '../../shared/clock.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { ERASE_AT_ONCE, RETENTION_CHECK_MS } from '../../shared/limits.ts'
import type { Database } from '../store/database.ts'
import type { RetentionStore } from '../store/retention.ts'
import type { TimelineStore } from '../store/timeline.ts'
import type { Position } from './timeline.ts'

/** How long a room keeps what is said in it; 0 is for ever. */
export type Retention = { readonly keepMs: number; readonly keepMessages: number }

/** The earliest time of a message that a room still shows, milliseconds since the epoch. */
export const keptSince = ({ keepMs }: Retention, now: number): number => (keepMs === 0 ? 0 : now - keepMs)

/** Erases what is past its room's retention: from our store, that is; every member does it for itself. */
export type Sweeper = {
  /** A message has come, or gone; or the room's settings have changed. @param ms its time, or 0 for any */
  touch(room: RoomId, ms: number): void
  /** Keys or bodies were erased from the store: their bytes are to leave the file too. */
  erased(): void
  /** When to look next, milliseconds since the epoch; null: nothing is kept for a time only. */
  due(): number | null
  /** Erases all that is due now, in turns. @throws LanyardError `storage-failed` */
  sweep(): Promise<void>
  /** Ends it; resolves when nothing is being erased. */
  stop(): Promise<void>
}

export type SweeperParts = {
  readonly store: RetentionStore
  readonly timeline: Pick<TimelineStore, 'targetOf'>
  readonly database: Database
  readonly clock: Clock
  /** The rooms that keep things for a time only. */
  readonly rooms: () => Iterable<readonly [RoomId, Retention]>
  /** Messages are not shown any more. */
  readonly onExpired: (room: RoomId, ids: readonly RecordHash[]) => void
}

export const createSweeper = (parts: SweeperParts): Sweeper => {
  const { store, database, clock } = parts
  /** Up to where all is erased, so that each look does not go over it again; a room that is not here is looked at whole. */
  const sweptTo = new Map<RoomId, number>()
  /** Rooms in which there may be more messages than they keep. */
  const grown = new Set<RoomId>()
  let toCheckpoint = false
  let running: Promise<void> | null = null
  let looked = 0
  let stopped = false

  /** Where the messages begin that a room keeps; null: it keeps all. */
  const keptFrom = (room: RoomId, retention: Retention): Position | null => {
    const ms = keptSince(retention, clock.now())
    const byTime = ms > 0 ? { ms, count: 0, hash: '' as RecordHash } : null
    const byCount =
      retention.keepMessages > 0 && (grown.has(room) || !sweptTo.has(room))
        ? store.keepsFrom(room, retention.keepMessages)
        : null
    if (byTime === null || byCount === null) return byTime ?? byCount
    return byTime.ms > byCount.ms ? byTime : byCount
  }

  const sweepRoom = async (room: RoomId, retention: Retention): Promise<void> => {
    const until = keptFrom(room, retention)
    grown.delete(room)
    while (until !== null && !stopped) {
      const found = store.before(room, sweptTo.get(room) ?? 0, until, ERASE_AT_ONCE)
      const unsigned = found.findIndex(({ signed }) => !signed)
      const due = unsigned === -1 ? found : found.slice(0, unsigned)
      database.transaction(() => {
        for (const one of due) store.erase(one, parts.timeline.targetOf(room, one.hash))
      })
      const last = due.at(-1)
      if (last !== undefined) {
        sweptTo.set(room, last.ms)
        toCheckpoint = true
        parts.onExpired(
          room,
          due.map(({ hash }) => hash),
        )
      }
      if (unsigned !== -1) {
        grown.add(room) // the next look, a second from now, begins with it
        return
      }
      if (due.length < ERASE_AT_ONCE) {
        sweptTo.set(room, until.ms)
        return
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const sweepAll = async (): Promise<void> => {
    looked = clock.now()
    for (const [room, retention] of parts.rooms()) await sweepRoom(room, retention)
    if (!toCheckpoint) return
    toCheckpoint = false
    database.checkpoint()
  }
  const sweep = (): Promise<void> => {
    running ??= sweepAll().finally(() => {
      running = null
    })
    return running
  }

  return {
    touch: (room, ms) => {
      grown.add(room)
      if (ms < (sweptTo.get(room) ?? 0)) sweptTo.set(room, ms)
    },
    erased: () => {
      toCheckpoint = true
    },
    due: () => {
      const [first] = parts.rooms()
      return first === undefined && !toCheckpoint ? null : looked + RETENTION_CHECK_MS
    },
    sweep,
    stop: async () => {
      stopped = true
      await running?.catch(() => undefined)
    },
  }
}
