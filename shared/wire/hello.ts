import { z } from 'zod'
import type { Succession } from '../certificate/lineage.ts'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { ADDRESS_MAX_CHARACTERS, ADDRESSES_MAX, CERTIFICATE_MAX_BYTES, HELLO_MAX_BYTES } from '../limits.ts'
import { protocolId } from './protocol.ts'
import { successionShape } from './succession.ts'

/**
 * The certificate hello, once on each connection: the dialer sends `hello`, the listener answers `hello`, the dialer
 * closes with `admitted`. Instead of any of them either side may send `refused`, and then closes the connection.
 */
export const helloProtocol = (network: NetworkId): string => protocolId(network, 'hello')

/** Who somebody is, and where the rest of it begins. */
export type Hello = {
  readonly kind: 'hello'
  readonly version: number
  /** Network id, 52 characters. */
  readonly network: string
  /** The device's certificate, DER. */
  readonly certificate: Uint8Array
  /** Number of the newest revocation list that the sender holds; 0 for none. */
  readonly crl: number
  /** The sender's newest `device` record (certificate and prekey), as it stands in the directory log. */
  readonly device: Uint8Array
  /** Multiaddrs that the sender listens on, for later connections. */
  readonly addresses: readonly string[]
  /** How the newest root followed the one before it, while both are trusted: the other side may have been away. */
  readonly succession?: Succession | undefined
}

/** Either side's messages. */
export type HelloMessage = Hello | { readonly kind: 'admitted' } | { readonly kind: 'refused'; readonly code: string }

/** At most 16 KiB: two certificates, a record, and three certificates of roots. */
export const helloCodec = codec<HelloMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('hello'),
      version: count(),
      network: z.string().max(52),
      certificate: bytes({ max: CERTIFICATE_MAX_BYTES }),
      crl: count(),
      device: bytes({ max: HELLO_MAX_BYTES }),
      addresses: z.array(z.string().max(ADDRESS_MAX_CHARACTERS)).max(ADDRESSES_MAX),
      succession: successionShape.optional(),
    }),
    z.strictObject({ kind: z.literal('admitted') }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  HELLO_MAX_BYTES,
)
