import { createHash, type KeyObject } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { concat } from 'uint8arrays/concat'
import { rootsOf, type Succession } from '../../shared/certificate/lineage.ts'
import type { TrustAnchor, VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { fault, isRefusal } from '../../shared/errors.ts'
import { fromHex, type RoomId, type UserName } from '../../shared/ids.ts'
import { growingMerkleTree } from '../../shared/merkle.ts'
import {
  type ReceiptStatement,
  type SealedReceipt,
  type TranscriptItem,
  type TranscriptLog,
  transcriptItemCodec,
} from '../../shared/wire/transcript.ts'
import { previousOf } from '../log/log.ts'
import { encodeRecord, parseRecord } from '../log/record.ts'
import type { CertificateStore } from '../store/certificates.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import { logOf, type ServingStore, type Step } from '../store/serving.ts'
import type { SessionReceiptStore } from '../store/session-receipts.ts'
import { compareLogs } from './chains.ts'
import { sealReceipt } from './receipt.ts'

/** What is asked for. Times are milliseconds since the epoch, both ends included; without them it is all of the room. */
export type TranscriptOrder = {
  readonly room: RoomId
  /** What people call the room. */
  readonly name: string
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Whether the keys of the messages go with it: then whoever has the file can read them. */
  readonly withKeys?: boolean | undefined
}

export type Transcripts = {
  /** The bytes of a transcript, piece by piece, read as they are asked for. @throws LanyardError `storage-failed` */
  records(order: TranscriptOrder): AsyncGenerator<Uint8Array>
  /** The bytes of a receipt of all that is held of a room now, with what is needed to verify it. */
  receipt(order: Pick<TranscriptOrder, 'room' | 'name'>): AsyncGenerator<Uint8Array>
  /** Signs such a receipt and keeps it: of a room that we have just left. @throws LanyardError `storage-failed` */
  keep(order: Pick<TranscriptOrder, 'room' | 'name'>): Promise<void>
  /** The receipt that was kept last; null when there is none. */
  kept(room: RoomId): Uint8Array | null
}

export type TranscriptsParts = {
  readonly self: () => VerifiedDevice
  readonly key: KeyObject
  readonly anchor: () => TrustAnchor
  readonly successions: () => readonly Succession[]
  /** The newest revocation list first (null: there is none), then those that are kept beside it. */
  readonly lists: () => { readonly number: number; readonly ders: readonly Uint8Array[] }
  readonly records: Pick<RecordStore, 'heads' | 'hashAt' | 'firstAfter' | 'get'>
  readonly serving: Pick<ServingStore, 'steps' | 'wire' | 'authors' | 'asides'>
  readonly certificates: Pick<CertificateStore, 'get' | 'newestOf' | 'devices'>
  /** Who is in a room; null: everybody. */
  readonly members: (room: RoomId) => ReadonlyMap<UserName, unknown> | null
  readonly sessionReceipts: SessionReceiptStore
  readonly author: { idle(): Promise<void> }
  readonly clock: Clock
}

/** A log, from one of its records to another. */
type Slice = { readonly log: LogId; readonly first: number; readonly last: number }

export const createTranscripts = (parts: TranscriptsParts): Transcripts => {
  const { records, serving, certificates } = parts

  /** Logs in the order of the file. */
  const slicesOf = ({ room, from, to }: TranscriptOrder): readonly Slice[] =>
    records
      .heads(room)
      .map((head) => ({ log: logOf(room, head), seq: head.seq }))
      .toSorted((a, b) => compareLogs(a.log, b.log))
      .flatMap(({ log, seq }) => {
        const first = from === undefined ? 0 : records.firstAfter(log, from - 1)
        const after = to === undefined ? null : records.firstAfter(log, to)
        const last = after === null ? seq : after - 1
        return first === null || first > last ? [] : [{ log, first, last }]
      })

  /** The signed records of a slice, in order, without their bytes. */
  const stepsOf = async function* ({ log, first, last }: Slice): AsyncGenerator<Step> {
    for (let next = first; next <= last; ) {
      const page = serving.steps(log, next - 1, last, PAGE)
      for (const step of page) {
        if (step.seq !== next) return // one of ours that is not signed: what comes after it waits, too
        yield step
        next++
      }
      if (page.length === 0) return
      await setImmediate() // whoever chats meanwhile notices nothing
    }
  }

  /** The certificates of all authors, and the newest of each of their devices: by that one it is revoked. */
  const certificatesFor = (self: VerifiedDevice, room: RoomId, asides: readonly Uint8Array[]): Uint8Array[] => {
    const beside = asides.map(parseRecord).flatMap((record) => (isRefusal(record) ? [] : [record.author]))
    // A room of two is known by their names: both belong to it, also who has said nothing.
    const members = parts.members(room)
    const silent = certificates.devices().filter(({ user }) => members?.size === 2 && members.has(user))
    const devices = [...records.heads(room).map((head) => logOf(room, head).device), ...silent.map(({ peer }) => peer)]
    const newest = devices.flatMap((device) => certificates.newestOf(device) ?? [])
    const hashes = new Set([self.hash, ...serving.authors(room), ...beside, ...newest])
    return [...hashes].sort().flatMap((hash) => certificates.get(hash) ?? [])
  }

  type Preamble = { readonly lists: readonly Uint8Array[]; readonly devices: readonly Uint8Array[] }
  const preamble = function* (head: TranscriptItem, { lists, devices }: Preamble): Generator<TranscriptItem> {
    const first = rootsOf(parts.anchor()).at(-1)?.certificate.der
    if (first === undefined) throw fault('fault', 'an anchor without a root')
    yield head
    yield { kind: 'roots', first, successions: parts.successions() }
    for (const der of lists) yield { kind: 'list', der }
    for (const der of devices) yield { kind: 'certificate', der }
  }

  const recordItem = ({ arrival, hash }: Step, withKeys: boolean): TranscriptItem => {
    const wire = serving.wire(arrival)
    if (wire === null) throw fault('storage-failed', `the record ${hash} is not whole`)
    const key = withKeys ? (records.get(hash)?.key ?? null) : null
    const record = encodeRecord(wire)
    return key === null ? { kind: 'record', record } : { kind: 'record', record, key }
  }

  const write = async function* (order: TranscriptOrder, what: 'records' | 'receipt'): AsyncGenerator<Uint8Array> {
    await parts.author.idle() // what was just said is signed first
    const { room, name, from, to, withKeys = false } = order
    // Both may be replaced while the file is written.
    const self = parts.self()
    const { number: crl, ders: lists } = parts.lists()
    const made = parts.clock.now()
    const digest = createHash('sha256')
    const tree = growingMerkleTree()
    const heads: TranscriptLog[] = []
    const framed = (item: TranscriptItem): Uint8Array => {
      const bytes = frameOf(item)
      digest.update(bytes)
      return bytes
    }
    const slices = slicesOf(order)
    const asides = what === 'receipt' ? [] : serving.asides(room).filter((aside) => isWithin(aside, slices, parts))
    const { network } = parts.anchor()
    const range = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
    const head: TranscriptItem = { kind: 'transcript', v: 1, network, room: fromHex(room), name, made, what, ...range }
    const devices = what === 'receipt' ? [self.certificate] : certificatesFor(self, room, asides)
    for (const item of preamble(head, { lists, devices })) yield framed(item)
    for (const slice of slices) {
      let last: Step | null = null
      for await (const step of stepsOf(slice)) {
        if (what === 'records') yield framed(recordItem(step, withKeys))
        tree.add(fromHex(step.hash))
        last = step
      }
      if (last !== null) heads.push(headOf(slice, last))
    }
    for (const record of asides) yield framed({ kind: 'aside', record })
    const said: ReceiptStatement = {
      v: 1,
      room: fromHex(room),
      author: fromHex(self.hash),
      made,
      crl,
      heads,
      records: tree.size(),
      root: tree.root(),
      file: new Uint8Array(digest.digest()),
    }
    const receipt: SealedReceipt = await sealReceipt(parts.key, said)
    yield frameOf(receipt)
  }

  const headOf = ({ log, first }: Slice, { seq, hash }: Step): TranscriptLog => {
    const before = first === 0 ? null : records.hashAt(log, first - 1)
    const prev = previousOf(before === null ? null : { seq: first - 1, hash: before })
    return { device: log.device, inc: fromHex(log.incarnation), first, prev, seq, hash: fromHex(hash) }
  }

  return {
    records: (order) => write(order, 'records'),
    receipt: (order) => write(order, 'receipt'),
    keep: async (order) => {
      const pieces: Uint8Array[] = []
      for await (const piece of write(order, 'receipt')) pieces.push(piece)
      parts.sessionReceipts.put(order.room, concat(pieces))
    },
    kept: parts.sessionReceipts.get,
  }
}

const PAGE = 500 // records: a query each

/** Whether a record that is kept aside belongs to what is told of its log. */
const isWithin = (
  bytes: Uint8Array,
  slices: readonly Slice[],
  { certificates }: Pick<TranscriptsParts, 'certificates'>,
): boolean => {
  const record = parseRecord(bytes)
  if (isRefusal(record) || certificates.get(record.author) === null) return false
  const { seq } = record.header
  return slices.some(({ log, first }) => log.incarnation === record.incarnation && seq >= first)
}

/** One item as it stands in the file. */
const frameOf = (item: TranscriptItem): Uint8Array => {
  const bytes = transcriptItemCodec.encode(item)
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.byteLength)
  return concat([length, bytes])
}
