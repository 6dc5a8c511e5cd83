import { toString as toText } from 'uint8arrays/to-string'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { UserName } from '../../shared/ids.ts'
import { FINGERPRINT_BYTES } from '../../shared/limits.ts'
import { userNameOf } from '../../shared/user-name.ts'

/** What a comparison's QR code says: two users of a network, each with the fingerprint of all devices. */
export type CompareLink = {
  /** The network's id. */
  readonly network: string
  /** Two, in the order of their names. */
  readonly sides: readonly [CompareSide, CompareSide]
}
export type CompareSide = { readonly user: UserName; readonly fingerprint: Uint8Array }

const SCHEME = 'lanyard://compare/1#'

/** `lanyard://compare/1#n=<network>&u=<user>:<base64url>&u=<user>:<base64url>`: the same from both sides. */
export const formatCompareLink = ({ network, sides }: CompareLink): string =>
  `${SCHEME}n=${network}${sides.map(({ user, fingerprint }) => `&u=${user}:${toText(fingerprint, 'base64url')}`).join('')}`

/** The two sides in the order in which a link has them. */
export const inOrder = (one: CompareSide, other: CompareSide): CompareLink['sides'] =>
  one.user < other.user ? [one, other] : [other, one]

/** What somebody has scanned, or `compare-malformed`; never throws. */
export const parseCompareLink = (text: string): CompareLink | Refusal => {
  const found = /^lanyard:\/\/compare\/1#n=([a-z2-7]{1,64})&u=([^:&]{1,64}):([\w-]{1,64})&u=([^:&]{1,64}):([\w-]{1,64})$/.exec(text.trim()) // biome-ignore format: one pattern
  if (found === null) return refuse('compare-malformed')
  const [, network = '', firstUser = '', first = '', secondUser = '', second = ''] = found
  const [one, other] = [sideOf(firstUser, first), sideOf(secondUser, second)]
  if (one === null || other === null || one.user >= other.user) return refuse('compare-malformed')
  return { network, sides: [one, other] }
}

/** One spelling alone: a name as it is, and no bit to spare. */
const sideOf = (name: string, text: string): CompareSide | null => {
  const user = userNameOf(name)
  const fingerprint = new Uint8Array(Buffer.from(text, 'base64url'))
  if (isRefusal(user) || user !== name || fingerprint.byteLength !== FINGERPRINT_BYTES) return null
  return toText(fingerprint, 'base64url') === text ? { user, fingerprint } : null
}
