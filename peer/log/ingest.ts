import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import type { Incarnation, PeerId, RecordHash, RoomId } from '../../shared/ids.ts'
import { FOULS_REMEMBERED, INGEST_SLICE_MS, RECORD_AHEAD_MAX_MS } from '../../shared/limits.ts'
import { isMembershipKind } from '../../shared/wire/membership.ts'
import type { Group, Opened } from '../group/group.ts'
import type { Directory } from '../rooms/directory.ts'
import type { Database } from '../store/database.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import type { Judge } from './judge.ts'
import { type Log, place } from './log.ts'
import type { Notes } from './notes.ts'
import type { OpenedMessage } from './opened-message.ts'
import { bodyOf, createRecordVerifier, encodeRecord, type ParsedRecord } from './record.ts'
import { createSenderBoxes } from './sender-boxes.ts'
import { turn } from './turns.ts'
import { createWaiting } from './waiting.ts'

/** The way in for every record of others, whether gossip or sync brought it: verify, place, store, open. */
export type Ingest = {
  /** Resolves once the record is stored, or with why it is not. `record-gap`: it waits, in memory, for those before it. */
  take(record: ParsedRecord): Promise<'stored' | Refusal>
  /**
   * … with the message key that came along, no bytes if none did: it opens what no sender key here does.
   * @param onWrongKey it is not the one that the signed header commits to: whoever sent it lied
   */
  takeWith(record: ParsedRecord, key: Uint8Array, onWrongKey: (refusal: Refusal) => void): Promise<'stored' | Refusal>
  /** Tries the boxes of a room again whose messages are closed: those that a killed process had stored and not opened. */
  reopen(room: RoomId): Promise<void>
  /** Resolves once nothing is being taken in. */
  idle(): Promise<void>
  /** Takes nothing in any more: what a stream still has buffered comes too late. Resolves once nothing is being taken in. */
  close(): Promise<void>
}

export type IngestParts = {
  readonly database: Database
  readonly records: RecordStore
  readonly log: Log
  readonly directory: Directory
  readonly group: Group
  readonly rooms: Judge
  readonly notes: Notes
  /** A message became readable, and is stored so. */
  readonly onOpened: (message: OpenedMessage) => void
  /** A record waits for earlier ones, or its author is not known yet. */
  readonly onLack: (room: RoomId, refusal: Refusal) => void
  /**
   * What should not happen among honest members: told to the user once, with the author's name where it is proved.
   * A member who serves the record again is answered, and the user left in peace.
   */
  readonly onFoul: (refusal: Refusal, author: VerifiedDevice | null) => void
  readonly clock: Clock
  readonly self: PeerId
}

type Readable = Omit<OpenedMessage, 'hidden'>
type GivenKey = { readonly key: Uint8Array; readonly onWrong: (refusal: Refusal) => void }
type Item = { readonly record: ParsedRecord; readonly outcome: PromiseWithResolvers<'stored' | Refusal> }
type Stored = { readonly record: ParsedRecord; readonly author: VerifiedDevice; readonly log: LogId }

export const createIngest = (parts: IngestParts): Ingest => {
  const { database, records, log, directory, group, rooms } = parts
  const verify = createRecordVerifier()
  const waiting = createWaiting()
  const told = new Set<string>()
  /** Keys that came with records which are not stored yet. */
  const given = new WeakMap<ParsedRecord, GivenKey>()
  let queue: Item[] = []
  let running: Promise<void> | null = null
  let closed = false

  const run = async (): Promise<void> => {
    await turn() // what one read from the network brought becomes one transaction
    while (queue.length > 0) {
      await takeSlice()
      if (queue.length > 0) await turn()
    }
    running = null
  }

  /** A slice is short, so that typing, gossip and other streams are not held up by a large catch-up. */
  const takeSlice = async (): Promise<void> => {
    const stored: Stored[] = []
    const opened: Readable[] = []
    let messages: readonly OpenedMessage[] = []
    const taken: { readonly item: Item; readonly outcome: 'stored' | Refusal }[] = []
    try {
      database.transaction(() => {
        const until = performance.now() + INGEST_SLICE_MS
        while (queue.length > taken.length && (taken.length === 0 || performance.now() < until)) {
          const item = queue[taken.length]
          if (item !== undefined) taken.push({ item, outcome: accept(item.record, stored, opened) })
        }
        rooms.conclude()
        for (const one of stored) {
          parts.notes.witnessed(one.log, one.record)
          if (!rooms.isHidden(one.log, one.record.header.seq)) parts.notes.stored(one.log, one.record, one.author)
        }
        messages = opened.map((one) => ({ ...one, hidden: rooms.isHidden(one.log, one.seq) }))
        for (const message of messages) parts.notes.placed(message)
        group.flush()
      })
    } catch (error) {
      for (const room of new Set(queue.slice(0, taken.length + 1).map(({ record }) => record.room))) log.reload(room)
      group.forget()
      rooms.forget()
      for (const item of queue) item.outcome.resolve(refusalOf(error))
      queue = []
      parts.onFoul(refusalOf(error), null)
      return
    }
    queue = queue.slice(taken.length)
    rooms.settle()
    for (const { item, outcome } of taken) item.outcome.resolve(outcome)
    for (const message of messages) if (!message.hidden) parts.onOpened(message)
    for (const one of stored) {
      if (one.record.header.kind !== 'sender-key') continue
      // What can't be stored now is asked of the key service later.
      const { record, author, log: id } = one
      const sealed = bodyOf(record)
      await boxes
        .accept({ hash: record.hash, sealed, author, log: id })
        .catch((error: unknown) => parts.onFoul(refusalOf(error), null))
    }
  }

  const foul = (refusal: Refusal, hash: RecordHash, author: VerifiedDevice | null): Refusal => {
    const name = `${hash}/${refusal.code}`
    if (told.has(name)) return refusal
    told.add(name)
    if (told.size > FOULS_REMEMBERED) told.delete(told.values().next().value ?? '')
    parts.onFoul(refusal, author)
    return refusal
  }

  const boxes = createSenderBoxes({ ...parts, note: (message) => parts.notes.opened(message), onFoul: foul })

  /** Verifies one record and stores it with all that waited for it. */
  const accept = (record: ParsedRecord, stored: Stored[], opened: Readable[]): 'stored' | Refusal => {
    const homeless = rooms.admits(record)
    if (homeless !== null) return homeless
    const author = authorOf(record)
    if (isRefusal(author)) {
      if (author.code === 'certificate-unknown') parts.onLack(record.room, author)
      else foul(author, record.hash, null)
      return author
    }
    const id: LogId = { room: record.room, device: author.peerId, incarnation: record.incarnation }
    const head = log.head(id)
    // Cheap first: a record that we have needs no signature check.
    const placed = place(record, head, (seq) => records.hashAt(id, seq))
    if (isRefusal(placed) && placed.code === 'record-replayed') return placed
    const unproved = verify(record, author)
    if (unproved !== null) return foul(unproved, record.hash, null)
    const barred = inTime(record, author)
    if (barred !== null) return foul(barred, record.hash, author)
    const { seq } = record.header
    if (seq >= (log.fork(id) ?? Number.POSITIVE_INFINITY)) return beyondFork(record, id)
    if (isRefusal(placed)) {
      if (placed.code === 'record-gap') {
        waiting.add(nameOf(id, seq), record)
        parts.onLack(record.room, placed)
        return placed
      }
      foul(placed, record.hash, author)
      if (placed.code !== 'record-equivocation') return placed
      records.keepFork(id, record, encodeRecord(record.wire))
      log.forked(id, seq)
      rooms.forked(id.room)
      return beyondFork(record, id)
    }
    const verdict = rooms.judge(record, author, id)
    if (isRefusal(verdict)) return foul(verdict, record.hash, author)
    if (verdict.kind === 'lacks') {
      waiting.add(verdict.cited, record)
      const lack = refuse('record-gap', `it cites ${verdict.cited}`)
      parts.onLack(record.room, lack)
      return lack
    }
    store(record, author, id, stored, opened)
    // They take their place in the line, so that a thousand that waited do not hold up everything else.
    release(nameOf(id, seq + 1), record.hash)
    return 'stored'
  }
  const release = (...awaited: readonly string[]): void => {
    for (const next of awaited.flatMap(waiting.take)) queue.push({ record: next, outcome: Promise.withResolvers() })
  }

  /** It counts for nobody, and is not stored as a record; who cites a membership record must be understood all the same. */
  const beyondFork = (record: ParsedRecord, id: LogId): Refusal => {
    const refusal = refuse('record-equivocation', `number ${record.header.seq}`)
    if (!isMembershipKind(record.header.kind)) return refusal
    const lacking = rooms.learnVoid(id, record)
    if (lacking === null) {
      release(record.hash)
      return refusal
    }
    waiting.add(lacking, record)
    const lack = refuse('record-gap', `it cites ${lacking}`)
    parts.onLack(record.room, lack)
    return lack
  }

  /** An expired device writes no more, whoever relays it. And hybrid clocks follow the latest record: one from the year 9999 would drag everybody's along. */
  const inTime = ({ header }: ParsedRecord, author: VerifiedDevice): Refusal | null => {
    if (header.time[0] > author.notAfter + RECORD_AHEAD_MAX_MS) return refuse('certificate-expired', author.user)
    return header.time[0] > parts.clock.now() + RECORD_AHEAD_MAX_MS
      ? refuse('record-from-future', new Date(Math.min(header.time[0], DATE_MAX_MS)).toISOString())
      : null
  }

  const authorOf = (record: ParsedRecord): VerifiedDevice | Refusal => {
    if ((record.header.kind === 'device') !== (record.room === directory.room)) return refuse('record-wrong-room')
    if (record.header.kind === 'device') return directory.authorOf(record)
    return directory.resolve(record.author) ?? refuse('certificate-unknown', record.author)
  }

  const store = (
    record: ParsedRecord,
    author: VerifiedDevice,
    id: LogId,
    stored: Stored[],
    opened: Readable[],
  ): void => {
    const { key } = record.header
    const { body } = record.wire
    const message = key === undefined || body === null ? null : open(id, key, body, given.get(record))
    const readable = message !== null && !isRefusal(message) ? message : null
    const { hash, header } = record
    const [ms, count] = header.time
    const said = readable && {
      hash,
      author: author.hash,
      log: id,
      seq: header.seq,
      ms,
      count,
      plaintext: readable.plaintext,
    }
    const placement = said && parts.notes.placement(said)
    const arrival = records.append(id, record, readable?.messageKey ?? null, placement)
    log.advance(id, { seq: header.seq, hash })
    rooms.learn(id, record, author)
    if (header.kind === 'device') directory.learn(record, author)
    stored.push({ record, author, log: id })
    if (said !== null) opened.push({ ...said, arrival })
    if (isRefusal(message) && message.code !== 'key-missing') foul(message, record.hash, author)
  }

  /** By the ratchet; where that can't, by the key that came along: the commitment in the signed header decides. */
  const open: (...of: [...Parameters<Group['open']>, GivenKey | undefined]) => Opened | Refusal = (
    id,
    key,
    body,
    gift,
  ) => {
    const opened = group.open(id, key, body)
    if (!isRefusal(opened) || opened.code !== 'key-missing' || gift === undefined) return opened
    const message = group.openWith(id, key, body, gift.key)
    if (!isRefusal(message) || message.code !== 'key-wrong') return message
    gift.onWrong(message)
    return opened
  }

  const take: Ingest['take'] = (record) => {
    if (closed) return Promise.resolve(refuse('given-up'))
    const outcome = Promise.withResolvers<'stored' | Refusal>()
    queue.push({ record, outcome })
    running ??= run()
    return outcome.promise
  }
  const idle = async (): Promise<void> => {
    while (running !== null) await running
  }
  return {
    take,
    takeWith: (record, key, onWrong) => {
      if (key.byteLength > 0) given.set(record, { key, onWrong })
      return take(record)
    },
    reopen: boxes.reopen,
    idle,
    close: () => {
      closed = true
      return idle()
    },
  }
}

const nameOf = (log: { room: RoomId; device: PeerId; incarnation: Incarnation }, seq: number): string =>
  `${log.room}/${log.device}/${log.incarnation}/${seq}`

const DATE_MAX_MS = 8.64e15 // ECMA-262 §21.4.1.1
