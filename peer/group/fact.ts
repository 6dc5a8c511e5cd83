import { compareTimes, type HybridTime } from '../../shared/clock.ts'
import type { RecordHash, UserName } from '../../shared/ids.ts'
import type { MembershipBody } from '../../shared/wire/membership.ts'
import type { LogName, Past } from './knowledge.ts'

/** A membership record, as the rules of membership look at it: its author's certificate is verified, its body is read. */
export type Fact = {
  readonly hash: RecordHash
  /** Whose device wrote it. */
  readonly user: UserName
  readonly log: LogName
  readonly seq: number
  readonly time: HybridTime
  readonly body: MembershipBody
  /** What its author knew; not the fact itself. */
  readonly past: Past
}

/** A fact with this body. */
export type FactOf<Kind extends MembershipBody['kind']> = Fact & {
  readonly body: Extract<MembershipBody, { readonly kind: Kind }>
}

export const isFact = <Kind extends MembershipBody['kind']>(fact: Fact, ...kinds: Kind[]): fact is FactOf<Kind> =>
  kinds.some((kind) => fact.body.kind === kind)

/** The order in which a room is shown, for every reader the same: time, and the hash between equals. */
export const compareFacts = (a: Fact, b: Fact): number => compareTimes(a.time, b.time) || compareHashes(a.hash, b.hash)

export const compareHashes = (a: RecordHash, b: RecordHash): number => (a < b ? -1 : a > b ? 1 : 0)
