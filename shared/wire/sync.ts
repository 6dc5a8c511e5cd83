import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { FRAME_MAX_BYTES, HEADS_MAX, RECORD_MAX_BYTES } from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * Anti-entropy, one room a stream: the puller sends `heads`; the server answers with `records` that lie beyond them, as
 * many frames as it takes, and `done` with its own heads. Or `refused`.
 */
export const syncProtocol = (network: NetworkId): string => protocolId(network, 'sync')

/** How far one log is held without a gap. */
export type Head = {
  /** PeerId of the author's device. */
  readonly device: string
  readonly inc: Uint8Array
  /** Number of the newest record held. */
  readonly seq: number
}

/** What the puller holds in a room. */
export type SyncRequest = { readonly kind: 'heads'; readonly room: Uint8Array; readonly heads: readonly Head[] }

/** What lies beyond, each record as `recordCodec` encodes it, and then what the server holds. */
export type SyncReply =
  | { readonly kind: 'records'; readonly records: readonly Uint8Array[] }
  | { readonly kind: 'done'; readonly heads: readonly Head[] }
  | { readonly kind: 'refused'; readonly code: string }

const heads = z.array(z.strictObject({ device: z.string().max(64), inc: bytes(8), seq: count() })).max(HEADS_MAX)

/** At most 4 MiB: 20,000 heads take 1.6. */
export const syncRequestCodec = codec<SyncRequest>(
  z.strictObject({ kind: z.literal('heads'), room: bytes(32), heads }),
  FRAME_MAX_BYTES,
)

/** At most 4 MiB. */
export const syncReplyCodec = codec<SyncReply>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('records'), records: z.array(bytes({ max: RECORD_MAX_BYTES })) }),
    z.strictObject({ kind: z.literal('done'), heads }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  FRAME_MAX_BYTES,
)
