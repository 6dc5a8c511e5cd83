import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { CRL_PIECE_BYTES, KIB } from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * Revocation lists, on one stream that stays open as long as the connection, opened by whoever dialed. Each side sends
 * `have` at the start. Whoever holds the higher number sends its list: `piece`s, and `end`; and again whenever a new list
 * has come. Lists are signed by the root: who passes one on need not be trusted. Never back: a lower number is dropped.
 */
export const revocationProtocol = (network: NetworkId): string => protocolId(network, 'revocation')

export type RevocationMessage =
  /** Number of the newest list that the sender holds; 0 for none. */
  | { readonly kind: 'have'; readonly number: number }
  /** The next bytes of the sender's list, DER. */
  | { readonly kind: 'piece'; readonly der: Uint8Array }
  /** The list is whole. */
  | { readonly kind: 'end' }

export const revocationCodec = codec<RevocationMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('have'), number: count() }),
    z.strictObject({ kind: z.literal('piece'), der: bytes({ max: CRL_PIECE_BYTES }) }),
    z.strictObject({ kind: z.literal('end') }),
  ]),
  CRL_PIECE_BYTES + KIB,
)
