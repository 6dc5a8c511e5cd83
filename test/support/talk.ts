import { createHash } from 'node:crypto'
import type { PeerEvent } from '../../peer/events.ts'
import { createGroup } from '../../peer/group/group.ts'
import { messageCommitmentOf, sealMessage } from '../../peer/group/sender-key.ts'
import { createLog } from '../../peer/log/log.ts'
import type { OpenedMessage } from '../../peer/log/opened-message.ts'
import { bodyOf, type ParsedRecord } from '../../peer/log/record.ts'
import { type Conversation, createConversation } from '../../peer/rooms/conversation.ts'
import { createDirectory } from '../../peer/rooms/directory.ts'
import type { Retention } from '../../peer/rooms/retention.ts'
import { openDatabase } from '../../peer/store/database.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import { openStores, type Stores } from '../../peer/store/stores.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { fromHex, type RecordHash, type RoomId, recordHashOf, sha256, toIncarnation } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { type MessageContent, messageContentCodec } from '../../shared/wire/bodies.ts'
import { type ReceiptBody, receiptBodyCodec } from '../../shared/wire/receipt.ts'
import { headerCodec, type RecordHeader } from '../../shared/wire/record.ts'
import { newKey, testNetwork } from './certificates.ts'

/** A message, with what opens it. Its signature is none: it goes straight into a store. */
export type Said = {
  readonly record: ParsedRecord
  readonly log: LogId
  readonly author: VerifiedDevice
  readonly plaintext: Uint8Array
  readonly key: Uint8Array
}

/** One device's pen: it numbers its records in each room. */
export type Speaker = {
  readonly device: VerifiedDevice
  say(room: RoomId, content: MessageContent, time: readonly [number, number]): Said
  receipt(room: RoomId, body: ReceiptBody, time: readonly [number, number]): Said
  logIn(room: RoomId): LogId
}

const { network, anchor, issue } = testNetwork()
/** When everybody's certificates begin to count, milliseconds since the epoch: what is said later is news. */
export const START = Date.now()

/** Devices of these users, one for each time that a name is there. */
export const speakers = (...names: readonly string[]): Speaker[] =>
  names.map((name) => {
    const key = newKey()
    const device = orThrow(verifyDevice(issue({ user: name, key }), { anchor, now: START }))
    const inc = systemRandom.bytes(8)
    const next = new Map<RoomId, number>()
    const logIn = (room: RoomId): LogId => ({ room, device: device.peerId, incarnation: toIncarnation(inc) })
    const write = (
      room: RoomId,
      kind: 'message' | 'receipt',
      body: Uint8Array,
      time: readonly [number, number],
      messageKey: RecordHeader['key'],
    ): ParsedRecord => {
      const seq = next.get(room) ?? 0
      next.set(room, seq + 1)
      const header: RecordHeader = {
        v: 1,
        room: fromHex(room),
        author: fromHex(device.hash),
        inc,
        seq,
        prev: new Uint8Array(32),
        after: [],
        time,
        kind,
        body: sha256(body),
        ...(messageKey === undefined ? {} : { key: messageKey }),
      }
      const bytes = headerCodec.encode(header)
      const wire = { header: bytes, body, signature: new Uint8Array(256), proof: { index: 0, size: 1, path: [] } }
      return { hash: recordHashOf(bytes), room, author: device.hash, incarnation: toIncarnation(inc), header, wire }
    }
    return {
      device,
      logIn,
      say: (room, content, time) => {
        const plaintext = messageContentCodec.encode(content)
        const key = systemRandom.bytes(32)
        const sealed = sealMessage(key, plaintext, fromHex(room))
        const record = write(room, 'message', sealed, time, {
          epoch: 0,
          index: 0,
          commitment: messageCommitmentOf(key),
        })
        return { record, log: logIn(room), author: device, plaintext, key }
      },
      receipt: (room, body, time) => {
        const record = write(room, 'receipt', receiptBodyCodec.encode(body), time, undefined)
        return { record, log: logIn(room), author: device, plaintext: new Uint8Array(), key: new Uint8Array() }
      },
    }
  })

/** One device's store and what its user sees; records are put in as if they had been verified. */
export type Listener = {
  readonly stores: Stores
  readonly conversation: Conversation
  readonly events: PeerEvent[]
  /** Receipts that it would have written. */
  readonly written: { readonly room: RoomId; readonly body: ReceiptBody }[]
  clock: { now: () => number }
  /** What rooms keep; for ever, unless it is set. */
  readonly retention: Map<RoomId, Retention>
  /** How many devices are in each room. */
  company: number
  /** Takes a record in. @param how closed: its key is not here yet; hidden: it counts for nobody */
  hear(said: Said, how?: { readonly closed?: boolean; readonly hidden?: boolean }): void
  /** Its key has come. */
  unlock(said: Said): void
  hide(log: LogId, from: number, to: number, hidden: boolean): void
  /** What a person sees of a room. */
  see(room: RoomId): ReturnType<Conversation['inbox']['history']>
}

export const listener = (
  self: Speaker,
  everybody: readonly Speaker[],
  options: { readonly path?: string; readonly rooms?: readonly RoomId[] } = {},
): Listener => {
  const storeKey = new Uint8Array(createHash('sha256').update(self.device.peerId).digest())
  const stores = openStores(
    openDatabase(options.path ?? ':memory:'),
    { storeKey, device: self.device.peerId },
    systemRandom,
  )
  const { database, records, certificates, keys } = stores
  const { peerId, user } = self.device
  const clock = { now: () => START }
  const state = { clock, company: everybody.length }
  const log = createLog(records, stores.serving.forks)
  const directory = createDirectory({
    network,
    anchor: () => anchor,
    certificates,
    clock,
    self: peerId,
    revoked: () => false,
  })
  for (const { device } of everybody) directory.add(device)
  const group = createGroup({
    network,
    self: peerId,
    incarnation: stores.incarnation,
    keys,
    clock,
    random: systemRandom,
  })
  const events: PeerEvent[] = []
  const written: Listener['written'] = []
  const retention = new Map<RoomId, Retention>()
  const rooms = new Set(options.rooms)
  let receipts = 0
  const conversation = createConversation({
    stores,
    directory,
    group,
    log,
    clock: { now: () => state.clock.now() },
    random: systemRandom,
    self: { peerId, user },
    author: {
      append: async ({ room, body, together }) => {
        written.push({ room, body: orThrow(receiptBodyCodec.decode(body)) })
        const time: [number, number] = [state.clock.now(), receipts++]
        const { record } = self.receipt(room, { held: [], read: [] }, time)
        database.transaction(() => together?.(record, 0))
        return record.hash
      },
    },
    rooms: {
      carried: () => [...rooms],
      known: () => [...rooms],
      audience: () => ({
        list: Array.from({ length: state.company - 1 }, (_, at) => ({
          peer: everybody[at]?.device.peerId ?? peerId,
          user: everybody.filter((one) => one !== self)[at]?.device.user ?? anybody,
          prekey: { id: new Uint8Array(8), suite: 1, publicKey: new Uint8Array(32) },
        })),
        pastIsOpen: true,
      }),
      mayWrite: () => null,
      mayHaveKey: () => true,
      look: (room) => ({ name: 'room', keepMs: 0, keepMessages: 0, ...retention.get(room) }),
    },
    emit: (event) => events.push(event),
    onDue: () => undefined,
    isWitness: () => true,
    revokedSince: () => null,
    onWitnessed: () => undefined,
  })
  const openedOf = ({ record, log, plaintext }: Said, arrival: number, hidden: boolean): OpenedMessage => {
    const { hash, author, header } = record
    const [ms, count] = header.time
    return { hash, arrival, author, log, seq: header.seq, ms, count, hidden, plaintext }
  }
  return {
    stores,
    conversation,
    events,
    written,
    retention,
    get clock() {
      return state.clock
    },
    set clock(other) {
      state.clock = other
    },
    get company() {
      return state.company
    },
    set company(devices) {
      state.company = devices
    },
    hear: (said, { closed = false, hidden = false } = {}) => {
      const { record, author } = said
      rooms.add(said.log.room)
      const { seq } = record.header
      const isMessage = record.header.kind === 'message'
      const opened = database.transaction(() => {
        const arrival = records.append(said.log, record, closed || !isMessage ? null : said.key)
        if (hidden) records.hide(said.log, seq, seq, true)
        log.advance(said.log, { seq, hash: record.hash })
        conversation.notes.witnessed(said.log, record)
        if (!hidden) conversation.notes.stored(said.log, record, author)
        const opened = openedOf(said, arrival, hidden)
        if (isMessage && !closed) conversation.notes.opened(opened)
        return opened
      })
      if (isMessage && !closed && !hidden) conversation.told(opened)
    },
    unlock: (said) => {
      const stored = records.get(said.record.hash)
      if (stored === null || stored.key !== null) throw new Error('it was not closed')
      const opened = openedOf(said, stored.arrival, stored.hidden)
      database.transaction(() => {
        if (stored.body === null) records.setBody(said.record.hash, bodyOf(said.record)) // it comes with the key
        records.setKey(said.record.hash, said.key)
        conversation.notes.opened(opened)
      })
      if (!stored.hidden) conversation.told(opened)
    },
    hide: (id, from, to, hidden) =>
      database.transaction(() => {
        if (records.hide(id, from, to, hidden)) conversation.rejudged(id, from, to)
      }),
    see: (room) => conversation.inbox.history(room, 1_000),
  }
}

const anybody = 'somebody' as VerifiedDevice['user']

export const text = (words: string, reply?: RecordHash): MessageContent => ({
  kind: 'text',
  text: words,
  ...(reply === undefined ? {} : { reply: fromHex(reply) }),
})
export const edit = (of: Said, words: string): MessageContent => ({
  kind: 'edit',
  of: fromHex(of.record.hash),
  text: words,
})
export const takeBack = (of: Said): MessageContent => ({ kind: 'delete', of: fromHex(of.record.hash) })
export const react = (of: Said, emoji: string, on = true): MessageContent => ({
  kind: 'reaction',
  of: fromHex(of.record.hash),
  emoji,
  on,
})
