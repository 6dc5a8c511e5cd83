import type { Refusal } from '../../shared/errors.ts'
import type { RecordHash, UserName } from '../../shared/ids.ts'
import { type Authority, authorityOf, isOperation, type Rank } from './authority.ts'
import { hiddenRanges, type Range } from './cuts.ts'
import { compareFacts, type Fact, type FactOf, isFact } from './fact.ts'
import type { Knowledge, LogName, Past } from './knowledge.ts'
import { type Attempted, whyNotAllowed } from './permission.ts'
import { type RoomSettings, settingsOf } from './room-settings.ts'
import { isOwnEntry, presentOf, type Stay, staysOf, whyNot } from './stay.ts'

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
  /** What a record cites that knows all facts. */
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
  const all = causesFirst([founding, ...facts])
  // The room's id names its body, and so its creator: that much counts, whatever became of the device.
  const counted = all.filter((fact) => isFact(fact, 'room') || counts(fact))
  const open = access === 'open'
  const authority = authorityOf(creator as UserName, open, counted)
  const stays = staysOf(creator as UserName, open, counted, authority)
  const members = membersOf(stays, authority, counted)
  const stayOf = (user: UserName): Stay => stays.get(user) ?? NEVER
  return {
    members,
    wasMember: (user) => stayOf(user).entries.length > 0,
    settings: settingsOf(founding.body, authority.operations),
    // What counts for nobody is not cited: else those who must refuse it would have to fetch it after all.
    heads: headsOf(
      counted.filter((fact) => authority.rankOf(fact.hash) !== null || whyNot(stayOf(fact.user), fact) === null),
    ),
    judge: (user, log, seq, past, fact) => {
      if (fact !== undefined && isOperation(fact) && authority.rankFor(fact) !== null) return null
      const stay = stayOf(user)
      const entering = fact !== undefined && isOwnEntry(fact, creator, open) ? [fact] : []
      return whyNot({ ...stay, entries: [...stay.entries, ...entering] }, { log, seq, past, hash: fact?.hash })
    },
    hiddenRanges: (user, log, knowledge) => hiddenRanges(stayOf(user), log, knowledge),
    entryKnownBy: (user, past) =>
      presentOf(stayOf(user)).some(({ hash, body }) => body.kind === 'room' || past.has(hash)),
    allowed: (user, operation) => whyNotAllowed({ open, members, authority, stays }, user, operation),
  }
}

const NEVER: Stay = { entries: [], removals: [], leaves: [] }

/** Each fact once, and after all that its author knew: who knows more is later. */
const causesFirst = (facts: readonly Fact[]): readonly Fact[] =>
  [...new Map(facts.map((fact) => [fact.hash, fact])).values()].sort(
    (a, b) => a.past.size - b.past.size || compareFacts(a, b),
  )

const membersOf = (stays: ReadonlyMap<string, Stay>, authority: Authority, facts: readonly Fact[]) => {
  const joins = Map.groupBy(
    facts.filter((fact) => isFact(fact, 'join')),
    ({ user }) => user,
  )
  const members = new Map<UserName, Member>()
  for (const [name, stay] of [...stays].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const user = name as UserName
    const present = presentOf(stay).toSorted(compareFacts)
    const [entry] = present
    if (entry === undefined) continue
    const rank = authority.rankOfUser(user)
    const joined = present.some(
      ({ hash, body }) =>
        body.kind === 'room' || (joins.get(user) ?? []).some((join) => join.hash === hash || join.past.has(hash)),
    )
    members.set(user, { admin: rank !== null, rank, joined, entry: entry.hash })
  }
  return members
}

/** Facts that no other fact's author knew, in the order of their hashes. */
const headsOf = (facts: readonly Fact[]): readonly RecordHash[] => {
  const heads: Fact[] = []
  for (const fact of facts.toReversed()) {
    if (!heads.some(({ past }) => past.has(fact.hash))) heads.push(fact)
  }
  return heads.map(({ hash }) => hash).sort()
}
