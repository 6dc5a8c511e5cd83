import { toIncarnation } from '../../shared/ids.ts'
import type { Entry } from './membership.ts'

/**
 * The rules of membership as they are said, one after the other, with no thought of speed: every set is spelt out, every
 * rule looks at every record. What the peer computes must be the same.
 */
export type Rules = {
  /** `alice* bob`: admins with a star. */
  readonly members: readonly string[]
  /** Names of valid operations. */
  readonly valid: ReadonlySet<string>
  /** Why a record counts for nobody, or null. */
  judge(record: Entry): 'not-a-member' | 'removed' | null
  readonly name: string
}

type Rank = readonly [depth: number, hash: string]
type Grant = { readonly rank: Rank; readonly record: Entry | null }

const isBefore = ([a, x]: Rank, [b, y]: Rank): boolean => a < b || (a === b && x < y)

export const rulesOf = (records: readonly Entry[]): Rules => {
  const byHash = new Map(records.map((record) => [record.hash as string, record]))
  const facts = records.filter(({ body }) => body !== null)
  const known = pastsOf(records, byHash)
  const knows = (record: Entry, fact: Entry): boolean => known.get(record.hash)?.has(fact.hash) ?? false
  const founding = facts.find(({ body }) => body?.kind === 'room')?.body
  if (founding?.kind !== 'room') throw new Error('no room')
  const isOpen = founding.access === 'open'

  // Who could do what.
  const isGrant = ({ body }: Entry) => body?.kind === 'grant' && body.admin
  const isEnding = ({ body }: Entry) => body?.kind === 'remove' || (body?.kind === 'grant' && !body.admin)
  const subjectOf = ({ body }: Entry): string | null => (body !== null && 'user' in body ? body.user : null)
  const operations = facts.filter(({ body }) => ['invite', 'remove', 'grant', 'settings'].includes(body?.kind ?? ''))
  const ranks = new Map<Entry, Rank>()
  const endings = (user: string) => [...ranks].filter(([one]) => isEnding(one) && subjectOf(one) === user)
  const grantsOf = (user: string): Grant[] => [
    ...(user === founding.creator ? [{ rank: [0, ''] as const, record: null }] : []),
    ...[...ranks]
      .filter(([one]) => isGrant(one) && subjectOf(one) === user)
      .map(([record, [depth]]): Grant => ({ rank: [depth + 1, record.hash], record })),
  ]
  const isEndedBy = (grant: Grant, ending: Entry, rank: Rank) =>
    isBefore(rank, grant.rank) && (grant.record === null || !knows(grant.record, ending))
  const carries = (grant: Grant, user: string, record: Entry | null): boolean =>
    (grant.record === null || record === null || knows(record, grant.record)) &&
    endings(user).every(
      ([ending, rank]) => !isEndedBy(grant, ending, rank) || (record !== null && knows(ending, record)),
    )
  const isShielded = (user: string, by: Rank, record: Entry): boolean =>
    grantsOf(user).some(
      (grant) =>
        !isBefore(by, grant.rank) &&
        !endings(user).some(([ending, rank]) => isEndedBy(grant, ending, rank) && knows(record, ending)),
    )
  const comesIn = (fact: Entry, user: string): boolean =>
    (subjectOf(fact) === user && fact.user !== user && (fact.body?.kind === 'invite' || isGrant(fact))) ||
    (fact.user === user && fact.body?.kind === 'room' && known.get(fact.hash)?.size === 0) ||
    (fact.user === user && fact.body?.kind === 'join' && isOpen)
  const isBack = (record: Entry): boolean =>
    facts
      .filter((leave) => leave.body?.kind === 'leave' && leave.user === record.user && knows(record, leave))
      .every((leave) => facts.some((fact) => comesIn(fact, record.user) && knows(record, fact) && !knows(leave, fact)))
  const users = [...new Set([founding.creator, ...operations.map((one) => subjectOf(one) ?? one.user)])]
  const done: Rank[] = []
  for (;;) {
    const turns = users.flatMap((user) => grantsOf(user).map((grant) => ({ user, grant })))
    const turn = turns
      .filter(({ grant }) => !done.some((rank) => rank[0] === grant.rank[0] && rank[1] === grant.rank[1]))
      .sort((a, b) => (isBefore(a.grant.rank, b.grant.rank) ? -1 : 1))[0]
    if (turn === undefined) break
    const { user, grant } = turn
    done.push(grant.rank)
    for (const one of operations) {
      const target = subjectOf(one)
      if (one.user !== user || ranks.has(one) || !carries(grant, user, one) || !isBack(one)) continue
      if (isEnding(one) && target !== null && isShielded(target, grant.rank, one)) continue
      ranks.set(one, grant.rank)
    }
  }

  // Who came in and went out.
  const entriesOf = (user: string): Entry[] =>
    facts.filter(
      (fact) =>
        (subjectOf(fact) === user && ranks.has(fact) && (fact.body?.kind === 'invite' || isGrant(fact))) ||
        (fact.user === user && (fact.body?.kind === 'room' || (fact.body?.kind === 'join' && isOpen))),
    )
  const removalsOf = (user: string): Entry[] =>
    facts.filter((fact) => fact.body?.kind === 'remove' && ranks.has(fact) && fact.body.user === user)
  const overcomes = (entry: Entry, exit: Entry): boolean => {
    if (entry.body?.kind === 'room' || !knows(entry, exit)) return false
    if (entry.body?.kind !== 'join' || exit.body?.kind === 'leave') return true
    return entriesOf(entry.user).some((pardon) => !isOwn(pardon) && knows(entry, pardon) && knows(pardon, exit))
  }
  const cutOf = (removal: Entry, { log }: Entry): number => {
    if (removal.body?.kind !== 'remove') return -1
    const heads = removal.body.heads.filter(
      (head) => head.device === log.device && toIncarnation(head.inc) === log.incarnation,
    )
    const had = facts.filter((fact) => fact.log.device === log.device && knows(removal, fact))
    return Math.max(-1, ...heads.map(({ seq }) => seq), ...had.map(({ seq }) => seq))
  }
  const verdicts = new Map<Entry, 'not-a-member' | 'removed' | null>()
  const judge = (record: Entry): 'not-a-member' | 'removed' | null => {
    const verdict = verdicts.get(record)
    if (verdict !== undefined) return verdict
    const fresh = judgeAnew(record)
    verdicts.set(record, fresh)
    return fresh
  }
  const judgeAnew = (record: Entry): 'not-a-member' | 'removed' | null => {
    const entries = entriesOf(record.user).filter((entry) => (entry === record ? isOwn(entry) : knows(record, entry)))
    if (entries.length === 0) return 'not-a-member'
    for (const removal of removalsOf(record.user)) {
      const isWithin = !knows(record, removal) && record.seq <= cutOf(removal, record)
      if (!isWithin && !entries.some((entry) => overcomes(entry, removal))) return 'removed'
    }
    // A record knows only earlier leaves, so this ends.
    const leaves = leavesOf(record.user).filter((leave) => knows(record, leave) && judge(leave) === null)
    const isBack = (leave: Entry) =>
      entries.some((entry) => overcomes(entry, leave) || (entry === record && entry.body?.kind === 'join'))
    return leaves.every(isBack) ? null : 'not-a-member'
  }
  const isOwn = ({ body }: Entry) => body?.kind === 'join' || body?.kind === 'room'
  const leavesOf = (user: string): Entry[] =>
    facts.filter(({ body, user: by }) => body?.kind === 'leave' && by === user)

  const members = [...new Set(facts.flatMap((fact) => [fact.user as string, subjectOf(fact) ?? fact.user]))]
    .filter((user) =>
      entriesOf(user).some((entry) =>
        [...removalsOf(user), ...leavesOf(user).filter((leave) => judge(leave) === null)].every((exit) =>
          overcomes(entry, exit),
        ),
      ),
    )
    .sort()
  const isAdmin = (user: string) => grantsOf(user).some((grant) => carries(grant, user, null))

  const names = facts.filter(
    (fact) => fact.body?.kind === 'settings' && ranks.has(fact) && fact.body.name !== undefined,
  )
  const last = names
    .filter((one) => !names.some((other) => knows(other, one)))
    .sort((a, b) => a.time.ms - b.time.ms || a.time.count - b.time.count || (a.hash < b.hash ? -1 : 1))
    .at(-1)
  return {
    members: members.map((user) => (isAdmin(user) ? `${user}*` : user)),
    valid: new Set([...ranks.keys()].map(({ hash }) => hash)),
    judge: (record) => (ranks.has(record) ? null : judge(record)),
    name: (last?.body?.kind === 'settings' ? last.body.name : undefined) ?? founding.name,
  }
}

/** All facts that can be reached from what a record cites, from what earlier ones of its log cite, and from those themselves. */
const pastsOf = (records: readonly Entry[], byHash: ReadonlyMap<string, Entry>) => {
  const pasts = new Map<string, Set<string>>()
  const pastOf = (record: Entry): Set<string> => {
    const done = pasts.get(record.hash)
    if (done !== undefined) return done
    const past = new Set<string>()
    const earlier = records.filter(({ log, seq }) => log.device === record.log.device && seq < record.seq)
    const cited = [record, ...earlier].flatMap(({ after }) => after.map((hash) => byHash.get(hash)))
    for (const one of [...cited, ...earlier.filter(({ body }) => body !== null)]) {
      if (one === undefined) throw new Error('a record cites what is not there')
      for (const hash of [one.hash, ...pastOf(one)]) past.add(hash)
    }
    pasts.set(record.hash, past)
    return past
  }
  for (const record of records) pastOf(record)
  return pasts
}
