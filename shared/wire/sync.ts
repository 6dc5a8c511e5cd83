import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import {
  BATCH_MAX_RECORDS,
  FRAME_MAX_BYTES,
  HEADS_MAX,
  HEADS_PER_FRAME,
  OPEN_ROOMS_MAX,
  RECORD_MAX_BYTES,
  ROOMS_MAX,
  SYNC_REQUEST_MAX_BYTES,
} from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * Anti-entropy, one question a stream. `rooms`: the server tells a digest of each room that it shares with the asker; who
 * agrees on all of them is done. `heads`: the server answers with the `records` of that room that lie beyond them, in the
 * order of their times, and `done` with its own heads. Or `refused`. Who has no sender key for what it will get, as a
 * newcomer, asks for the message keys with the records: the answer holds those that the history policy grants.
 */
export const syncProtocol = (network: NetworkId): string => protocolId(network, 'sync')

/** One device's log in a room: there is one an incarnation. */
export type LogName = {
  /** PeerId of the author's device. */
  readonly device: string
  readonly inc: Uint8Array
}

/** A log up to one of its records. */
export type LogPoint = LogName & { readonly seq: number }

/**
 * How far one log is held without a gap, with the hash of the record at `seq`: who holds another one there has proof that
 * the author signed two. With `fork`, that proof is held: two records with the number `seq`, the lowest such number; `hash`
 * is that of the record before, or 32 zero bytes. What lies beyond counts for nobody, and nobody asks for it.
 */
export type Head = LogPoint & { readonly hash: Uint8Array; readonly fork?: 1 | undefined }

export type SyncRequest =
  /** What the puller holds in a room; as many frames as it takes, each with how many heads are `left` for later ones. */
  | {
      readonly kind: 'heads'
      readonly room: Uint8Array
      readonly heads: readonly Head[]
      readonly left: number
      /** In the first frame: the message keys are wanted too. */
      readonly keys?: 1 | undefined
    }
  /** Which rooms are shared. `open`: the last `openDigest` of this server, or that of the open rooms that the asker knows. */
  | { readonly kind: 'rooms'; readonly open: Uint8Array }

export type SyncReply =
  /** What lies beyond, each record as `recordCodec` encodes it. `keys`: as many, 32 bytes each, or none. */
  | {
      readonly kind: 'records'
      readonly records: readonly Uint8Array[]
      readonly keys?: readonly Uint8Array[] | undefined
    }
  /** What the server holds; as many frames as it takes. */
  | { readonly kind: 'done'; readonly heads: readonly Head[]; readonly left: number }
  /** Rooms that both may be in; and the records that found open rooms, unless the asker has that list. */
  | {
      readonly kind: 'rooms'
      readonly rooms: readonly RoomDigest[]
      readonly open: readonly Uint8Array[]
      readonly openDigest: Uint8Array
    }
  | { readonly kind: 'refused'; readonly code: string }

export type RoomDigest = {
  readonly room: Uint8Array
  /** SHA-256 over the server's heads of the room, sorted. */
  readonly digest: Uint8Array
  /** The asker is no member, as far as the server knows, and may come in by itself. */
  readonly open?: 1 | undefined
}

/** The fields of a `LogPoint`. */
export const logPoint = { device: z.string().max(64), inc: bytes(8), seq: count() }
const heads = z
  .array(z.strictObject({ ...logPoint, hash: bytes(32), fork: z.literal(1).optional() }))
  .max(HEADS_PER_FRAME)
const left = z.int().nonnegative().max(HEADS_MAX)

/** At most 64 KiB. */
export const syncRequestCodec = codec<SyncRequest>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('heads'), room: bytes(32), heads, left, keys: z.literal(1).optional() }),
    z.strictObject({ kind: z.literal('rooms'), open: bytes(32) }),
  ]),
  SYNC_REQUEST_MAX_BYTES,
)

/** At most 4 MiB. */
export const syncReplyCodec = codec<SyncReply>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('records'),
      records: z.array(bytes({ max: RECORD_MAX_BYTES })),
      keys: z
        .array(bytes({ max: 32 }))
        .max(BATCH_MAX_RECORDS)
        .optional(),
    }),
    z.strictObject({ kind: z.literal('done'), heads, left }),
    z.strictObject({
      kind: z.literal('rooms'),
      rooms: z
        .array(z.strictObject({ room: bytes(32), digest: bytes(32), open: z.literal(1).optional() }))
        .max(ROOMS_MAX),
      open: z.array(bytes({ max: RECORD_MAX_BYTES })).max(OPEN_ROOMS_MAX),
      openDigest: bytes(32),
    }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  FRAME_MAX_BYTES,
)
