import { z } from 'zod'
import { bytes, codec } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { HELD_HEADS_MAX, LIVE_MAX_BYTES } from '../limits.ts'
import { protocolId } from './protocol.ts'
import { type LogPoint, logPoint } from './sync.ts'

/**
 * What is true for a moment, and never stored: one lasting stream each way a session, on which only its opener speaks.
 * What gets lost is said again, or found by sync.
 */
export const liveProtocol = (network: NetworkId): string => protocolId(network, 'live')

export type LiveMessage =
  /** Whether somebody sits at the device. The first message on each stream, and again when it changes. */
  | { readonly kind: 'presence'; readonly state: PresenceState }
  /** The user writes something in this room; it holds for TYPING_LASTS_MS, and is said again while it is so. */
  | { readonly kind: 'typing'; readonly room: Uint8Array }
  /** Something has changed about a room that the receiver is in, or may come into: ask for `rooms`. */
  | { readonly kind: 'changed'; readonly room: Uint8Array }
  /** How far the sender holds some logs: it acknowledges the receiver's own records, and tells who lacks what. */
  | { readonly kind: 'held'; readonly room: Uint8Array; readonly heads: readonly LogPoint[] }

export type PresenceState = 'active' | 'away'

/** At most 16 KiB. */
export const liveCodec = codec<LiveMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('presence'), state: z.enum(['active', 'away']) }),
    z.strictObject({ kind: z.literal('typing'), room: bytes(32) }),
    z.strictObject({ kind: z.literal('changed'), room: bytes(32) }),
    z.strictObject({
      kind: z.literal('held'),
      room: bytes(32),
      heads: z.array(z.strictObject(logPoint)).max(HELD_HEADS_MAX),
    }),
  ]),
  LIVE_MAX_BYTES,
)
