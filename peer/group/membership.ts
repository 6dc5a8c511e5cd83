import type { Refusal } from '../../shared/errors.ts'
import type { RecordHash, UserName } from '../../shared/ids.ts'
import { type Authority, authorityOf, isOperation, type Rank } from './authority.ts'
import { hiddenRanges, type Range } from './cuts.ts'
import { compareFacts, type Fact, type FactOf, isFact } from './fact.ts'
import type { Knowledge, LogName, Past } from './knowledge.ts'
import { type Attempted, whyNotAllowed } from './permission.ts'
import { type RoomSettings, settingsOf } from './room-settings.ts'
import { hasEntry, isOwnEntry, newStay, presentOf, type Stay, staysOf, whyNot } from './stay.ts'

/** A user who is in the room. */
export type Member = {
  readonly admin: boolean
  /** Seniority of an admin; null of who is none. */
  readonly rank: Rank | null
  /** Whether the user took the invitation up, or came in without one. */
  readonly joined: boolean
  /** The fact that brought the user in: the earliest of those that hold. */
  readonly entry: RecordHash
}

/** Who is in a founded room, and what it is: for the same facts the same, in whatever order they came. */
export type Membership = {
  readonly members: ReadonlyMap<UserName, Member>
  /** Whether the user is or was a member. */
  wasMember(user: UserName): boolean
  readonly settings: RoomSettings
  /** What a record cites that knows all facts that count; what does not is left out, lest it spread. */
  readonly heads: readonly RecordHash[]
  /**
   * Null when a record counts; else why it counts for nobody: `not-a-member` (its author never came in, or left), `removed`
   * (its author was removed, and the remover did not have it). Either may change with another fact, so that a record
   * which does not count may have to be kept: as a link of the log of a user who comes back, or since a record that does
   * count cites it.
   * @param past what its author knew
   * @param fact the record, of a membership record
   */
  judge(user: UserName, log: LogName, seq: number, past: Past, fact?: Fact): Refusal | null
  /** The numbers of a user's log that count for nobody. */
  hiddenRanges(user: UserName, log: LogName, knowledge: Pick<Knowledge, 'since'>): readonly Range[]
  /** Whether somebody who knew this knew of the user's present membership: in a room `since-join`, who may have the key. */
  entryKnownBy(user: UserName, past: Past): boolean
  /** Null when the user may do this now; else why not. */
  allowed(user: UserName, operation: Attempted): Refusal | null
}

/**
 * Membership as a function of facts.
 * @param founding the `room` record, or any one of those with this body
 * @param facts all that are known of the room, each after or before any other, and as often as they come
 * @param counts whether a fact has effect: not that of a revoked device whose time nobody vouches for
 */
export const evaluate = (
  founding: FactOf<'room'>,
  facts: Iterable<Fact>,
  counts: (fact: Fact) => boolean = () => true,
): Membership => {
  const { creator, access } = founding.body
  const open = access === 'open'
  const all = causesFirst([founding, ...facts])
  // The room's id names its body, and so its creator: that much counts, whatever became of the device.
  const counted = all.filter((fact) => isFact(fact, 'room') || counts(fact))
  const authority = authorityOf(creator, open, counted)
  const stays = staysOf(creator, open, counted, authority)
  const stayOf = (user: UserName): Stay => stays.get(user) ?? newStay()
  const members = membersOf(stays, authority)

  const judge: Membership['judge'] = (user, log, seq, past, fact) => {
    if (fact !== undefined && isOperation(fact) && authority.rankFor(fact) !== null) return null
    const entry = fact !== undefined && isOwnEntry(fact, creator, open) ? fact : undefined
    return whyNot(stayOf(user), { log, seq, past, entry })
  }
  let heads: readonly RecordHash[] | null = null
  return {
    members,
    wasMember: (user) => hasEntry(stayOf(user)),
    settings: settingsOf(
      founding.body,
      counted.filter(({ hash }) => authority.rankOf(hash) !== null),
    ),
    get heads() {
      heads ??= headsOf(counted.filter((fact) => judge(fact.user, fact.log, fact.seq, fact.past, fact) === null))
      return heads
    },
    judge,
    hiddenRanges: (user, log, knowledge) => hiddenRanges(stayOf(user), log, knowledge),
    entryKnownBy: (user, past) => presentOf(stayOf(user)).some(({ hash }) => past.has(hash)),
    allowed: (user, operation) => whyNotAllowed({ open, members, authority, stays }, user, operation),
  }
}

/** Each fact once, and after all that its author knew: who knows more is later. */
const causesFirst = (facts: readonly Fact[]): readonly Fact[] =>
  [...new Map(facts.map((fact) => [fact.hash, fact])).values()].sort(
    (a, b) => a.past.size - b.past.size || compareFacts(a, b),
  )

const membersOf = (
  stays: ReadonlyMap<string, Stay>,
  authority: Pick<Authority, 'rankOfUser'>,
): ReadonlyMap<UserName, Member> => {
  const members = new Map<UserName, Member>()
  for (const [user, stay] of [...stays].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const present = presentOf(stay).toSorted(compareFacts)
    const [entry] = present
    if (entry === undefined) continue
    const rank = authority.rankOfUser(user)
    members.set(user as UserName, { admin: rank !== null, rank, joined: hasJoined(stay, present), entry: entry.hash })
  }
  return members
}

const hasJoined = ({ own }: Stay, present: readonly Fact[]): boolean => {
  const joins = [...own.values()].map((chain) => chain.findLast((fact) => isFact(fact, 'join')))
  return present.some(
    ({ hash, body }) =>
      body.kind === 'room' || body.kind === 'join' || joins.some((join) => join?.past.has(hash) === true),
  )
}

/** Facts that no other fact's author knew, in the order of their hashes. */
const headsOf = (facts: readonly Fact[]): readonly RecordHash[] => {
  const heads: Fact[] = []
  for (const fact of facts.toReversed()) {
    if (!heads.some(({ past }) => past.has(fact.hash))) heads.push(fact)
  }
  return heads.map(({ hash }) => hash).sort()
}
