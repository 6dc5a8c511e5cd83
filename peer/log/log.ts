import { equals } from 'uint8arrays/equals'
import { type Refusal, refuse } from '../../shared/errors.ts'
import {
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  type RoomId,
  sha256,
  toRecordHash,
} from '../../shared/ids.ts'
import { LOGS_PER_DEVICE } from '../../shared/limits.ts'
import type { Head, LogPoint } from '../../shared/wire/sync.ts'
import type { LogId } from '../store/log-id.ts'
import type { LogHead, RecordStore } from '../store/records.ts'
import { logOf } from '../store/serving.ts'
import type { ParsedRecord } from './record.ts'
import { digestPart } from './sync.ts'

/** The heads of all logs, in memory: a record is placed without asking the database. */
export type Log = {
  head(log: LogId): LogHead | null
  /** The record is stored: it is the head now. */
  advance(log: LogId, head: LogHead): void
  /** Its author signed two records with this number, and both are kept. */
  forked(log: LogId, seq: number): void
  /** The lowest number with two records, if there is one. */
  fork(log: LogId): number | null
  heads(room: RoomId): Head[]
  /** Whether a device has so many logs in a room that no other one of it is taken there; the digest leaves it out. */
  isFull(room: RoomId, device: PeerId): boolean
  /** `digestOf` the heads: equal digests, equal rooms. Made anew only when the room has changed. */
  digest(room: RoomId): Uint8Array
  /** Reads the heads of a room from the store again: at the start, and after a transaction that failed. */
  reload(room: RoomId): void
  /** Called at each `advance`, with the log's id; what it leads to may be rolled back. @returns a function that ends it */
  onAdvance(listener: (log: LogId) => void): () => void
}

/** A log of which two records with one number are kept; the lowest such number. */
export type Fork = LogPoint

type Entry = LogHead & {
  readonly log: LogId
  readonly fork: LogHead | null
  readonly told: Head
  readonly part: Uint8Array
}
/** `order`: the names of the logs, sorted; null when one has come. `counts`: how many logs each device has. */
type Room = {
  readonly logs: Map<string, Entry>
  readonly counts: Map<PeerId, number>
  order: readonly string[] | null
  digest: Uint8Array | null
}

/**
 * @param forks of a room, as the store has them
 * @param isBounded whether a device may have only LOGS_PER_DEVICE logs in a room
 */
export const createLog = (
  records: Pick<RecordStore, 'heads' | 'hashAt'>,
  forks: (room: RoomId) => readonly Fork[],
  isBounded: (room: RoomId) => boolean = () => true,
): Log => {
  const rooms = new Map<RoomId, Room>()
  const listeners = new Set<(log: LogId) => void>()
  const of = (room: RoomId): Room => rooms.get(room) ?? load(room)
  const load = (room: RoomId): Room => {
    const lowest = new Map(forks(room).map((fork) => [nameOf(logOf(room, fork)), fork.seq]))
    const forkOf = (log: LogId): LogHead | null => forkAt(log, lowest.get(nameOf(log)) ?? null)
    const loaded: Room = { logs: new Map(), counts: new Map(), order: null, digest: null }
    for (const head of records.heads(room)) {
      const log = logOf(room, head)
      put(loaded, entryOf(log, head, forkOf(log)))
    }
    rooms.set(room, loaded)
    return loaded
  }
  /** Two records have the number `seq`; the hash is that of the one before them. */
  const forkAt = (log: LogId, seq: number | null): LogHead | null =>
    seq === null ? null : { seq, hash: seq === 0 ? NONE : (records.hashAt(log, seq - 1) ?? NONE) }
  const put = (room: Room, entry: Entry): void => {
    const name = nameOf(entry.log)
    if (!room.logs.has(name)) {
      room.order = null
      room.counts.set(entry.log.device, (room.counts.get(entry.log.device) ?? 0) + 1)
    }
    room.logs.set(name, entry)
    room.digest = null
  }
  const set = (entry: Entry): void => put(of(entry.log.room), entry)
  const isFull = (room: RoomId, device: PeerId): boolean =>
    (of(room).counts.get(device) ?? 0) >= LOGS_PER_DEVICE && isBounded(room)
  // Of who has too many logs each member may hold others: what none will take must not keep them comparing for ever.
  const shareOf = (room: Room, name: string): readonly Uint8Array[] => {
    const entry = room.logs.get(name)
    return entry === undefined || isFull(entry.log.room, entry.log.device) ? [] : [entry.part]
  }
  const get = (log: LogId): Entry | null => of(log.room).logs.get(nameOf(log)) ?? null

  return {
    head: get,
    advance: (log, head) => {
      set(entryOf(log, head, get(log)?.fork ?? null))
      for (const listener of listeners) listener(log)
    },
    forked: (log, seq) => {
      const entry = get(log)
      if (entry !== null && seq < (entry.fork?.seq ?? Number.POSITIVE_INFINITY)) {
        set(entryOf(log, entry, forkAt(log, seq)))
      }
    },
    fork: (log) => get(log)?.fork?.seq ?? null,
    heads: (room) => [...of(room).logs.values()].map(({ told }) => told),
    isFull,
    digest: (room) => {
      const known = of(room)
      if (known.digest !== null) return known.digest
      known.order ??= [...known.logs.keys()].sort()
      known.digest = sha256(...known.order.flatMap((name) => shareOf(known, name)))
      return known.digest
    },
    reload: (room) => {
      load(room)
    },
    onAdvance: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** What is told of a log is made once, not for each who asks; and not for each record of a thousand that come together. */
const entryOf = (log: LogId, { seq, hash }: LogHead, fork: LogHead | null): Entry => {
  let told: Head | null = null
  let part: Uint8Array | null = null
  return {
    log,
    seq,
    hash,
    fork,
    get told() {
      told ??= {
        device: log.device,
        inc: fromHex(log.incarnation),
        seq: fork?.seq ?? seq,
        hash: fromHex(fork?.hash ?? hash),
        ...(fork === null ? {} : { fork: 1 }),
      }
      return told
    },
    get part() {
      part ??= digestPart(this.told)
      return part
    },
  }
}

// Sorted by these names, logs are in the order of their parts of the digest.
const nameOf = (log: { device: PeerId; incarnation: Incarnation }): string => `${log.device}\0${log.incarnation}`

const NO_PREVIOUS = new Uint8Array(32)
const NONE = toRecordHash(NO_PREVIOUS)

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
