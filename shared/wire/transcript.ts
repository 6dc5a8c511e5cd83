import { z } from 'zod'
import type { Succession } from '../certificate/lineage.ts'
import { bytes, codec, count } from '../codec.ts'
import {
  CERTIFICATE_MAX_BYTES,
  CRL_MAX_BYTES,
  HEADS_MAX,
  RECORD_MAX_BYTES,
  ROOM_NAME_MAX,
  SUCCESSIONS_MAX,
  TRANSCRIPT_ITEM_MAX_BYTES,
  TRANSCRIPT_STATEMENT_MAX_BYTES,
} from '../limits.ts'
import { successionShape } from './succession.ts'

/**
 * A room as evidence, in a file: frames (4 bytes of length, big-endian, then that many bytes), one item each. First
 * `transcript`, then `roots`, `list`s (the newest first), `certificate`s, `record`s (log by log), `aside`s, and `receipt`.
 */
export type TranscriptItem =
  | TranscriptHead
  /** All roots of the network, in their order. */
  | { readonly kind: 'roots'; readonly first: Uint8Array; readonly successions: readonly Succession[] }
  /** A revocation list, DER. */
  | { readonly kind: 'list'; readonly der: Uint8Array }
  /** Of a device, DER. */
  | { readonly kind: 'certificate'; readonly der: Uint8Array }
  /** As it travelled (`recordCodec`); with the key of the message, where it is told. */
  | { readonly kind: 'record'; readonly record: Uint8Array; readonly key?: Uint8Array | undefined }
  /** A record that is not in its log: it has the number of one that is, or lies beyond such a pair. */
  | { readonly kind: 'aside'; readonly record: Uint8Array }
  | SealedReceipt

/** What the file is about. */
export type TranscriptHead = {
  readonly kind: 'transcript'
  readonly v: 1
  readonly network: string
  /** Room id, 32 bytes. */
  readonly room: Uint8Array
  /** What the exporting device calls the room: for people, and proved by nothing. */
  readonly name: string
  /** When, milliseconds since the epoch, by the clock of the exporting device. */
  readonly made: number
  /** `receipt`: there are no records in this file, only what was held. */
  readonly what: 'records' | 'receipt'
  /** Of a part: only records of this time and later, and of this time and earlier, milliseconds since the epoch. */
  readonly from?: number | undefined
  readonly to?: number | undefined
}

/** The session receipt: one device's signed word of what it held of a room. */
export type SealedReceipt = {
  readonly kind: 'receipt'
  /** Deterministic CBOR of a `ReceiptStatement`. */
  readonly statement: Uint8Array
  /** RSA-PSS, SHA-256, salt 32: over `SESSION_RECEIPT_LABEL` and the SHA-256 of the statement. */
  readonly signature: Uint8Array
}

export type ReceiptStatement = {
  readonly v: 1
  readonly room: Uint8Array
  /** SHA-256 of the certificate of the device that signs. */
  readonly author: Uint8Array
  /** As in the head. */
  readonly made: number
  /** Number of the revocation list that it held; 0 for none. */
  readonly crl: number
  /** Each log that it held, sorted by device and incarnation. */
  readonly heads: readonly TranscriptLog[]
  /** How many records, and the Merkle root (RFC 6962 §2.1) over their hashes: log by log in that order, by their numbers. */
  readonly records: number
  readonly root: Uint8Array
  /** SHA-256 over all bytes of the file before the receipt's frame. */
  readonly file: Uint8Array
}

/** One log, from a record to another. */
export type TranscriptLog = {
  /** PeerId. */
  readonly device: string
  readonly inc: Uint8Array
  /** Number of the first record: 0 but in a part; and the hash of the one before it, 32 zero bytes at 0. */
  readonly first: number
  readonly prev: Uint8Array
  /** Number and hash of the last one. */
  readonly seq: number
  readonly hash: Uint8Array
}

/** What stands before the SHA-256 of the statement in what is signed, in ASCII: 26 bytes. */
export const SESSION_RECEIPT_LABEL = 'lanyard session receipt 1\0'

const certificate = bytes({ max: CERTIFICATE_MAX_BYTES })

/** At most 8 MiB and 1 KiB: a revocation list. */
export const transcriptItemCodec = codec<TranscriptItem>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('transcript'),
      v: z.literal(1),
      network: z.string().max(64),
      room: bytes(32),
      name: z.string().max(ROOM_NAME_MAX),
      made: count(),
      what: z.enum(['records', 'receipt']),
      from: count().optional(),
      to: count().optional(),
    }),
    z.strictObject({
      kind: z.literal('roots'),
      first: certificate,
      successions: z.array(successionShape).max(SUCCESSIONS_MAX),
    }),
    z.strictObject({ kind: z.literal('list'), der: bytes({ max: CRL_MAX_BYTES }) }),
    z.strictObject({ kind: z.literal('certificate'), der: certificate }),
    z.strictObject({
      kind: z.literal('record'),
      record: bytes({ max: RECORD_MAX_BYTES }),
      key: bytes(32).optional(),
    }),
    z.strictObject({ kind: z.literal('aside'), record: bytes({ max: RECORD_MAX_BYTES }) }),
    z.strictObject({
      kind: z.literal('receipt'),
      statement: bytes({ max: TRANSCRIPT_STATEMENT_MAX_BYTES }),
      signature: bytes({ max: 512 }),
    }),
  ]),
  TRANSCRIPT_ITEM_MAX_BYTES,
)

/** At most 4 MiB. */
export const receiptStatementCodec = codec<ReceiptStatement>(
  z.strictObject({
    v: z.literal(1),
    room: bytes(32),
    author: bytes(32),
    made: count(),
    crl: count(),
    heads: z
      .array(
        z.strictObject({
          device: z.string().max(64),
          inc: bytes(8),
          first: count(),
          prev: bytes(32),
          seq: count(),
          hash: bytes(32),
        }),
      )
      .max(HEADS_MAX),
    records: count(),
    root: bytes(32),
    file: bytes(32),
  }),
  TRANSCRIPT_STATEMENT_MAX_BYTES,
)
