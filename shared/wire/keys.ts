import { z } from 'zod'
import { bytes, codec } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { FRAME_MAX_BYTES, KEYS_PER_REQUEST, RECORD_MAX_BYTES } from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * The key service: a member who has records without their message keys asks another member for them. The answer holds
 * those that the server has and that the room's history policy grants; the commitment in each signed header exposes a lie.
 * Of a message that came as a skeleton, before its time, the body is asked for too: the header has its hash.
 */
export const keysProtocol = (network: NetworkId): string => protocolId(network, 'keys')

/** At most 256 records at once. */
export type KeysRequest = {
  readonly kind: 'want'
  readonly room: Uint8Array
  /** Hashes of `message` records. */
  readonly records: readonly Uint8Array[]
  /** Those of them of which the asker has no body. */
  readonly bare?: readonly Uint8Array[] | undefined
}

/** The keys that the server has, 32 bytes each, and no word about the others. */
export type KeysReply =
  | { readonly kind: 'keys'; readonly keys: readonly KeysEntry[] }
  | { readonly kind: 'refused'; readonly code: string }

export type KeysEntry = {
  readonly record: Uint8Array
  readonly key: Uint8Array
  /** Of a bare one, the record's body; without it, as when the frame is full, there is no use for the key. */
  readonly body?: Uint8Array | undefined
}

/** At most 4 MiB. */
export const keysRequestCodec = codec<KeysRequest>(
  z.strictObject({
    kind: z.literal('want'),
    room: bytes(32),
    records: z.array(bytes(32)).max(KEYS_PER_REQUEST),
    bare: z.array(bytes(32)).max(KEYS_PER_REQUEST).optional(),
  }),
  FRAME_MAX_BYTES,
)

/** At most 4 MiB. */
export const keysReplyCodec = codec<KeysReply>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('keys'),
      keys: z
        .array(z.strictObject({ record: bytes(32), key: bytes(32), body: bytes({ max: RECORD_MAX_BYTES }).optional() }))
        .max(KEYS_PER_REQUEST),
    }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  FRAME_MAX_BYTES,
)
