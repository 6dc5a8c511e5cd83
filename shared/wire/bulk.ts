import { z } from 'zod'
import { bytes, codec } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { BULK_DOOR_BYTES, BULK_MESSAGE_MAX_BYTES, BULK_TICKET_BYTES } from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * A second road for the bytes of files, between two who have a session. On a stream of it the fetcher `ask`s, and the holder
 * answers with a `door`. Then the fetcher connects by TLS 1.3, naming the door in its first message; inside, it `enter`s
 * with the ticket, and the holder says `open`. What follows are the frames of the file protocol. `refused` in place of
 * `door` or `open`: the file protocol's own stream still carries the same.
 */
export const bulkProtocol = (network: NetworkId): string => protocolId(network, 'bulk')

/** What the fetcher says. */
export type BulkRequest =
  /** Of the session's connection: the IP address of the holder, as the fetcher reaches it. */
  | { readonly kind: 'ask'; readonly address: string }
  /** The first message inside TLS. */
  | { readonly kind: 'enter'; readonly ticket: Uint8Array }

/** What the holder says. */
export type BulkReply =
  /** The TCP port at that address; the door's name, whose hex is TLS's server name; the ticket. Once, and soon. */
  | { readonly kind: 'door'; readonly port: number; readonly door: Uint8Array; readonly ticket: Uint8Array }
  /** Inside TLS: the ticket was good. */
  | { readonly kind: 'open' }
  | { readonly kind: 'refused'; readonly code: string }

const PORT_MAX = 65_535
const ADDRESS_MAX_CHARACTERS = 45 // IPv6 with an IPv4 tail

/** At most 1 KiB. */
export const bulkRequestCodec = codec<BulkRequest>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('ask'), address: z.string().max(ADDRESS_MAX_CHARACTERS) }),
    z.strictObject({ kind: z.literal('enter'), ticket: bytes(BULK_TICKET_BYTES) }),
  ]),
  BULK_MESSAGE_MAX_BYTES,
)

/** At most 1 KiB. */
export const bulkReplyCodec = codec<BulkReply>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('door'),
      port: z.int().min(1).max(PORT_MAX),
      door: bytes(BULK_DOOR_BYTES),
      ticket: bytes(BULK_TICKET_BYTES),
    }),
    z.strictObject({ kind: z.literal('open') }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  BULK_MESSAGE_MAX_BYTES,
)
