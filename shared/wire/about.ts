import { z } from 'zod'
import { codec } from '../codec.ts'
import { isNetworkName } from '../invite.ts'
import { ABOUT_MAX_BYTES } from '../limits.ts'

/** The mDNS service of all CAs, of whatever network: a newcomer knows no network yet. */
export const CA_SERVICE_TAG = '_lanyard-ca._udp.local'

/**
 * Whose CA this is: on a stream that anybody opens, `ask`, which the CA answers with `about`. That is a hint for a list on a
 * screen; who the CA is the network code tells.
 */
export const ABOUT_PROTOCOL = '/lanyard/about/1'

export type AboutMessage =
  | { readonly kind: 'ask' }
  /** What the network calls itself. */
  | { readonly kind: 'about'; readonly name: string }

/** At most 512 bytes. */
export const aboutCodec = codec<AboutMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('ask') }),
    z.strictObject({ kind: z.literal('about'), name: z.string().refine(isNetworkName) }),
  ]),
  ABOUT_MAX_BYTES,
)
