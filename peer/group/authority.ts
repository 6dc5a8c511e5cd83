import type { RecordHash } from '../../shared/ids.ts'
import { addTo, type Chains, firstUnknown, lastKnown } from './chains.ts'
import { compareHashes, type Fact, type FactOf, isFact } from './fact.ts'
import type { Past } from './knowledge.ts'

/**
 * How senior an admin is. The creator has depth 0, and who was granted by an admin of depth n has n + 1; in one depth the
 * lower hash of the grant is senior: it is the same for all readers, and nobody can change it afterwards.
 */
export type Rank = { readonly depth: number; readonly grant: RecordHash }

/** What only an admin may write. */
export type Operation = FactOf<'invite' | 'remove' | 'grant' | 'settings'>

/** Who could do what in a room, decided for a set of facts. */
export type Authority = {
  /** The rank that a valid operation was done with; null of one that is void. */
  rankOf(operation: RecordHash): Rank | null
  /** The rank that an operation which is not among the facts would be done with; null: it would be void. */
  rankFor(operation: Operation): Rank | null
  /** The rank of a user by all that is known; null: no admin. Whether the user is a member is not asked. */
  rankOfUser(user: string): Rank | null
  /** Whether an ending of this rank against a user would be void, since the user is not junior to it. */
  isShielded(user: string, by: Rank, past: Past): boolean
}

/** Makes its user an admin. `ended` are the first endings in each log that end it: by seniors, and not known to its author. */
type Grant = { readonly rank: Rank; readonly fact: Fact | null; readonly ended: readonly Fact[] }

/** An operation as it is judged; `hash` is null of one that is not written. */
type Attempt = { readonly hash: RecordHash | null; readonly past: Past }

/**
 * Decides all operations, the most senior rank first. An operation is undone only by somebody more senior than the grant
 * that it relies on; so when the turn of a rank comes, all that could undo its operations is decided already. Hence the
 * answer depends on the facts alone, and not on the order in which they came.
 * @param facts causes first
 */
export const authorityOf = (creator: string, open: boolean, facts: readonly Fact[]): Authority => {
  const operations = Map.groupBy(facts.filter(isOperation), ({ user }) => user as string)
  const grants = new Map<string, Grant[]>()
  const endings = new Map<string, Map<string, Fact[]>>()
  const ranks = new Map<RecordHash, Rank>()
  const isBack = returnsOf(creator, open, facts)

  const decide = (user: string, grant: Grant): readonly Due[] => {
    const given: Due[] = []
    for (const operation of operations.get(user) ?? []) {
      if (ranks.has(operation.hash) || !carries(grant, operation) || !isBack(user, operation.past)) continue
      const { body, past } = operation
      if (isEnding(operation)) {
        if (isShielded(operation.body.user, grant.rank, past)) continue
        addTo(chainsOf(endings, operation.body.user), operation)
      }
      ranks.set(operation.hash, grant.rank)
      if (body.kind === 'grant' && body.admin)
        given.push({ user: body.user, ...grantOf(operation, grant.rank.depth + 1) })
    }
    return given
  }
  /**
   * Nobody is removed, and nobody's grant withdrawn, by a junior, nor by oneself: of two admins who remove each other the
   * senior one stays, for all readers the same. The shield falls when the author knew of what had ended the grant.
   */
  const isShielded = (user: string, by: Rank, past: Past): boolean =>
    (grants.get(user) ?? []).some(
      ({ rank, ended }) => compareRanks(rank, by) <= 0 && !ended.some(({ hash }) => past.has(hash)),
    )
  /** At the grant's turn, all endings that are decided are by seniors. */
  const endedBy = (user: string, fact: Fact | null): readonly Fact[] =>
    fact === null ? [] : firstUnknown(endings.get(user) ?? NONE, fact.past)

  for (let due: readonly Due[] = [{ user: creator, rank: CREATOR, fact: null }]; due.length > 0; ) {
    // Who was granted at one depth is due at the next: no turn comes before one that is more senior.
    due = due
      .toSorted((a, b) => compareRanks(a.rank, b.rank))
      .flatMap(({ user, rank, fact }) => {
        const grant = { rank, fact, ended: endedBy(user, fact) }
        push(grants, user, grant)
        return decide(user, grant)
      })
  }
  const rankFor = (user: string, attempt: Attempt): Rank | null =>
    (grants.get(user) ?? []).find((grant) => carries(grant, attempt))?.rank ?? null

  return {
    rankOf: (operation) => ranks.get(operation) ?? null,
    rankFor: (operation) => {
      const rank = isBack(operation.user, operation.past) ? rankFor(operation.user, operation) : null
      if (rank === null || !isEnding(operation)) return rank
      return isShielded(operation.body.user, rank, operation.past) ? null : rank
    },
    rankOfUser: (user) => rankFor(user, { hash: null, past: EVERYTHING }),
    isShielded,
  }
}

type Due = Omit<Grant, 'ended'> & { readonly user: string }

/** The creator's, whom the room itself names: nobody is more senior, so nothing ends it. */
const CREATOR: Rank = { depth: 0, grant: '' as RecordHash }

/** What somebody knows who knows all facts. */
export const EVERYTHING: Past = { size: Number.POSITIVE_INFINITY, has: () => true }

/** Whether it takes an admin to write this. */
export const isOperation = (fact: Fact): fact is Operation => isFact(fact, 'invite', 'remove', 'grant', 'settings')

const isEnding = (fact: Operation): fact is FactOf<'remove' | 'grant'> =>
  isFact(fact, 'remove') || (isFact(fact, 'grant') && !fact.body.admin)

/**
 * Whether an operation may rely on a grant: its author knew the grant, and who ended the grant knew the operation. So a
 * removal or withdrawal wins over what is done at the same time, and an admin who was removed cannot go on under another
 * clock. A grant by somebody who knew of the ending is not ended by it: it is a new beginning.
 */
const carries = ({ fact, ended }: Grant, { hash, past }: Attempt): boolean =>
  (fact === null || past.has(fact.hash)) && ended.every((ending) => hash !== null && ending.past.has(hash))

/**
 * Who has left has no say before coming back: an invite or grant by somebody else, or a join of an open room, must be known
 * that was not known when leaving. Whether that one is valid is not asked, since it may hang on this very admin; nor whether
 * its author knew of the leave, which may itself be void. So an admin who left may have a say too early, if somebody invited
 * it meanwhile: nobody had taken it away.
 */
const returnsOf = (creator: string, open: boolean, facts: readonly Fact[]) => {
  const leaves = new Map<string, Map<string, Fact[]>>()
  const comings = new Map<string, Map<string, Fact[]>>()
  for (const fact of facts) {
    const { user, body, past } = fact
    if (body.kind === 'leave') addTo(chainsOf(leaves, user), fact)
    if (body.kind === 'room' && user === creator && past.size === 0) addTo(chainsOf(comings, user), fact)
    if (body.kind === 'join' && open) addTo(chainsOf(comings, user), fact)
    const isBrought = body.kind === 'invite' || (body.kind === 'grant' && body.admin)
    if (isBrought && body.user !== user) addTo(chainsOf(comings, body.user), fact)
  }
  return (user: string, past: Past): boolean => {
    const left = lastKnown(leaves.get(user) ?? NONE, past)
    return (
      left.length === 0 ||
      left.every((leave) => lastKnown(comings.get(user) ?? NONE, past).some(({ hash }) => !leave.past.has(hash)))
    )
  }
}
const NONE: Chains = new Map()

const chainsOf = (of: Map<string, Map<string, Fact[]>>, user: string): Map<string, Fact[]> => {
  const chains = of.get(user) ?? new Map<string, Fact[]>()
  of.set(user, chains)
  return chains
}

const compareRanks = (a: Rank, b: Rank): number => a.depth - b.depth || compareHashes(a.grant, b.grant)
const grantOf = (fact: Fact, depth: number): { rank: Rank; fact: Fact } => ({ rank: { depth, grant: fact.hash }, fact })

const push = <Key, T>(lists: Map<Key, T[]>, key: Key, item: T): void => {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}
