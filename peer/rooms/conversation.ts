import type { Clock } from '../../shared/clock.ts'
import type { Refusal } from '../../shared/errors.ts'
import type { CertificateHash, PeerId, RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { toRecordHash } from '../../shared/ids.ts'
import { CERTIFICATE_BACKDATE_MS, CLOCK_SKEW_MS, MINUTE_MS, RECEIPT_GRACE_MS } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { PeerEvent } from '../events.ts'
import type { Audience, Group } from '../group/group.ts'
import type { Author } from '../log/author.ts'
import type { Log } from '../log/log.ts'
import type { Notes } from '../log/notes.ts'
import type { OpenedMessage } from '../log/opened-message.ts'
import type { LogId } from '../store/log-id.ts'
import type { LogMark } from '../store/receipts.ts'
import type { Stores } from '../store/stores.ts'
import { coveredUntil } from './coverage.ts'
import { createDelivery, type Delivery } from './delivery.ts'
import { createDesk, type Desk } from './desk.ts'
import type { Directory } from './directory.ts'
import { createInbox, type Inbox } from './inbox.ts'
import { createReader } from './reader.ts'
import type { Company } from './receipts.ts'
import { createReceipts } from './receipts-handler.ts'
import { createSweeper, keptSince, type Retention } from './retention.ts'
import { createSearch, type Search } from './search.ts'
import { fold } from './search-query.ts'
import { isEntry } from './timeline.ts'
import { createTimeline } from './timeline-handler.ts'
import { createUnread, type Unread } from './unread.ts'

/** What a person has of the rooms: what is said, changed, read, held, kept, found. It has no timer of its own. */
export type Conversation = {
  readonly inbox: Inbox
  readonly unread: Unread
  readonly desk: Desk
  readonly search: Search
  readonly delivery: Delivery
  /** Within the transactions that store records. */
  readonly notes: Notes
  /** A message can be read, and is stored so: ours or another's. */
  told(message: OpenedMessage): void
  /** Records of a log were hidden, or count again; within a transaction. */
  rejudged(log: LogId, from: number, to: number): void
  /**
   * The last number of a revoked device's log that counts: others' receipts prove it to be older than the revocation, or
   * were written when they learnt of that, within RECEIPT_GRACE_MS; and it is no later itself. −1 for none.
   */
  coveredUntil(log: LogId, revokedAt: number, hasSay: (receipt: LogMark) => boolean): number
  /** Somebody was revoked: vouches, now, for all that is held. @throws LanyardError `storage-failed` */
  testify(): Promise<void>
  /** Members or settings of a room, or what counts in it, has changed. */
  roomChanged(room: RoomId): void
  /** Whether a user's messages are shown, and told of. */
  setBlocked(user: UserName, blocked: boolean): void
  /** Takes up what was left undone when the program ended. */
  resume(): void
  /** When something is due, milliseconds since the epoch: receipts, counts, what is past its time; null for nothing. */
  due(): number | null
  /** Does what is due. @throws LanyardError `storage-failed` */
  beat(): Promise<void>
  stop(): Promise<void>
}

export type ConversationParts = {
  readonly stores: Stores
  readonly directory: Directory
  readonly group: Pick<Group, 'openWith'>
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly self: { readonly peerId: PeerId; readonly user: UserName }
  readonly author: Pick<Author, 'append'>
  readonly rooms: RoomsSeen
  readonly emit: (event: PeerEvent) => void
  /** Something may be due sooner than it was. */
  readonly onDue: () => void
  /** Whether the word of a device counts: it is not revoked, and honest as far as is known. */
  readonly isWitness: (log: LogId) => boolean
  /** When a device was revoked, milliseconds since the epoch; null when it was not. */
  readonly revokedSince: (device: PeerId) => number | null
  /** A receipt may prove records of a revoked device to be older than its revocation; within a transaction. */
  readonly onWitnessed: () => void
}

/** As much of the rooms as is asked for here. */
export type RoomsSeen = {
  /** All that we are a member of. */
  carried(): readonly RoomId[]
  /** Those that we have left, too: what was said there is still ours to read, and to erase in its time. */
  known(): readonly RoomId[]
  audience(room: RoomId): Audience
  mayWrite(room: RoomId): Refusal | null
  /** Whether the history policy grants us a message. */
  mayHaveKey(log: LogId, seq: number): boolean
  /** What is kept of a room, and what it is called. */
  look(room: RoomId): (Retention & { readonly name: string }) | null
}

export const createConversation = (parts: ConversationParts): Conversation => {
  const { stores, directory, clock, self, rooms, emit } = parts
  const { database, records, certificates } = stores
  const userOf = (author: CertificateHash): UserName | null => directory.resolve(author)?.user ?? null
  const isUser = (name: string): boolean => certificates.userSince(name) !== null
  const userSince = forAWhile(clock, () => certificates.userSince(self.user))
  const keptFrom = (room: RoomId): number => keptSince(rooms.look(room) ?? FOR_EVER, clock.now())

  const reader = createReader(parts.group)
  const desk = createDesk(stores.desk, database)
  const delivery = createDelivery({
    store: stores.receipts,
    isOurs: (device) => directory.userOf(device) === self.user,
  })
  const inbox = createInbox({
    records,
    timeline: stores.timeline,
    reader,
    self: self.user,
    userOf,
    isUser,
    isBlocked: desk.isBlocked,
    mayHaveKey: rooms.mayHaveKey,
    delivery: delivery.of,
    keptSince: keptFrom,
  })
  const unread = createUnread({
    store: stores.unread,
    database,
    self: self.user,
    isUser,
    isBlocked: desk.isBlocked,
    // What was said before there was our user is history.
    newsSince: () => (userSince() ?? 0) + CERTIFICATE_BACKDATE_MS,
    keptSince: keptFrom,
    clock,
    onChange: (room, count) => emit({ kind: 'unread', room, unread: count }),
    onMarked: (marks) => {
      receipts.marked(marks)
      parts.onDue()
    },
  })
  const timeline = createTimeline({ store: stores.timeline, records, reader, userOf, unread: unread.judge })
  const receipts = createReceipts({
    store: stores.receipts,
    log: parts.log,
    author: parts.author,
    delivery,
    clock,
    random: parts.random,
    self,
    company: (room) => companyOf(rooms.audience(room), self.user),
    mayWrite: rooms.mayWrite,
    marks: stores.unread.marks,
    onReadElsewhere: unread.readElsewhere,
    onHeld: (room, device) => emit({ kind: 'delivered', room, device }),
    onRead: (room, user) => emit({ kind: 'read', room, user }),
    onCovered: (log, ms) => {
      const since = parts.revokedSince(log.device)
      if (since !== null && ms <= since + RECEIPT_GRACE_MS) parts.onWitnessed()
    },
  })
  const sweeper = createSweeper({
    store: stores.retention,
    timeline: stores.timeline,
    database,
    clock,
    rooms: function* () {
      for (const room of rooms.known()) {
        const look = rooms.look(room)
        if (look !== null && look.keepMs + look.keepMessages > 0) yield [room, look] as const
      }
    },
    onExpired: (room, ids) => {
      for (const id of ids) search.changed(id)
      unread.touch(room)
      emit({ kind: 'expired', room, ids })
    },
  })
  const search = createSearch({
    rooms: rooms.known,
    roomsNamed: (name) => rooms.known().filter((room) => fold(rooms.look(room)?.name ?? '') === fold(name)),
    older: inbox.older,
    get: inbox.get,
    positionOf: stores.timeline.get,
  })

  const updated = (id: RecordHash): void => {
    search.changed(id)
    const message = inbox.get(id)
    if (message !== null) emit({ kind: 'updated', message })
  }

  return {
    inbox,
    unread,
    desk,
    search,
    delivery,
    notes: {
      witnessed: receipts.witnessed,
      stored: (log, record, author) => {
        receipts.stored(log, record, author)
        if (record.header.kind === 'message') sweeper.touch(log.room, record.header.time[0])
        parts.onDue()
      },
      placement: timeline.placement,
      placed: timeline.placed,
      opened: timeline.opened,
    },
    told: (message) => {
      const { content } = timeline.read(message)
      const { room, device } = message.log
      sweeper.touch(room, message.ms) // our own, too: nobody notes them as stored
      if (content === null || message.hidden) return
      unread.touch(room)
      if (!isEntry(content)) {
        if (content.kind === 'delete') sweeper.erased()
        updated(toRecordHash(content.of))
      } else {
        search.changed(message.hash)
        const shown = device === self.peerId ? null : inbox.opened(message, content)
        if (shown !== null) emit({ kind: 'message', message: shown })
        else if (device === self.peerId) emit({ kind: 'said', room, id: message.hash })
      }
      parts.onDue()
    },
    rejudged: (log, from, to) => {
      timeline.rejudged(log, from, to)
      search.forget()
    },
    coveredUntil: (log, revokedAt, hasSay) => {
      const covers = stores.receipts.covers(log, revokedAt + RECEIPT_GRACE_MS)
      const covered = coveredUntil(
        log,
        parts.log.fork(log),
        covers,
        (seq) => records.hashAt(log, seq),
        (receipt) => parts.isWitness(receipt.log) && hasSay(receipt),
      )
      const after = records.firstAfter(log, revokedAt + CLOCK_SKEW_MS) // two clocks differ a little
      return after === null ? covered : Math.min(covered, after - 1)
    },
    testify: receipts.writeAll,
    roomChanged: (room) => {
      unread.touch(room)
      sweeper.touch(room, 0)
      parts.onDue()
    },
    setBlocked: (user, blocked) => {
      database.transaction(() => {
        desk.setBlocked(user, blocked)
        if (blocked) stores.unread.clearBy(user)
      })
      search.forget()
      for (const room of rooms.known()) unread.touch(room)
      parts.onDue()
    },
    resume: () => {
      for (const room of rooms.carried()) receipts.resume(room)
      parts.onDue()
    },
    due: () => {
      const dues = [receipts.due(), unread.due(), sweeper.due()].filter((due) => due !== null)
      return dues.length === 0 ? null : Math.min(...dues)
    },
    beat: async () => {
      const isDue = (due: number | null): boolean => due !== null && due <= clock.now()
      if (isDue(unread.due())) unread.tell()
      if (isDue(sweeper.due())) await sweeper.sweep()
      if (isDue(receipts.due())) await receipts.write()
    },
    stop: async () => {
      search.stop()
      await sweeper.stop()
    },
  }
}

const FOR_EVER: Retention = { keepMs: 0, keepMessages: 0 }

const companies = new WeakMap<Audience, Company>()
/** Counted once for each audience: it is made anew when it changes. */
const companyOf = (audience: Audience, self: UserName): Company => {
  const known = companies.get(audience)
  if (known !== undefined) return known
  const ours = 1 + audience.list.filter(({ user }) => user === self).length
  const company = { devices: audience.list.length + 1, ours }
  companies.set(audience, company)
  return company
}

/** What is asked for with each message, and hardly ever changes: looked up once a minute. */
const forAWhile = <T>(clock: Clock, look: () => T): (() => T) => {
  let known: { readonly value: T; readonly until: number } | null = null
  return () => {
    const now = clock.now()
    if (known === null || now >= known.until) known = { value: look(), until: now + MINUTE_MS }
    return known.value
  }
}
