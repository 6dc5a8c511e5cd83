import type { KeyObject } from 'node:crypto'
import type { Succession } from '../shared/certificate/lineage.ts'
import { dateText } from '../shared/certificate/link.ts'
import type { TrustAnchor, VerifiedDevice } from '../shared/certificate/verify.ts'
import type { Clock } from '../shared/clock.ts'
import { type Refusal, refusalOf, refuse } from '../shared/errors.ts'
import type { NetworkId, PeerId, RoomId } from '../shared/ids.ts'
import { LOGS_PER_DEVICE, ROOM_NAME_MAX } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'
import { type Comparisons, createComparisons } from './compare/comparisons.ts'
import type { PeerEvent } from './events.ts'
import { createGroup, type Group } from './group/group.ts'
import { type Author, createAuthor } from './log/author.ts'
import { createDoubles } from './log/doubles.ts'
import { createIngest, type Ingest } from './log/ingest.ts'
import { createLog, type Log } from './log/log.ts'
import type { ParsedRecord } from './log/record.ts'
import type { Revocations } from './network/revocations.ts'
import { type Chat, createChat } from './rooms/chat.ts'
import { type Compose, createCompose } from './rooms/compose.ts'
import { type Conversation, createConversation } from './rooms/conversation.ts'
import { createDirectory, type Directory } from './rooms/directory.ts'
import { createPolitics, type Politics } from './rooms/politics.ts'
import { createRooms, type Rooms } from './rooms/rooms.ts'
import type { LogId } from './store/log-id.ts'
import type { Stores } from './store/stores.ts'
import { createTranscripts, type Transcripts } from './transcript/export.ts'

/** All of a device that is not the network: what it knows, says, takes in and may show. A simulated device has the same. */
export type Core = {
  readonly log: Log
  readonly directory: Directory
  readonly group: Group
  readonly rooms: Rooms
  readonly author: Author
  readonly compose: Compose
  readonly politics: Politics
  readonly ingest: Ingest
  readonly conversation: Conversation
  readonly chat: Chat
  readonly transcripts: Transcripts
  readonly comparisons: Comparisons
}

export type CoreParts = {
  readonly network: NetworkId
  /** The roots that are trusted at this moment. */
  readonly anchor: () => TrustAnchor
  /** Our own certificate, as it is now. */
  readonly self: () => VerifiedDevice
  readonly key: KeyObject
  readonly stores: Stores
  /** How the anchor followed the network's first root. */
  readonly successions: () => readonly Succession[]
  readonly revocations: Pick<Revocations, 'has' | 'since' | 'disowned' | 'number' | 'der' | 'kept'>
  readonly clock: Clock
  readonly random: Random
  /** Records of ours, signed: they may leave the house. */
  readonly onSigned: (records: readonly ParsedRecord[]) => void
  /** What happens in the rooms. */
  readonly emit: (event: PeerEvent) => void
  /** Something of the conversation may be due sooner than it was. */
  readonly onDue: () => void
  /** Members, admins or settings of a room, or what counts in it, has changed. */
  readonly onRoomChange: (room: RoomId) => void
  /** A record waits for one that is not here. */
  readonly onLack: (room: RoomId, refusal: Refusal) => void
  readonly onFoul: (refusal: Refusal, author: VerifiedDevice | null) => void
}

export const createCore = (parts: CoreParts): Core => {
  const { network, anchor, self, stores, revocations, clock, random } = parts
  const { peerId, user } = self()
  const { database, records, serving, keys, certificates, incarnation } = stores

  const log = createLog(records, serving.forks, (room) => rooms.get(room)?.kind !== 'founded')
  const revoked = (serial: string): boolean => revocations.has(serial)
  const directory = createDirectory({
    ...{ network, anchor, certificates, clock, self: peerId, revoked },
    onAdded: (device) => queueMicrotask(() => deviceKnown(device.user, device.peerId)), // once the transaction is over
  })
  const { face: comparisons, deviceKnown } = createComparisons({
    network,
    self: user,
    devices: () => directory.devices().filter(({ serial }) => !revoked(serial)),
    store: stores.desk,
    database,
    clock,
    onFresh: (of, device) => parts.emit({ kind: 'device-new', user: of, device }),
  })
  directory.add(self())
  const group = createGroup({ network, self: peerId, incarnation, keys, clock, random })
  const revokedSince = (device: PeerId): number | null => {
    const newest = directory.newestOf(device)
    return newest === null ? null : revocations.since(newest)
  }
  /** Nobody would take a log of ours past those that one device may have. */
  const mayBegin = (room: RoomId): Refusal | null =>
    log.isFull(room, peerId) && log.head({ room, device: peerId, incarnation }) === null
      ? refuse('too-many-logs', `${LOGS_PER_DEVICE}`)
      : null
  /** An expired device writes nothing, by itself neither: nobody would take it. */
  const mayWrite = (room: RoomId): Refusal | null => {
    const { notAfter } = self()
    return clock.now() > notAfter
      ? refuse('certificate-expired', `expired on ${dateText(notAfter)}`)
      : (rooms.mayWrite(room) ?? mayBegin(room))
  }
  const conversation = createConversation({
    stores,
    directory,
    group,
    log,
    clock,
    random,
    self: { peerId, user },
    author: { append: (draft) => author.append(draft) },
    rooms: {
      carried: () => rooms.carried().filter((room) => room !== directory.room),
      known: () => rooms.all().flatMap(({ id }) => (id === directory.room ? [] : [id])),
      audience: (room) => rooms.audience(room),
      mayWrite,
      mayHaveKey: (id, seq) => rooms.mayHaveKey(id, seq, user),
      look: (room) => rooms.get(room)?.facts() ?? null,
    },
    emit: parts.emit,
    onDue: parts.onDue,
    isWitness: ({ room, device }) => {
      const newest = directory.newestOf(device)
      if (newest !== null && revocations.disowned(newest)) return false
      // Of who signs two records with one number each member may hold other receipts.
      return !log.heads(room).some((one) => one.fork === 1 && one.device === device)
    },
    revokedSince,
    onWitnessed: () => rooms.revocationsChanged(),
  })
  const { notes, told } = conversation
  /** What is hidden changes no other message any more, and what counts again does. */
  const hide: typeof records.hide = (log, from, to, hidden) => {
    const changed = records.hide(log, from, to, hidden)
    if (changed) conversation.rejudged(log, from, to)
    return changed
  }
  const rooms = createRooms({
    network,
    self: user,
    store: stores.rooms,
    records: { ...records, hide },
    log,
    directory,
    revokedSince,
    coveredUntil: conversation.coveredUntil,
    onChange: (room) => {
      conversation.roomChanged(room)
      parts.onRoomChange(room)
    },
  })
  const author = createAuthor({
    self,
    key: parts.key,
    incarnation,
    clock,
    database,
    records,
    log,
    lastTime: records.lastTime,
    cite: rooms.cite,
    onPlaced: rooms.place,
    onStored: rooms.learnOwn,
    onBatch: rooms.conclude,
    onDone: (failed) => (failed ? rooms.unplace() : rooms.settle()),
    onSigned: parts.onSigned,
  })
  const compose = createCompose({
    group,
    author,
    recipients: rooms.audience,
    mayWrite,
    self: peerId,
    note: notes.opened,
    onSaid: told,
  })
  const chat = createChat({ compose, timeline: stores.timeline, conversation })
  const politics = createPolitics({ network, self: user, rooms, author, log, directory, random })
  const doubles = createDoubles({
    self: peerId,
    incarnation,
    began: () => {
      const first = records.hashAt({ room: directory.room, device: peerId, incarnation }, 0)
      return first === null ? null : (records.get(first)?.ms ?? null)
    },
    onDouble: () => queueMicrotask(() => parts.emit({ kind: 'device-twice' })), // once the transaction is over
  })
  /** A device has begun as many logs in a room as one may have: what it begins from now on is not taken. */
  const full = new Set<string>()
  const begun = ({ room, device }: LogId): void => {
    if (!log.isFull(room, device) || full.has(`${room}/${device}`)) return
    full.add(`${room}/${device}`)
    parts.onFoul(refuse('too-many-logs', `${LOGS_PER_DEVICE}`), directory.newestOf(device))
  }
  const ingest = createIngest({
    database,
    records,
    log,
    directory,
    group,
    clock,
    self: peerId,
    rooms,
    notes: {
      ...notes,
      witnessed: (log, record) => {
        notes.witnessed(log, record)
        doubles.witnessed(log, record)
        if (record.header.seq === 0) begun(log)
      },
    },
    onOpened: told,
    onLack: parts.onLack,
    onFoul: parts.onFoul,
  })
  const transcripts = createTranscripts({
    self,
    key: parts.key,
    anchor,
    successions: parts.successions,
    lists: () => {
      const kept = revocations.kept().map(({ der }) => der)
      return { number: revocations.number(), ders: [revocations.der(), ...kept].filter((der) => der !== null) }
    },
    records,
    serving,
    certificates,
    sessionReceipts: stores.sessionReceipts,
    members: (room) => rooms.get(room)?.facts().members ?? null,
    author,
    clock,
  })
  /** Who leaves a room signs what of it was here, and can show that later. */
  const leave = async (room: RoomId): Promise<void> => {
    const name = rooms.get(room)?.facts().name ?? room.slice(0, 8)
    await politics.leave(room)
    // It is left, whether or not that can be signed for.
    await transcripts
      .keep({ room, name: `#${name}`.slice(0, ROOM_NAME_MAX) })
      .catch((error: unknown) => parts.onFoul(refusalOf(error), null))
  }
  const core = { log, directory, group, rooms, author, compose, ingest, conversation, chat, transcripts, comparisons }
  return { ...core, politics: { ...politics, leave } }
}
