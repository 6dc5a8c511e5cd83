import type { UserName } from '../../shared/ids.ts'
import { FILE_AUTO_ACCEPT_BYTES } from '../../shared/limits.ts'

/** Which files are fetched without being asked for. */
export type AcceptPolicy = {
  /** Bytes: larger ones wait for our user; 0: all of them do. */
  readonly maxBytes: number
  /** Whose files. */
  readonly from: 'everybody' | readonly UserName[]
}

export const DEFAULT_POLICY: AcceptPolicy = { maxBytes: FILE_AUTO_ACCEPT_BYTES, from: 'everybody' }

export const isAccepted = (
  { maxBytes, from }: AcceptPolicy,
  offer: { readonly size: number; readonly user: UserName; readonly own: boolean },
): boolean => maxBytes > 0 && offer.size <= maxBytes && (offer.own || from === 'everybody' || from.includes(offer.user))
