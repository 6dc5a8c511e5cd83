import { equals } from 'uint8arrays/equals'
import { type Refusal, refuse } from '../../shared/errors.ts'
import {
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  type RoomId,
  toIncarnation,
} from '../../shared/ids.ts'
import type { Head } from '../../shared/wire/sync.ts'
import type { LogHead, LogId, RecordStore } from '../store/records.ts'
import type { ParsedRecord } from './record.ts'

/** The heads of all logs, in memory: a record is placed without asking the database. */
export type Log = {
  head(log: LogId): LogHead | null
  /** The record is stored: it is the head now. */
  advance(log: LogId, head: LogHead): void
  heads(room: RoomId): Head[]
  /** Reads the heads of a room from the store again: at the start, and after a transaction that failed. */
  reload(room: RoomId): void
}

export const createLog = (records: RecordStore): Log => {
  const rooms = new Map<RoomId, Map<string, LogHead & { readonly log: LogId }>>()
  const of = (room: RoomId) => rooms.get(room) ?? load(room)
  const load = (room: RoomId) => {
    const heads = new Map<string, LogHead & { readonly log: LogId }>()
    for (const head of records.heads(room)) {
      const log = { room, device: head.device as PeerId, incarnation: toIncarnation(head.inc) }
      heads.set(nameOf(log), { log, seq: head.seq, hash: head.hash })
    }
    rooms.set(room, heads)
    return heads
  }
  return {
    head: (log) => of(log.room).get(nameOf(log)) ?? null,
    advance: (log, head) => {
      of(log.room).set(nameOf(log), { log, ...head })
    },
    heads: (room) =>
      [...of(room).values()].map(({ log, seq }) => ({ device: log.device, inc: fromHex(log.incarnation), seq })),
    reload: (room) => {
      load(room)
    },
  }
}

const nameOf = (log: { device: PeerId; incarnation: Incarnation }): string => `${log.device}/${log.incarnation}`

const NO_PREVIOUS = new Uint8Array(32)

/** The bytes that a record after this head has as `prev`. */
export const previousOf = (head: LogHead | null): Uint8Array => (head === null ? NO_PREVIOUS : fromHex(head.hash))

/**
 * Where a record belongs in its log: `next` when it follows the head; else `record-replayed`, `record-gap`,
 * `record-broken-chain`, or `record-equivocation`, which is proof against its author.
 * @param hashAt the hash of the stored record with a number, for numbers up to the head's
 */
export const place = (
  record: ParsedRecord,
  head: LogHead | null,
  hashAt: (seq: number) => RecordHash | null,
): 'next' | Refusal => {
  const { seq, prev } = record.header
  const expected = head === null ? 0 : head.seq + 1
  if (seq > expected) return refuse('record-gap', `number ${seq}, expected ${expected}`)
  if (seq < expected) {
    return hashAt(seq) === record.hash
      ? refuse('record-replayed', `number ${seq}`)
      : refuse('record-equivocation', `number ${seq}`)
  }
  return equals(prev, previousOf(head)) ? 'next' : refuse('record-broken-chain', `number ${seq}`)
}
