import type { KeyObject } from 'node:crypto'
import { compareLogs } from '../../peer/transcript/chains.ts'
import { sealReceipt } from '../../peer/transcript/receipt.ts'
import { type Report, reportShape } from '../../peer/transcript/report.ts'
import { type Grounds, verifyTranscript } from '../../peer/transcript/verify.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { isRefusal } from '../../shared/errors.ts'
import { fromHex, type Incarnation, type PeerId, type RoomId, sha256, toHex } from '../../shared/ids.ts'
import { growingMerkleTree } from '../../shared/merkle.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import {
  type ReceiptStatement,
  type TranscriptHead,
  type TranscriptItem,
  type TranscriptLog,
  transcriptItemCodec,
} from '../../shared/wire/transcript.ts'
import { newKey, type TestNetwork } from './certificates.ts'
import { createPen, type Pen, type PennedRecord } from './records.ts'

/** The bytes of what an async generator gives. */
export const gather = async (pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return new Uint8Array(Buffer.concat(all))
}

/** What our verifier says; each report is put to its schema. */
export const examine = async (
  bytes: Uint8Array,
  root: Uint8Array,
  more: Partial<Omit<Grounds, 'root'>> = {},
): Promise<Report> => {
  const pieces = (async function* () {
    yield bytes
  })()
  const report = await verifyTranscript(pieces, { root, now: Date.now(), ...more })
  return reportShape.parse(report)
}

/** The codes of a report's problems, each once, sorted. */
export const codesOf = ({ problems }: Pick<Report, 'problems'>): string[] =>
  [...new Set(problems.map(({ code }) => code))].sort()

/** One frame of a transcript: where it stands, and what is in it. */
export type Piece = { readonly from: number; readonly to: number; readonly item: TranscriptItem }

export const piecesOf = (bytes: Uint8Array): Piece[] => {
  const pieces: Piece[] = []
  for (let from = 0; from < bytes.byteLength; ) {
    const to = from + 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(from)
    const item = transcriptItemCodec.decode(bytes.subarray(from + 4, to))
    if (isRefusal(item)) throw new Error(`no item at byte ${from}: ${item.detail}`)
    pieces.push({ from, to, item })
    from = to
  }
  return pieces
}

const frame = (item: TranscriptItem): Uint8Array => {
  const bytes = transcriptItemCodec.encode(item)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.byteLength)
  return new Uint8Array(Buffer.concat([length, bytes]))
}

export const fileOf = (items: readonly TranscriptItem[]): Uint8Array => new Uint8Array(Buffer.concat(items.map(frame)))

/** Somebody with a device, who writes what the test says, true or not. */
export type Scribe = {
  readonly name: string
  readonly key: KeyObject
  readonly certificate: Uint8Array
  readonly device: PeerId
  readonly pen: Pen
}

export const scribe = (
  network: TestNetwork,
  name: string,
  more: { now?: number; lifetimeMs?: number } = {},
): Scribe => {
  const key = newKey()
  const certificate = network.issue({ user: name, key, ...more })
  return { name, key, certificate, device: peerIdOfSpki(spkiOf(key)), pen: createPen({ key, certificate }) }
}

export type Told = {
  readonly network: TestNetwork
  readonly exporter: Scribe
  readonly room: RoomId
  /** What each of them wrote, in the order in which it shall stand. */
  readonly logs: readonly (readonly [Scribe, readonly PennedRecord[]])[]
  readonly asides?: readonly PennedRecord[]
  readonly lists?: readonly Uint8Array[]
  readonly crl?: number
  readonly head?: Partial<TranscriptHead>
  readonly statement?: Partial<ReceiptStatement>
  readonly keyOf?: (record: PennedRecord) => Uint8Array | undefined
  /** Changes what stands before the receipt, which is then signed over it: by an exporter who lies. */
  readonly bend?: (items: readonly TranscriptItem[]) => readonly TranscriptItem[]
}

/** A transcript as an exporting device would sign it, whatever it holds: made by the text of PROTOCOL.md, not by our exporter. */
export const compose = async (told: Told): Promise<Uint8Array> => {
  const { network, exporter, room, asides = [], lists = [], bend = (items) => items } = told
  const made = network.clock.now()
  const logs = told.logs
    .map(([who, records]) => ({ who, records, incarnation: toHex(who.pen.inc) as Incarnation }))
    .toSorted((a, b) => compareLogs({ ...a, device: a.who.device }, { ...b, device: b.who.device }))
  const certificates = new Map([exporter, ...logs.map(({ who }) => who)].map((who) => [who.device, who.certificate]))
  const tree = growingMerkleTree()
  const heads: TranscriptLog[] = []
  for (const { who, records } of logs) {
    for (const { hash } of records) tree.add(fromHex(hash))
    const [first, last] = [records[0], records.at(-1)].map((one) =>
      headerCodec.decode(one?.wire.header ?? new Uint8Array()),
    )
    if (first === undefined || last === undefined || isRefusal(first) || isRefusal(last)) continue
    const hash = fromHex(records.at(-1)?.hash ?? '')
    heads.push({ device: who.device, inc: who.pen.inc, first: first.seq, prev: first.prev, seq: last.seq, hash })
  }
  const items: TranscriptItem[] = [
    {
      kind: 'transcript',
      v: 1,
      network: network.network,
      room: fromHex(room),
      name: '#test',
      made,
      what: 'records',
      ...told.head,
    },
    { kind: 'roots', first: network.root, successions: [] },
    ...lists.map((der) => ({ kind: 'list', der }) as const),
    ...[...certificates.values()].map((der) => ({ kind: 'certificate', der }) as const),
    ...logs.flatMap(({ records }) =>
      records.map((record): TranscriptItem => {
        const key = told.keyOf?.(record)
        return { kind: 'record', record: record.bytes, ...(key === undefined ? {} : { key }) }
      }),
    ),
    ...asides.map(({ bytes }) => ({ kind: 'aside', record: bytes }) as const),
  ]
  const before = fileOf(bend(items))
  const receipt = await sealReceipt(exporter.key, {
    v: 1,
    room: fromHex(room),
    author: sha256(exporter.certificate),
    made,
    crl: told.crl ?? 0,
    heads,
    records: tree.size(),
    root: tree.root(),
    file: sha256(before),
    ...told.statement,
  })
  return new Uint8Array(Buffer.concat([before, frame(receipt)]))
}
