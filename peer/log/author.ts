import type { KeyObject } from 'node:crypto'
import { dateText } from '../../shared/certificate/link.ts'
import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import { type Clock, compareTimes, HYBRID_ZERO, type HybridTime, tick } from '../../shared/clock.ts'
import { fault, isRefusal, LanyardError, type Refusal, refuse } from '../../shared/errors.ts'
import { fromHex, type Incarnation, type RecordHash, type RoomId, recordHashOf, sha256 } from '../../shared/ids.ts'
import { RECORD_AHEAD_MAX_MS, RECORD_MAX_BYTES, SIGN_MAX_BYTES, SIGN_MAX_RECORDS } from '../../shared/limits.ts'
import { headerCodec, type RecordHeader, type RecordKind, type WireRecord } from '../../shared/wire/record.ts'
import type { Database } from '../store/database.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import { type Log, previousOf } from './log.ts'
import { type ParsedRecord, parseUnsigned, signBatch } from './record.ts'
import { turn } from './turns.ts'

/** What is to become our next record in a room. */
export type Draft = {
  readonly room: RoomId
  readonly kind: RecordKind
  readonly body: Uint8Array
  /** Of a message: what the header says of its key, and the key, which is kept sealed beside the record. */
  readonly key?: NonNullable<RecordHeader['key']>
  readonly messageKey?: Uint8Array
  /** More that must be written in the record's own transaction, such as the sender key's next index. */
  readonly together?: (record: Unsigned, arrival: number) => void
}

export type Author = {
  readonly incarnation: Incarnation
  /**
   * Adds a record to our log. Resolves once it is on the disk; once it is signed too, `onSigned` gets it.
   * The number is taken at once, so calls keep their order.
   * @throws LanyardError `storage-failed`, `certificate-expired`; nothing of it was sent
   */
  append(draft: Draft): Promise<RecordHash>
  /** Signs what a killed process left unsigned. */
  resume(): Promise<void>
  /** Resolves once all that was appended is signed. */
  idle(): Promise<void>
}

export type AuthorParts = {
  readonly self: () => VerifiedDevice
  readonly key: KeyObject
  readonly incarnation: Incarnation
  readonly clock: Clock
  readonly database: Database
  readonly records: RecordStore
  readonly log: Log
  readonly lastTime: (room: RoomId) => HybridTime
  /** The newest membership records of the room that this log of ours does not cite yet: the next record of it cites them. */
  readonly cite: (log: LogId, seq: number) => readonly RecordHash[]
  /** A record of ours has its place; called at once, and in order. */
  readonly onPlaced: (log: LogId, record: Unsigned) => void
  /** A record of ours is being stored, within its transaction. */
  readonly onStored: (log: LogId, record: Unsigned) => void
  /** All of the transaction is stored, within it. */
  readonly onBatch: () => void
  /** The transaction is done; or it failed, and nothing that was placed since holds. */
  readonly onDone: (failed: boolean) => void
  /** The records of one signature, in order. */
  readonly onSigned: (records: readonly ParsedRecord[]) => void
}

/** A record of ours but for its signature. */
export type Unsigned = Omit<ParsedRecord, 'wire'> & { readonly wire: Pick<WireRecord, 'header' | 'body'> }

type Pending = {
  readonly draft: Draft
  readonly record: Unsigned
  readonly stored: PromiseWithResolvers<RecordHash>
}

export const createAuthor = (parts: AuthorParts): Author => {
  const { records, log, database, incarnation } = parts
  const times = new Map<RoomId, HybridTime>()
  let pending: Pending[] = []
  let running: Promise<void> | null = null
  let leftUnsigned = false

  const logOf = (room: RoomId): LogId => ({ room, device: parts.self().peerId, incarnation })

  const append = (draft: Draft): Promise<RecordHash> => {
    if (draft.body.byteLength > RECORD_MAX_BYTES - HEADER_ROOM_BYTES) {
      return Promise.reject(fault('message-too-long', `${draft.body.byteLength} bytes`))
    }
    const id = logOf(draft.room)
    const head = log.head(id)
    const last = later(times.get(draft.room) ?? HYBRID_ZERO, parts.lastTime(draft.room))
    const time = tick(last, parts.clock.now())
    const expired = expiry(parts.self(), Math.max(parts.clock.now(), time.ms - RECORD_AHEAD_MAX_MS))
    if (expired !== null) return Promise.reject(new LanyardError(expired))
    times.set(draft.room, time)
    const seq = head === null ? 0 : head.seq + 1
    const header: RecordHeader = {
      v: 1,
      room: fromHex(draft.room),
      author: fromHex(parts.self().hash),
      inc: fromHex(incarnation),
      seq,
      prev: previousOf(head),
      after: parts.cite(id, seq).map(fromHex),
      time: [time.ms, time.count],
      kind: draft.kind,
      body: sha256(draft.body),
      ...(draft.key === undefined ? {} : { key: draft.key }),
    }
    const wire = { header: headerCodec.encode(header), body: draft.body }
    const hash = recordHashOf(wire.header)
    const record = { hash, room: draft.room, author: parts.self().hash, incarnation, header, wire }
    log.advance(id, { seq, hash })
    parts.onPlaced(id, record)
    const stored = Promise.withResolvers<RecordHash>()
    pending.push({ draft, record, stored })
    running ??= run()
    return stored.promise
  }

  /** While one batch is signed, the next gathers: alone a record waits for nobody, in a burst many share a signature. */
  const run = async (): Promise<void> => {
    await null // lets a burst of appends in one turn become one batch
    while (pending.length > 0) {
      const batch = pending.slice(0, batchLength(pending))
      pending = pending.slice(batch.length)
      const unsigned = batch.map(({ record }) => record)
      const signing = signBatch(
        parts.key,
        unsigned.map(({ hash }) => hash),
      )
      signing.catch(() => undefined) // whoever gives up before awaiting it leaves no rejection that nobody hears
      if (!store(batch)) continue
      try {
        await database.flushed() // while other threads sign
        for (const { stored, record } of batch) stored.resolve(record.hash)
        await (leftUnsigned ? resume() : publish(unsigned, signing))
        leftUnsigned = false
      } catch (error) {
        leftUnsigned = true // a full disk: the records are stored, and are signed with the next or at the next start
        for (const { stored } of batch) stored.reject(reasonOf(error))
      }
    }
    running = null
  }

  const store = (batch: readonly Pending[]): boolean => {
    try {
      database.transaction(() => {
        for (const { record, draft } of batch) {
          const id = logOf(draft.room)
          const arrival = records.append(id, record, draft.messageKey ?? null)
          parts.onStored(id, record)
          draft.together?.(record, arrival)
        }
        parts.onBatch()
      })
    } catch (error) {
      // What came after builds on these numbers: nothing of it was sent, and all of it is given back.
      const reason = reasonOf(error)
      const rooms = new Set<RoomId>()
      for (const { stored, draft } of [...batch, ...pending]) {
        rooms.add(draft.room)
        stored.reject(reason)
      }
      pending = []
      for (const room of rooms) log.reload(room)
      parts.onDone(true)
      return false
    }
    parts.onDone(false)
    return true
  }

  const publish = async (batch: readonly Unsigned[], signing: ReturnType<typeof signBatch>): Promise<void> => {
    const signatures = await signing
    const signed = batch.flatMap((record, index) => {
      const signature = signatures[index]
      return signature === undefined ? [] : [{ ...record, wire: { ...record.wire, ...signature } }]
    })
    parts.onSigned(signed)
    await turn() // they are on their way; and a signature that is lost in a crash is made anew, over the same record
    database.transaction(() => {
      for (const { hash, wire } of signed) records.sign(hash, wire)
    })
  }

  const resume = async (): Promise<void> => {
    await database.flushed() // a killed process left them unflushed
    const left = records.unsigned().flatMap((hash) => {
      const stored = records.get(hash)
      // Of a device that we were before, and have not the key of any more.
      if (stored !== null && stored.device !== parts.self().peerId) return []
      const record = stored === null ? null : parseUnsigned({ header: stored.header, body: stored.body })
      return record === null || isRefusal(record) ? [] : [record]
    })
    for (let at = 0; at < left.length; at += SIGN_MAX_RECORDS) {
      const batch = left.slice(at, at + SIGN_MAX_RECORDS)
      const hashes = batch.map(({ hash }) => hash)
      await publish(batch, signBatch(parts.key, hashes))
    }
  }

  return {
    incarnation,
    append,
    resume,
    idle: async () => {
      while (running !== null) await running
    },
  }
}

/** No reader takes what is written long after the certificate's end: the log would break off there, for ever. */
const expiry = ({ notAfter }: VerifiedDevice, now: number): Refusal | null =>
  now <= notAfter ? null : refuse('certificate-expired', `expired on ${dateText(notAfter)}`)

const reasonOf = (error: unknown): LanyardError =>
  error instanceof LanyardError ? error : fault('storage-failed', undefined, error)

/** How many records share a signature and a transaction: as many as may, but a few that are long, as boxes for many members are. */
const batchLength = (pending: readonly Pending[]): number => {
  let bytes = 0
  let count = 0
  for (const { draft } of pending) {
    bytes += draft.body.byteLength
    if (count === SIGN_MAX_RECORDS || (count > 0 && bytes > SIGN_MAX_BYTES)) break
    count++
  }
  return count
}

/** What a header, a signature and a proof take of a record's bytes at most. */
const HEADER_ROOM_BYTES = 4_096

const later = (a: HybridTime, b: HybridTime): HybridTime => (compareTimes(a, b) < 0 ? b : a)
