import { type Refusal, refuse } from '../../shared/errors.ts'
import { toIncarnation } from '../../shared/ids.ts'
import type { Authority } from './authority.ts'
import { addTo, allOf, type Chains, lastKnown, lastOf } from './chains.ts'
import { type Fact, type FactOf, isFact } from './fact.ts'
import { type LogName, nameOf, type Past } from './knowledge.ts'

/** How one user came into a room and went out of it: valid facts only. */
export type Stay = {
  /** The room itself, of its creator. */
  readonly foundings: Chains
  /** Invites and grants, by admins. */
  readonly invites: Chains
  /** Joins of an open room, by the user. In a room by invitation a join only takes the invite up. */
  readonly joins: Chains
  readonly removals: Chains<FactOf<'remove'>>
  readonly leaves: Chains
  /** All that the user wrote, valid or not. */
  readonly own: Chains
}

/** A record of any kind, as it is judged; `entry` when its author comes in by this very record. */
export type Judged = {
  readonly log: LogName
  readonly seq: number
  readonly past: Past
  readonly entry?: Fact | undefined
}

/** Of a user of whom nothing is known. */
export const newStay = () => ({
  foundings: new Map<string, Fact[]>(),
  invites: new Map<string, Fact[]>(),
  joins: new Map<string, Fact[]>(),
  removals: new Map<string, FactOf<'remove'>[]>(),
  leaves: new Map<string, Fact[]>(),
  own: new Map<string, Fact[]>(),
})

/** How every user came and went. @param facts causes first */
export const staysOf = (
  creator: string,
  open: boolean,
  facts: readonly Fact[],
  authority: Pick<Authority, 'rankOf'>,
): ReadonlyMap<string, Stay> => {
  const stays = new Map<string, ReturnType<typeof newStay>>()
  const stayOf = (user: string) => {
    const stay = stays.get(user) ?? newStay()
    stays.set(user, stay)
    return stay
  }
  for (const fact of facts) {
    const { body, user, hash } = fact
    addTo(stayOf(user).own, fact)
    if (isOwnEntry(fact, creator, open)) addTo(body.kind === 'join' ? stayOf(user).joins : stayOf(user).foundings, fact)
    if (authority.rankOf(hash) === null) continue
    if (isFact(fact, 'remove')) addTo(stayOf(fact.body.user).removals, fact)
    if (body.kind === 'invite' || (body.kind === 'grant' && body.admin)) addTo(stayOf(body.user).invites, fact)
  }
  // Whether a leave counts hangs on all of those, and on the user's earlier leaves.
  for (const fact of facts) {
    if (isFact(fact, 'leave') && whyNot(stayOf(fact.user), fact) === null) addTo(stayOf(fact.user).leaves, fact)
  }
  return stays
}

/** Whether its author comes in by this without anybody's leave. */
export const isOwnEntry = ({ body, user }: Fact, creator: string, open: boolean): boolean =>
  body.kind === 'room' ? user === creator : body.kind === 'join' && open

/** Whether the user ever came in. */
export const hasEntry = ({ foundings, invites, joins }: Stay): boolean => foundings.size + invites.size + joins.size > 0

/**
 * The entries that hold; none: not a member. An exit ends all entries that do not know of it, so that a removal wins over
 * whatever brought the user in at the same time. Who was removed does not come back by an own `join`, unless an admin who
 * knew of the removal has invited since; and nobody comes back by founding the room again.
 */
export const presentOf = (stay: Stay): readonly Fact[] => {
  const removals = lastOf(stay.removals)
  const leaves = lastOf(stay.leaves)
  const knows = ({ past }: Fact, exits: readonly Fact[]): boolean => exits.every(({ hash }) => past.has(hash))
  return [
    ...allOf(stay.foundings).filter(() => removals.length + leaves.length === 0),
    ...allOf(stay.invites).filter((invite) => knows(invite, removals) && knows(invite, leaves)),
    ...allOf(stay.joins).filter(
      (join) =>
        knows(join, leaves) && removals.every((removal) => isPardoned(removal, lastKnown(stay.invites, join.past))),
    ),
  ]
}

const isPardoned = (exit: Fact, entries: readonly Fact[]): boolean => entries.some(({ past }) => past.has(exit.hash))

/** Null when a record of this user counts; else why it counts for nobody. */
export const whyNot = (stay: Stay, record: Judged): Refusal | null => {
  const { past, entry } = record
  const invites = lastKnown(stay.invites, past)
  const entries = [...invites, ...lastKnown(stay.joins, past)]
  // The author never came in, as far as the author itself knew.
  if (entries.length === 0 && lastKnown(stay.foundings, past).length === 0 && entry === undefined) {
    return refuse('not-a-member')
  }
  // Of the exits that the author knew, the last ones of each log stand for all.
  if (!lastKnown(stay.removals, past).every((removal) => isPardoned(removal, invites))) return refuse('removed')
  const unknown = allOf(stay.removals).filter(({ hash }) => !past.has(hash))
  if (unknown.some((removal) => record.seq > cutOf(stay, removal, record.log))) return refuse('removed')
  // A leave cuts nothing off: what other devices of the user wrote meanwhile counts.
  const joins = entry !== undefined && isFact(entry, 'join')
  const left = joins ? [] : lastKnown(stay.leaves, past)
  if (!left.every((leave) => isPardoned(leave, entries))) return refuse('not-a-member')
  return null
}

/**
 * The number up to which a removal lets a log of the removed user stand; -1: none of it. What the remover did not have counts
 * for nobody: otherwise a removed device could go on writing as if it did not know. It had what its heads say, and at least
 * what it knew of.
 */
export const cutOf = ({ own }: Stay, { body, past }: FactOf<'remove'>, log: LogName): number => {
  const head = body.heads.find(({ device, inc }) => device === log.device && toIncarnation(inc) === log.incarnation)
  const [known] = lastKnown(new Map([['', own.get(nameOf(log)) ?? []]]), past)
  return Math.max(head?.seq ?? -1, known?.seq ?? -1)
}
