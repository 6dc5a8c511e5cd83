import { z } from 'zod'
import type { Succession } from '../certificate/lineage.ts'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { CRL_PIECE_BYTES, KIB } from '../limits.ts'
import { protocolId } from './protocol.ts'
import { successionShape } from './succession.ts'

/**
 * Revocation lists and roots, on one stream that stays open as long as the connection, opened by whoever dialed. Each side
 * sends `have` at the start. Whoever knows newer roots sends a `succession` for each that the other lacks, the oldest
 * first; then whoever holds the list with the higher number sends it: `piece`s, and `end`. And again whenever something
 * newer has come. All of it is signed by the roots: who passes it on need not be trusted. Never back: what is not newer is
 * dropped.
 */
export const revocationProtocol = (network: NetworkId): string => protocolId(network, 'revocation')

export type RevocationMessage =
  /** Number of the newest list that the sender holds, 0 for none; and of the newest root, 1 for the first. */
  | { readonly kind: 'have'; readonly number: number; readonly root: number }
  /** The next root. */
  | { readonly kind: 'succession'; readonly succession: Succession }
  /** The next bytes of the sender's list, DER. */
  | { readonly kind: 'piece'; readonly der: Uint8Array }
  /** The list is whole. */
  | { readonly kind: 'end' }

export const revocationCodec = codec<RevocationMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('have'), number: count(), root: count() }),
    z.strictObject({ kind: z.literal('succession'), succession: successionShape }),
    z.strictObject({ kind: z.literal('piece'), der: bytes({ max: CRL_PIECE_BYTES }) }),
    z.strictObject({ kind: z.literal('end') }),
  ]),
  CRL_PIECE_BYTES + KIB,
)
