import { z } from 'zod'
import type { PeerEvent } from '../../peer/events.ts'
import type { Refusal } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'

/** What a driver is started with. Bytes are in base64. */
export type DriverProfile = z.infer<typeof profileShape>

export const profileShape = z.strictObject({
  /** PKCS#8, PEM. */
  key: z.string(),
  /** DER. */
  root: z.string(),
  /** DER. */
  certificate: z.string(),
  storeKey: z.string(),
  databasePath: z.string(),
  downloads: z.string(),
  listen: z.array(z.string()),
  mdns: z.boolean(),
  /** Of files, in each direction. */
  bytesPerSecond: z.number().optional(),
})

/** What a driver is told to do, and a number that its reply carries. */
export type Command = z.infer<typeof commandShape>

const number = z.int()
/** #general, unless given. */
const room = z.string().optional()
export const commandShape = z.discriminatedUnion('do', [
  z.strictObject({ number, do: z.literal('say'), text: z.string(), room }),
  z.strictObject({ number, do: z.literal('send'), path: z.string() }),
  z.strictObject({ number, do: z.literal('fetch'), id: z.string() }),
  z.strictObject({ number, do: z.literal('history'), limit: z.int(), room }),
  z.strictObject({ number, do: z.literal('found'), name: z.string() }),
  z.strictObject({ number, do: z.literal('invite'), user: z.string(), room }),
  z.strictObject({ number, do: z.literal('remove'), user: z.string(), room }),
  z.strictObject({ number, do: z.literal('rooms') }),
  z.strictObject({ number, do: z.literal('users') }),
  z.strictObject({ number, do: z.literal('sightings') }),
  z.strictObject({ number, do: z.literal('delivered'), id: z.string() }),
  z.strictObject({ number, do: z.literal('meet'), peer: z.string(), addresses: z.array(z.string()) }),
  z.strictObject({ number, do: z.literal('stop') }),
])

/** The reply to `rooms`: those that the device knows of. */
export type DrivenRoom = { readonly id: string; readonly member: boolean; readonly members: readonly string[] | null }

/** What a driver tells. `at` is milliseconds since the epoch; byte strings are left out of events and replies. */
export type Line =
  | { readonly kind: 'ready'; readonly peer: PeerId; readonly addresses: readonly string[]; readonly at: number }
  | { readonly kind: 'event'; readonly event: PeerEvent; readonly at: number }
  | { readonly kind: 'reply'; readonly to: number; readonly value: unknown; readonly at: number }
  | { readonly kind: 'failed'; readonly to: number; readonly refusal: Refusal; readonly at: number }
