import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import { RECEIPT_HEADS_MAX, RECORD_MAX_BYTES } from '../limits.ts'

/**
 * Body of a `receipt` record: what its author's device holds and its user has read, as far as it changed since the
 * author's last receipt in the room. In plain, since it is evidence: a record that a receipt covers was there at that time.
 */
export type ReceiptBody = {
  readonly held: readonly ReceiptHead[]
  readonly read: readonly Omit<ReceiptHead, 'hash'>[]
}

/** One log, up to and with the record of this number. */
export type ReceiptHead = {
  /** PeerId of the log's device. */
  readonly device: string
  readonly inc: Uint8Array
  readonly seq: number
  /** Hash of that record. */
  readonly hash: Uint8Array
}

const head = { device: z.string().max(64), inc: bytes(8), seq: count() }

/** At most 64 KiB, as the record around it; a device with more to say writes another. */
export const receiptBodyCodec = codec<ReceiptBody>(
  z.strictObject({
    held: z.array(z.strictObject({ ...head, hash: bytes(32) })).max(RECEIPT_HEADS_MAX),
    read: z.array(z.strictObject(head)).max(RECEIPT_HEADS_MAX),
  }),
  RECORD_MAX_BYTES,
)
