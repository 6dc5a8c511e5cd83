import { type Refusal, refuse } from '../../shared/errors.ts'
import { type RecordHash, toIncarnation, type UserName } from '../../shared/ids.ts'
import type { Authority } from './authority.ts'
import { type Fact, type FactOf, isFact } from './fact.ts'
import { isSameLog, type LogName, type Past } from './knowledge.ts'

/** How one user came into a room and went out of it: valid facts only, causes first. */
export type Stay = {
  readonly entries: readonly Fact[]
  readonly removals: readonly Removal[]
  readonly leaves: readonly Fact[]
}

/** A valid removal, and the number up to which a log of the removed user counts; -1: none of it. */
export type Removal = { readonly fact: Fact; readonly cut: (log: LogName) => number }

/** A record of any kind, as it is judged: `hash` is that of a fact, which others may know. */
export type Judged = {
  readonly log: LogName
  readonly seq: number
  readonly past: Past
  readonly hash?: RecordHash | undefined
}

/** How every user came and went. @param facts causes first */
export const staysOf = (
  creator: UserName,
  open: boolean,
  facts: readonly Fact[],
  authority: Authority,
): ReadonlyMap<string, Stay> => {
  const byUser = Map.groupBy(facts, ({ user }) => user as string)
  const stays = new Map<string, { entries: Fact[]; removals: Removal[]; leaves: Fact[] }>()
  const stayOf = (user: string) => {
    const stay = stays.get(user) ?? { entries: [], removals: [], leaves: [] }
    stays.set(user, stay)
    return stay
  }
  for (const fact of facts) {
    const { body, user, hash } = fact
    if (isOwnEntry(fact, creator, open)) {
      stayOf(user).entries.push(fact)
    } else if (authority.rankOf(hash) === null) {
      // Void; or not by an admin, below.
    } else if (isFact(fact, 'remove')) {
      const own = byUser.get(fact.body.user) ?? []
      stayOf(fact.body.user).removals.push({ fact, cut: (log) => cutOf(fact, own, log) })
    } else if (body.kind === 'invite' || (body.kind === 'grant' && body.admin)) {
      stayOf(body.user).entries.push(fact)
    }
  }
  // Whether a leave counts hangs on entries and removals, and on the user's earlier leaves.
  for (const leave of facts) {
    if (!isFact(leave, 'leave')) continue
    const stay = stayOf(leave.user)
    if (whyNot(stay, leave) === null) stay.leaves.push(leave)
  }
  return stays
}

/** Whether the author comes in by this without anybody's leave. In a room by invitation a `join` only takes it up. */
export const isOwnEntry = ({ body, user }: Fact, creator: string, open: boolean): boolean =>
  body.kind === 'room' ? user === creator : body.kind === 'join' && open

/** The entries that no exit has ended; none: not a member. */
export const presentOf = (stay: Stay): readonly Fact[] => {
  const exits = [...stay.removals.map(({ fact }) => fact), ...stay.leaves]
  return stay.entries.filter((entry) => exits.every((exit) => overcomes(stay, entry, exit)))
}

/**
 * An exit ends all entries that do not know of it, so that a removal wins over whatever brought the user in at the same time.
 * Who was removed does not come back by an own `join`, unless an admin who knew of the removal has invited since; and nobody
 * comes back by founding the room again.
 */
export const overcomes = ({ entries }: Pick<Stay, 'entries'>, entry: Fact, exit: Fact): boolean => {
  if (!entry.past.has(exit.hash) || isFact(entry, 'room')) return false
  if (!isFact(entry, 'join') || !isFact(exit, 'remove')) return true
  return entries.some(
    (pardon) => isFact(pardon, 'invite', 'grant') && entry.past.has(pardon.hash) && pardon.past.has(exit.hash),
  )
}

/** Null when a record of this user counts; else why it counts for nobody. */
export const whyNot = (stay: Stay, record: Judged): Refusal | null => {
  const known = stay.entries.filter(({ hash }) => hash === record.hash || record.past.has(hash))
  // The author never came in, as far as the author itself knew.
  if (known.length === 0) return refuse('not-a-member')
  const isBack = (exit: Fact) => known.some((entry) => overcomes(stay, entry, exit))
  if (stay.removals.some((removal) => !isWithin(removal, record) && !isBack(removal.fact))) return refuse('removed')
  // A leave cuts nothing off: what other devices of the user wrote meanwhile counts.
  if (stay.leaves.some((leave) => record.past.has(leave.hash) && !isBack(leave))) return refuse('not-a-member')
  return null
}

/**
 * Whether the remover had the record. What it did not have counts for nobody: otherwise a removed device could go on
 * writing as if it did not know. Heads that claim more than there was do not help records that know of the removal.
 */
const isWithin = ({ fact, cut }: Removal, { log, seq, past }: Judged): boolean =>
  !past.has(fact.hash) && seq <= cut(log)

/** How far the heads of the removal go in a log, and at least as far as the facts in it that the remover knew. */
const cutOf = (removal: FactOf<'remove'>, facts: readonly Fact[], log: LogName): number => {
  const head = removal.body.heads.find(
    ({ device, inc }) => device === log.device && toIncarnation(inc) === log.incarnation,
  )
  const known = facts.filter((fact) => isSameLog(fact.log, log) && removal.past.has(fact.hash)).map(({ seq }) => seq)
  return Math.max(-1, head?.seq ?? -1, ...known)
}
