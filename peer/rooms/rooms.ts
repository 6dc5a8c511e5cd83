import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import {
  directRoomIdOf,
  foundedRoomIdOf,
  type NetworkId,
  type PeerId,
  type RecordHash,
  type RoomId,
  roomIdOf,
  toRecordHash,
  type UserName,
} from '../../shared/ids.ts'
import { isMembershipKind, roomBodyCodec } from '../../shared/wire/membership.ts'
import { headerCodec, recordCodec } from '../../shared/wire/record.ts'
import type { Audience } from '../group/group.ts'
import type { Judge } from '../log/judge.ts'
import type { Log } from '../log/log.ts'
import type { ParsedRecord } from '../log/record.ts'
import type { LogId } from '../store/log-id.ts'
import type { LogMark } from '../store/receipts.ts'
import type { RecordStore } from '../store/records.ts'
import type { RoomStore } from '../store/rooms.ts'
import { createAudiences } from './audiences.ts'
import { createBounds } from './bounds.ts'
import type { Directory } from './directory.ts'
import { directRoom, factsOf } from './fixed-rooms.ts'
import { foundedRoom } from './founded.ts'
import { createHiding } from './hiding.ts'
import { fixedRoom, type Room } from './room.ts'

/** All rooms that this device knows of, and who may do what in each. */
export type Rooms = Judge & {
  readonly general: RoomId
  get(room: RoomId): Room | null
  all(): readonly Room[]
  /** Those that this device keeps in step with others: the directory first, since it has the certificates for the rest. */
  carried(): readonly RoomId[]
  /** Those carried ones that a user is in too, or may come into by itself. */
  sharedWith(user: UserName): readonly SharedWith[]
  /** The room of ourselves and another user, or of ourselves alone. */
  direct(other: UserName): RoomId
  /** For whom a message is sealed now. */
  audience(room: RoomId): Audience
  /** Whether we may write in a room now. */
  mayWrite(room: RoomId): Refusal | null
  /** Whether a user may be served the records of a room. */
  mayRead(room: RoomId, user: UserName): Refusal | null
  /** Whether a user may be given the key of a message, by us. */
  mayHaveKey(log: LogId, seq: number, user: UserName): boolean
  /** The newest membership records that this log of ours does not cite yet. */
  cite(log: LogId, seq: number): readonly RecordHash[]
  /** A record of ours has its place, and is not stored yet: the next one of its log need not cite what it cites. */
  place(log: LogId, record: OwnRecord): void
  /** Records of ours are being stored, within their transaction. */
  learnOwn(log: LogId, record: OwnRecord): void
  /** What was placed will not be stored: it has no place any more. */
  unplace(): void
  isHidden(log: LogId, seq: number): boolean
  /** A newer revocation list is in force, or a receipt came that proves a revoked device's records to be older. */
  revocationsChanged(): void
}

/** A room of ours, and whether another user is in it too. */
export type SharedWith = { readonly room: RoomId; readonly isMember: boolean }

/** As much of a record of our own as a room asks for. */
export type OwnRecord = Pick<ParsedRecord, 'hash' | 'header' | 'room'> & {
  readonly wire: { readonly body: Uint8Array | null }
}

export type RoomsParts = {
  readonly network: NetworkId
  readonly self: UserName
  readonly store: RoomStore
  readonly records: RecordStore
  readonly log: Log
  readonly directory: Directory
  /** When a device was revoked, milliseconds since the epoch; null when it was not. */
  readonly revokedSince: (device: PeerId) => number | null
  /** The last number of a revoked device's log that others' receipts prove to be older than its revocation; −1 for none. */
  readonly coveredUntil: (log: LogId, revokedAt: number, hasSay: (receipt: LogMark) => boolean) => number
  /** Members, admins or settings of a room, or what counts in it, has changed. */
  readonly onChange: (room: RoomId) => void
}

export const createRooms = (parts: RoomsParts): Rooms => {
  const { network, self, store, records, directory } = parts
  const general = roomIdOf(network, 'general')
  let rooms = new Map<RoomId, Room>()
  /** Versions of the rooms that learnt something, from before the transaction that is open. */
  const touched = new Map<RoomId, number>()
  const changed = new Set<RoomId>()
  const audiences = createAudiences(directory, (id) => rooms.get(id))
  const directRooms = new Map<RoomId, UserName>()
  let directUsers: ReadonlySet<UserName> | null = null
  const bounds = createBounds({ self, log: parts.log, directory, rooms: () => rooms })

  /** Records of ours that are not stored yet, in their order. */
  const placed = new Map<RecordHash, { readonly log: LogId; readonly record: OwnRecord }>()

  /** Whether a receipt is a testimony: its author had a say in the room. */
  const hasSay = ({ log, seq }: LogMark): boolean => {
    const user = directory.userOf(log.device)
    return user !== null && (rooms.get(log.room)?.couldVouch(user, log, seq) ?? false)
  }
  const coveredUntil = (log: LogId, revokedAt: number): number => parts.coveredUntil(log, revokedAt, hasSay)
  const vouched = (log: LogId, seq: number): boolean => {
    const since = parts.revokedSince(log.device)
    return since === null || seq <= coveredUntil(log, since)
  }
  const hiding = createHiding({ ...parts, coveredUntil })
  const founded = (id: RoomId): Room => foundedRoom({ id, network, vouched, forkOf: parts.log.fork })
  const place = (log: LogId, { hash, header, wire }: OwnRecord): void =>
    rooms.get(log.room)?.place({ hash, header, body: wire.body, log, user: self })

  const learnAgain = (id: RoomId): Room => {
    const room = founded(id)
    for (const { log, hash, cited } of store.citations(id)) {
      const stored = records.get(hash)
      if (stored === null) room.learnVoid(log, hash, cited)
      const header = stored === null ? null : headerCodec.decode(stored.header)
      const user = directory.userOf(log.device)
      if (stored === null || header === null || isRefusal(header) || user === null) continue
      room.learn({ hash, header, body: stored.body, log, user })
    }
    return room
  }
  const load = (): void => {
    rooms = new Map([
      [directory.room, fixedRoom(directory.room, 'directory', () => true, factsOf('~directory'))],
      [general, fixedRoom(general, 'general', () => true, factsOf('general'))],
    ])
    for (const known of store.all()) {
      rooms.set(
        known.room,
        known.kind === 'direct' ? directRoom(known.room, self, known.other) : learnAgain(known.room),
      )
    }
    for (const room of rooms.values()) {
      hiding.load(room)
      if (room.kind === 'founded') bounds.founded(room.facts().creator, room.id)
    }
    for (const { log, record } of placed.values()) place(log, record)
  }
  /** From a fork on a log counts for nobody: what others know by it is another matter than it was. */
  const forked = (id: RoomId): void => {
    const room = rooms.get(id)
    if (room === undefined) return
    touched.set(id, ANOTHER)
    if (room.kind !== 'founded') return
    rooms.set(id, learnAgain(id))
    audiences.drop(id)
    for (const { log, record } of placed.values()) if (log.room === id) place(log, record)
  }

  const direct = (other: UserName): RoomId => {
    const id = directRoomIdOf(network, self, other)
    if (!rooms.has(id)) {
      store.add({ room: id, kind: 'direct', other })
      rooms.set(id, directRoom(id, self, other))
    }
    return id
  }
  /** Whose direct room with us this is; null when it is none. */
  const directWith = (id: RoomId): UserName | null => {
    const users = directory.users()
    if (directUsers !== users) {
      for (const user of users) directRooms.set(directRoomIdOf(network, self, user), user)
      directUsers = users
    }
    return directRooms.get(id) ?? null
  }
  const founds = ({ header, wire, room }: ParsedRecord): boolean =>
    header.kind === 'room' &&
    header.seq === 0 &&
    wire.body !== null &&
    foundedRoomIdOf(network, wire.body) === room &&
    !isRefusal(roomBodyCodec.decode(wire.body))

  const learn = (log: LogId, { hash, header, wire }: OwnRecord, user: UserName): void => {
    const known = rooms.get(log.room)
    const room = known ?? founded(log.room)
    if (known === undefined) {
      rooms.set(log.room, room)
      bounds.founded(user, log.room)
      store.add({ room: log.room, kind: 'founded' })
    }
    if (!touched.has(room.id)) touched.set(room.id, known === undefined ? ANOTHER : room.version())
    room.learn({ hash, header, body: wire.body, log, user })
    // A receipt that came before this record may prove it, and all before it, to be older than the revocation.
    if (parts.revokedSince(log.device) !== null) room.refresh()
    if (header.after.length > 0 || isMembershipKind(header.kind)) {
      store.cite({ log, seq: header.seq, hash, cited: header.after.map(toRecordHash) })
    }
    hiding.touch(log)
  }

  const forget = (): void => {
    touched.clear()
    changed.clear()
    load()
  }

  load()
  return {
    general,
    get: (id) => rooms.get(id) ?? null,
    all: () => [...rooms.values()],
    carried: () => [...rooms.values()].filter((room) => room.isMember(self)).map(({ id }) => id),
    sharedWith: (user) =>
      [...rooms.values()]
        .filter((room) => room.isMember(self) && (room.isMember(user) || room.facts().access === 'open'))
        .map((room) => ({ room: room.id, isMember: room.isMember(user) })),
    direct,
    audience: audiences.of,
    mayWrite: (id) => rooms.get(id)?.mayWrite(self) ?? unknown(rooms, id),
    // Whoever has no business in a room is not told whether there is one.
    mayRead: (id, user) => (rooms.has(id) ? (rooms.get(id)?.mayRead(user) ?? null) : refuse('not-a-member', id)),
    // Who is out hears no more who is in: only a member gives keys.
    mayHaveKey: (log, seq, user) => {
      const room = rooms.get(log.room)
      return room?.isMember(self) === true && room.mayHaveKey(user, log, seq)
    },
    cite: (log, seq) => rooms.get(log.room)?.cite(log, seq) ?? [],
    place: (log, record) => {
      placed.set(record.hash, { log, record })
      place(log, record)
    },
    unplace: () => {
      placed.clear()
      forget()
    },
    isHidden: hiding.isHidden,

    admits: (record) => {
      const known = rooms.get(record.room)
      if (known !== undefined) return bounds.fits(record, known)
      if (founds(record)) return bounds.mayFound(record)
      const other = directWith(record.room)
      if (other === null) return refuse('room-unknown', record.room)
      direct(other)
      return null
    },
    judge: (record, { user }, log) => {
      const { hash, header, wire } = record
      const room = rooms.get(record.room) ?? founded(record.room)
      return room.judge({ hash, header, body: wire.body, log, user })
    },
    learn: (log, record, { user }) => learn(log, record, user),
    learnOwn: (log, record) => {
      placed.delete(record.hash)
      learn(log, record, self)
    },
    forked,
    learnVoid: (log, { hash, header, wire }) => {
      const room = rooms.get(log.room)
      const after = header.after.map(toRecordHash)
      const lacking = room?.lacks(after) ?? null
      if (room === undefined || lacking !== null || room.lacks([hash]) === null) return lacking
      if (!store.keepVoid(log.room, hash, recordCodec.encode(wire))) return null
      store.cite({ log, seq: header.seq, hash, cited: after })
      room.learnVoid(log, hash, after)
      return null
    },
    conclude: () => {
      for (const [id, version] of touched) {
        const room = rooms.get(id)
        if (room === undefined) continue
        const moved = room.version() !== version
        if (hiding.conclude(room, moved) || moved) changed.add(id)
      }
      touched.clear()
    },
    settle: () => {
      const told = [...changed]
      changed.clear()
      for (const id of told) parts.onChange(id)
    },
    forget,
    revocationsChanged: () => {
      for (const room of rooms.values()) {
        room.refresh()
        hiding.conclude(room, true)
      }
      for (const id of rooms.keys()) parts.onChange(id)
    },
  }
}

/** No version of any room. */
const ANOTHER = -1

const unknown = (rooms: ReadonlyMap<RoomId, Room>, id: RoomId): Refusal | null =>
  rooms.has(id) ? null : refuse('room-unknown', id)
