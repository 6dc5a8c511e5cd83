import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { fromHex, type Incarnation, type PeerId, type RoomId, toIncarnation, type UserName } from '../../shared/ids.ts'
import { RECEIPT_HEADS_AT_ONCE, RECEIPT_WITNESSES } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import { type ReceiptBody, receiptBodyCodec } from '../../shared/wire/receipt.ts'
import type { LogPoint } from '../../shared/wire/sync.ts'
import type { Author, Unsigned } from '../log/author.ts'
import type { Log } from '../log/log.ts'
import { bodyOf, type ParsedRecord } from '../log/record.ts'
import type { LogId } from '../store/log-id.ts'
import type { LogMark, ReceiptStore } from '../store/receipts.ts'
import type { Delivery } from './delivery.ts'
import { type Company, isLarge, type Owed, receiptDue, tellsReads } from './receipts.ts'

/** Writes our receipts, and keeps what others' say. */
export type Receipts = {
  /** A record is being stored that counts, within its transaction. */
  stored(log: LogId, record: Pick<ParsedRecord, 'header' | 'wire'>, author: VerifiedDevice): void
  /**
   * A record of somebody else is being stored, whether it counts or not, within its transaction: what a receipt covers is
   * kept, since whom it makes a member may be its own author.
   */
  witnessed(log: LogId, record: Pick<ParsedRecord, 'header' | 'wire'>): void
  /** Our user has read more, here. */
  marked(marks: readonly LogMark[]): void
  /** What a room's earlier life left untold. */
  resume(room: RoomId): void
  /** When the next receipt is due, milliseconds since the epoch; null: none is owed. */
  due(): number | null
  /** Writes those that are due. @throws LanyardError `storage-failed` */
  write(): Promise<void>
  /** Writes all that are owed, now: somebody was revoked, and what we hold of theirs is vouched for by no later word. */
  writeAll(): Promise<void>
}

export type ReceiptsParts = {
  readonly store: ReceiptStore
  readonly log: Pick<Log, 'head' | 'heads'>
  readonly author: Pick<Author, 'append'>
  readonly delivery: Delivery
  readonly clock: Clock
  readonly random: Random
  readonly self: { readonly peerId: PeerId; readonly user: UserName }
  readonly company: (room: RoomId) => Company
  readonly mayWrite: (room: RoomId) => Refusal | null
  /** How far our user has read each log of a room. */
  readonly marks: (room: RoomId) => readonly LogMark[]
  /** Our user has read these on another device; within a transaction. */
  readonly onReadElsewhere: (room: RoomId, marks: readonly LogMark[]) => void
  /** More of our user's own records are held by a device, or read by a user. May be told before the transaction's end. */
  readonly onHeld: (room: RoomId, by: PeerId) => void
  readonly onRead: (room: RoomId, by: UserName) => void
  /** A receipt tells about logs; within a transaction. */
  readonly onCovered: (log: LogId, ms: number) => void
}

/** What is owed to one room. */
type Debt = {
  owed: Owed
  readonly held: Map<string, LogId>
  readonly read: Map<string, LogMark>
  /** When the last one was written. */
  last: number | null
  chance: number
}

export const createReceipts = (parts: ReceiptsParts): Receipts => {
  const { store, log, clock, self } = parts
  const debts = new Map<RoomId, Debt>()

  const debtOf = (room: RoomId): Debt => {
    const known = debts.get(room)
    if (known !== undefined) return known
    const fresh: Debt = { owed: NOTHING, held: new Map(), read: new Map(), last: null, chance: 0 }
    debts.set(room, fresh)
    return fresh
  }
  const owe = (room: RoomId, what: { readonly held?: LogId; readonly read?: LogMark }): void => {
    const debt = debtOf(room)
    if (what.held !== undefined) debt.held.set(nameOf(what.held), what.held)
    if (what.read !== undefined) debt.read.set(nameOf(what.read.log), what.read)
    const { heldSince, readSince } = debt.owed
    const isNew = (what.held !== undefined && heldSince === null) || (what.read !== undefined && readSince === null)
    if (!isNew) return
    const now = clock.now()
    if (debt.owed === NOTHING) debt.chance = (parts.random.bytes(1)[0] ?? 0) / 256
    debt.owed = {
      heldSince: what.held === undefined ? heldSince : (heldSince ?? now),
      readSince: what.read === undefined ? readSince : (readSince ?? now),
    }
  }
  const dueOf = (room: RoomId, debt: Debt): number | null =>
    receiptDue(debt.owed, parts.company(room), debt.last, debt.chance)

  const writeFor = async (room: RoomId, debt: Debt): Promise<void> => {
    const company = parts.company(room)
    const told = new Map(store.told(room).map((one) => [nameOf(one.log), one]))
    const held = [...debt.held.values()].flatMap((id) => {
      const before = told.get(nameOf(id))?.seq ?? -1
      const newest = store.newestWorth(id, before)
      const head = log.head(id)
      if (newest === null || head === null) return []
      if (isLarge(company) && store.witnesses(id, newest) >= RECEIPT_WITNESSES) return []
      return [{ id, seq: head.seq, hash: fromHex(head.hash) }]
    })
    const read = tellsReads(company)
      ? [...debt.read.values()].filter((mark) => mark.seq > (told.get(nameOf(mark.log))?.read ?? -1))
      : []
    debt.owed = NOTHING
    debt.held.clear()
    debt.read.clear()
    if ((held.length === 0 && read.length === 0) || parts.mayWrite(room) !== null) return
    debt.last = clock.now()
    for (let at = 0; at < Math.max(held.length, read.length); at += RECEIPT_HEADS_AT_ONCE) {
      const someHeld = held.slice(at, at + RECEIPT_HEADS_AT_ONCE)
      const someRead = read.slice(at, at + RECEIPT_HEADS_AT_ONCE)
      const body: ReceiptBody = {
        held: someHeld.map(({ id, seq, hash }) => ({ ...pointOf({ log: id, seq }), hash })),
        read: someRead.map(pointOf),
      }
      const together = ({ header }: Unsigned): void => {
        const own = { room, device: self.peerId, incarnation: toIncarnation(header.inc) }
        for (const { id, seq, hash } of someHeld) {
          store.tell(id, seq, -1)
          store.cover(id, { seq, by: { log: own, seq: header.seq }, hash }, header.time[0])
          parts.onCovered(id, header.time[0])
        }
        for (const { log: id, seq } of someRead) store.tell(id, -1, seq)
      }
      await parts.author.append({ room, kind: 'receipt', body: receiptBodyCodec.encode(body), together })
    }
  }

  const take = (room: RoomId, body: ReceiptBody, author: VerifiedDevice): void => {
    if (parts.delivery.heard(author.peerId, room, body.held)) parts.onHeld(room, author.peerId)
    if (author.user === self.user) {
      const marks = body.read.map((point) => markOf(room, point))
      for (const { log: id, seq } of marks) store.tell(id, -1, seq) // it is told: not by us too
      parts.onReadElsewhere(room, marks)
    } else if (parts.delivery.read(author.user, room, body.read)) parts.onRead(room, author.user)
  }

  return {
    witnessed: (by, { header, wire }) => {
      const body = header.kind === 'receipt' && wire.body !== null ? receiptBodyCodec.decode(wire.body) : null
      if (body === null || isRefusal(body)) return
      const [ms] = header.time
      for (const { hash, ...point } of body.held) {
        const { log: id, seq } = markOf(by.room, point)
        store.cover(id, { seq, by: { log: by, seq: header.seq }, hash }, ms)
        parts.onCovered(id, ms)
      }
    },
    stored: (id, record, author) => {
      const { kind } = record.header
      if (kind === 'receipt') {
        const body = receiptBodyCodec.decode(bodyOf(record))
        if (!isRefusal(body)) take(id.room, body, author)
      } else if (kind !== 'device' && kind !== 'sender-key' && author.peerId !== self.peerId) {
        owe(id.room, { held: id })
      }
    },
    marked: (marks) => {
      for (const mark of marks) owe(mark.log.room, { read: mark })
    },
    resume: (room) => {
      const told = new Map(store.told(room).map((one) => [nameOf(one.log), one]))
      for (const { device, inc, seq } of log.heads(room)) {
        const { log: id } = markOf(room, { device, inc, seq })
        const before = told.get(nameOf(id))?.seq ?? -1
        if (id.device !== self.peerId && seq > before && store.newestWorth(id, before) !== null) owe(room, { held: id })
      }
      for (const mark of parts.marks(room)) {
        if (mark.seq > (told.get(nameOf(mark.log))?.read ?? -1)) owe(room, { read: mark })
      }
    },
    due: () => {
      const dues = [...debts].flatMap(([room, debt]) => dueOf(room, debt) ?? [])
      return dues.length === 0 ? null : Math.min(...dues)
    },
    write: async () => {
      const now = clock.now()
      for (const [room, debt] of debts)
        if ((dueOf(room, debt) ?? Number.POSITIVE_INFINITY) <= now) await writeFor(room, debt)
    },
    writeAll: async () => {
      for (const [room, debt] of debts) await writeFor(room, debt)
    },
  }
}

const NOTHING: Owed = { readSince: null, heldSince: null }

const nameOf = ({ device, incarnation }: { device: PeerId; incarnation: Incarnation }): string =>
  `${device}/${incarnation}`
const markOf = (room: RoomId, { device, inc, seq }: LogPoint): LogMark => ({
  log: { room, device: device as PeerId, incarnation: toIncarnation(inc) },
  seq,
})
const pointOf = ({ log, seq }: LogMark): LogPoint => ({
  device: log.device,
  inc: fromHex(log.incarnation),
  seq,
})
