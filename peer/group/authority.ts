import type { RecordHash, UserName } from '../../shared/ids.ts'
import { compareHashes, type Fact, type FactOf, isFact } from './fact.ts'
import type { Past } from './knowledge.ts'

/**
 * How senior an admin is. The creator has depth 0, and who was granted by an admin of depth n has n + 1; in one depth the
 * lower hash of the grant is senior, which nobody chooses once the grant is signed, and which is the same for all readers.
 */
export type Rank = { readonly depth: number; readonly grant: RecordHash }

export const compareRanks = (a: Rank, b: Rank): number => a.depth - b.depth || compareHashes(a.grant, b.grant)

/** What only an admin may write. */
export type Operation = FactOf<'invite' | 'remove' | 'grant' | 'settings'>

/** What an operation is judged by; `hash` is null of one that is not written yet. */
type Attempt = { readonly user: string; readonly hash: RecordHash | null; readonly past: Past }

/** Who could do what in a room, decided for a set of facts. */
export type Authority = {
  /** The rank that a valid operation was done with; null of one that is void. */
  rankOf(operation: RecordHash): Rank | null
  /** The rank with which an operation that is not decided yet would be done; null: it would be void. */
  rankFor(operation: Operation): Rank | null
  /** The rank of a user by all that is known; null: no admin. Whether the user is a member is not asked. */
  rankOfUser(user: string): Rank | null
  /** Whether an operation of this rank against a user is void, since the user is senior. */
  shielded(user: string, rank: Rank, past: Past): boolean
  /** Valid operations, in the order of the facts. */
  readonly operations: readonly Operation[]
}

type Grant = { readonly rank: Rank /** Null: the creator's, whom the room itself names. */; readonly fact: Fact | null }
type Ending = { readonly rank: Rank; readonly fact: Fact }

/**
 * Decides all operations, the most senior rank first: an operation can only be undone by somebody more senior than the
 * grant that it relies on, so when a rank's turn comes, everything that could undo its operations is decided already.
 * Hence the answer depends on the facts alone and not on the order in which they came.
 */
export const authorityOf = (creator: UserName, open: boolean, facts: readonly Fact[]): Authority => {
  const byUser = Map.groupBy(facts.filter(isOperation), ({ user }) => user as string)
  const comings = Map.groupBy(facts, (fact) => comingOf(fact, creator, open))
  const leaves = Map.groupBy(facts, ({ user, body }) => (body.kind === 'leave' ? (user as string) : null))
  const grants = new Map<string, Grant[]>([[creator, [{ rank: CREATOR, fact: null }]]])
  const endings = new Map<string, Ending[]>()
  const ranks = new Map<RecordHash, Rank>()

  /**
   * A removal or withdrawal ends the grants of who is junior to its author, and with them all that the author did not know
   * of: so it wins over what is done at the same time, and an admin who is removed cannot go on under another clock. A later
   * grant, by somebody who knew of it, is a new beginning.
   */
  const standsFor = (grant: Grant, { hash, past }: Attempt, user: string): boolean =>
    (grant.fact === null || past.has(grant.fact.hash)) &&
    (endings.get(user) ?? []).every(
      ({ rank, fact }) =>
        compareRanks(rank, grant.rank) >= 0 ||
        (hash !== null && fact.past.has(hash)) ||
        (grant.fact?.past.has(fact.hash) ?? false),
    )
  /**
   * Who has left has no say before coming back: an invite, a grant or (in an open room) a join must be known that was not
   * known when leaving. Their validity is not asked for here, since it may hang on this very admin.
   */
  const isBack = ({ user, past }: Attempt): boolean =>
    (leaves.get(user) ?? []).every(
      (leave) =>
        !past.has(leave.hash) ||
        (comings.get(user) ?? []).some((coming) => past.has(coming.hash) && !leave.past.has(coming.hash)),
    )
  /**
   * Nobody is removed, and nobody's grant is withdrawn, by a junior: of two admins who remove each other the senior one
   * stays, for all readers the same. The shield falls when the author knew that a more senior admin had ended the grant.
   */
  const shielded = (user: string, by: Rank, past: Past): boolean =>
    (grants.get(user) ?? []).some(
      (grant) =>
        compareRanks(grant.rank, by) <= 0 &&
        !(endings.get(user) ?? []).some(
          ({ rank, fact }) =>
            compareRanks(rank, grant.rank) < 0 && past.has(fact.hash) && !(grant.fact?.past.has(fact.hash) ?? false),
        ),
    )

  const decide = (grant: Grant, user: string): void => {
    for (const operation of byUser.get(user) ?? []) {
      if (ranks.has(operation.hash) || !standsFor(grant, operation, user) || !isBack(operation)) continue
      const { body } = operation
      if (isEnding(operation)) {
        if (shielded(operation.body.user, grant.rank, operation.past)) continue
        push(endings, operation.body.user, { rank: grant.rank, fact: operation })
      }
      ranks.set(operation.hash, grant.rank)
      if (body.kind !== 'grant' || !body.admin) continue
      const given = { rank: { depth: grant.rank.depth + 1, grant: operation.hash }, fact: operation }
      push(grants, body.user, given)
      next.push([body.user, given])
    }
  }
  let next: [user: string, grant: Grant][] = [[creator, { rank: CREATOR, fact: null }]]
  while (next.length > 0) {
    const depth = next.sort(([, a], [, b]) => compareRanks(a.rank, b.rank))
    next = []
    for (const [user, grant] of depth) decide(grant, user)
  }

  const rankFor = (attempt: Attempt): Rank | null =>
    (grants.get(attempt.user) ?? [])
      .filter((grant) => standsFor(grant, attempt, attempt.user))
      .map(({ rank }) => rank)
      .sort(compareRanks)[0] ?? null

  return {
    rankOf: (operation) => ranks.get(operation) ?? null,
    rankFor: (operation) => {
      const rank = isBack(operation) ? rankFor(operation) : null
      if (rank === null || !isEnding(operation)) return rank
      return shielded(operation.body.user, rank, operation.past) ? null : rank
    },
    rankOfUser: (user) => rankFor({ user, hash: null, past: EVERYTHING }),
    shielded,
    operations: facts.filter((fact): fact is Operation => ranks.has(fact.hash)),
  }
}

/** What somebody knows who knows all facts. */
export const EVERYTHING: Past = { size: Number.POSITIVE_INFINITY, has: () => true }

const CREATOR: Rank = { depth: 0, grant: '' as RecordHash }

/** Whether it takes an admin to write this. */
export const isOperation = (fact: Fact): fact is Operation => isFact(fact, 'invite', 'remove', 'grant', 'settings')
const isEnding = (fact: Operation): fact is FactOf<'remove' | 'grant'> =>
  isFact(fact, 'remove') || (isFact(fact, 'grant') && !fact.body.admin)

/** Whom a fact would bring into the room, were it valid. */
const comingOf = ({ user, body }: Fact, creator: string, open: boolean): string | null => {
  if (body.kind === 'invite' || (body.kind === 'grant' && body.admin)) return body.user === user ? null : body.user
  if (body.kind === 'room') return creator
  return body.kind === 'join' && open ? user : null
}

const push = <Key, T>(lists: Map<Key, T[]>, key: Key, item: T): void => {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}
