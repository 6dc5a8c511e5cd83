import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import { AFTER_MAX, BATCH_MAX_RECORDS, RECORD_MAX_BYTES } from '../limits.ts'
import { MEMBERSHIP_KINDS } from './membership.ts'

/** What a record is; each kind has its own body. */
export const RECORD_KINDS = ['device', 'sender-key', 'message', 'receipt', ...MEMBERSHIP_KINDS] as const
/** One of `RECORD_KINDS`. */
export type RecordKind = (typeof RECORD_KINDS)[number]

/** The signed part of a record. The record's hash is SHA-256 of these bytes, as sent. */
export type RecordHeader = {
  readonly v: 1
  /** Room id, 32 bytes. */
  readonly room: Uint8Array
  /** SHA-256 of the author's certificate (DER), 32 bytes. */
  readonly author: Uint8Array
  /** One life of the author's store, 8 random bytes; `seq` counts within it. */
  readonly inc: Uint8Array
  /** 0, 1, 2 …, without gaps. */
  readonly seq: number
  /** Hash of the author's record before this one; 32 zero bytes at seq 0. */
  readonly prev: Uint8Array
  /**
   * Hashes of the newest membership records that the author knew, without those that its own earlier records of this log
   * cite, or are: what a record cites, all later ones of its log know.
   */
  readonly after: readonly Uint8Array[]
  /** Hybrid logical time: milliseconds since the epoch, and a counter. */
  readonly time: readonly [number, number]
  readonly kind: RecordKind
  /** SHA-256 of the body bytes. */
  readonly body: Uint8Array
  /** Of a message: its sender key's epoch, its index under it, and the commitment to its message key. */
  readonly key?: { readonly epoch: number; readonly index: number; readonly commitment: Uint8Array } | undefined
}

/** A record as it travels and as it is kept. */
export type WireRecord = {
  /** Deterministic CBOR of a `RecordHeader`. */
  readonly header: Uint8Array
  /** RSA-PSS, SHA-256, salt 32: over `RECORD_SIGNATURE_LABEL` and the root of the batch that the record was signed in. */
  readonly signature: Uint8Array
  /** Where the record stands in that batch: its leaf number, the number of leaves, and the audit path (RFC 6962 §2.1.1). */
  readonly proof: { readonly index: number; readonly size: number; readonly path: readonly Uint8Array[] }
  /**
   * Null in a skeleton: the body of a `message` is erased once the room's retention is over. Header and signature stay, so
   * the chain still verifies; who lacks a body that is not over yet asks for it, and the header's hash checks what it gets.
   */
  readonly body: Uint8Array | null
}

/** What stands before the Merkle root in the signed statement, in ASCII: 23 bytes. */
export const RECORD_SIGNATURE_LABEL = 'lanyard record batch 1\0'

/** At most 64 KiB. That only messages have a `key` is for `parseWire` to check. */
export const headerCodec = codec<RecordHeader>(
  z.strictObject({
    v: z.literal(1),
    room: bytes(32),
    author: bytes(32),
    inc: bytes(8),
    seq: count(),
    prev: bytes(32),
    after: z.array(bytes(32)).max(AFTER_MAX),
    time: z.tuple([count(), count()]),
    kind: z.enum(RECORD_KINDS),
    body: bytes(32),
    key: z.strictObject({ epoch: count(), index: count(), commitment: bytes(32) }).optional(),
  }),
  RECORD_MAX_BYTES,
)

/** At most 64 KiB, all told. That only messages may lack a body is for `parseWire` to check. */
export const recordCodec = codec<WireRecord>(
  z.strictObject({
    header: bytes({ max: RECORD_MAX_BYTES }),
    signature: bytes({ max: 512 }),
    proof: z.strictObject({
      index: z.int().nonnegative().max(BATCH_MAX_RECORDS),
      size: z.int().positive().max(BATCH_MAX_RECORDS),
      path: z.array(bytes(32)).max(8),
    }),
    body: bytes({ max: RECORD_MAX_BYTES }).nullable(),
  }),
  RECORD_MAX_BYTES,
)
