import { type Refusal, refuse } from '../../shared/errors.ts'
import type { RoomId, UserName } from '../../shared/ids.ts'
import { ROOMS_MAX, STRANGE_ROOMS_MAX } from '../../shared/limits.ts'
import type { Log } from '../log/log.ts'
import type { ParsedRecord } from '../log/record.ts'
import type { Directory } from './directory.ts'
import type { Room } from './room.ts'

/** What one device, or one user, may fill of what is there for all: whoever has a certificate may begin logs, and found rooms. */
export type Bounds = {
  /** Null, or why this record of a room that is known is not taken. */
  fits(record: ParsedRecord, room: Room): Refusal | null
  /** Null, or why the room that this record founds is not taken. */
  mayFound(record: ParsedRecord): Refusal | null
  /** A founded room is known. */
  founded(user: UserName | null, room: RoomId): void
}

export type BoundsParts = {
  readonly self: UserName
  readonly log: Pick<Log, 'head' | 'isFull'>
  readonly directory: Pick<Directory, 'resolve'>
  readonly rooms: () => ReadonlyMap<RoomId, Room>
}

export const createBounds = ({ self, log, directory, rooms }: BoundsParts): Bounds => {
  const foundedBy = new Map<UserName, Set<RoomId>>()
  /** Rooms of one founder that we are not in: those that we are in, we were asked into. */
  const strange = (user: UserName): number => {
    const all = foundedBy.get(user)
    if (all === undefined || all.size < STRANGE_ROOMS_MAX) return 0
    return [...all].filter((id) => rooms().get(id)?.isMember(self) === false).length
  }
  return {
    // In a founded room others may cite what a log holds: to leave it out would keep their records waiting for ever.
    fits: ({ room, author, incarnation }, { kind }) => {
      const device = kind === 'founded' ? undefined : directory.resolve(author)?.peerId
      if (device === undefined || !log.isFull(room, device)) return null
      return log.head({ room, device, incarnation }) === null ? refuse('too-many-logs', device) : null
    },
    mayFound: ({ author }) => {
      if (rooms().size >= ROOMS_MAX) return refuse('room-unknown', `${ROOMS_MAX} rooms are known already`)
      const user = directory.resolve(author)?.user
      return user === undefined || strange(user) < STRANGE_ROOMS_MAX
        ? null
        : refuse('room-unknown', `${STRANGE_ROOMS_MAX} rooms of ${user} are known already`)
    },
    founded: (user, room) => {
      if (user !== null) foundedBy.set(user, (foundedBy.get(user) ?? new Set<RoomId>()).add(room))
    },
  }
}
