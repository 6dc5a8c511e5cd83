import { type Fact, type FactOf, isFact } from '../../peer/group/fact.ts'
import { createKnowledge, isSameLog, type Knowledge, type Past } from '../../peer/group/knowledge.ts'
import { evaluate, type Membership } from '../../peer/group/membership.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import { isRefusal } from '../../shared/errors.ts'
import { type RecordHash, type RoomId, toHex, toIncarnation, toRecordHash, type UserName } from '../../shared/ids.ts'
import { CLOCK_SKEW_MS, RECEIPT_GRACE_MS, SECOND_MS } from '../../shared/limits.ts'
import { isMembershipKind, membershipBodyOf } from '../../shared/wire/membership.ts'
import { receiptBodyCodec } from '../../shared/wire/receipt.ts'
import { type Evidence, inTime, type Known, logName, type Witness } from './evidence.ts'
import { type Forks, forksHeldBy } from './forks.ts'

/** A room as it is by everything that is known of it, and who should agree on that. */
export type Reference = {
  readonly room: RoomId
  readonly kind: 'general' | 'direct' | 'founded'
  readonly openTo: 'all' | 'since-join'
  /** Witnesses whose user is a member. */
  readonly members: readonly Witness[]
  isMember(user: UserName): boolean
  /** All that the members hold, in the order of time. */
  readonly records: readonly Known[]
  readonly facts: readonly Fact[]
  /** Null of a room that no record founds. */
  readonly membership: Membership | null
  pastOf(record: Known): Past
  /**
   * Whether a user was a member for whoever knew this, whatever revocations it had heard of.
   * @param knewForks what it had proof of: to who has none, what lies beyond a fork counts as anything else does. Left out: all
   */
  couldBeMember(user: UserName, past: Past, knewForks?: Forks): boolean
  /** Whether its history policy grants a user a message. */
  grants(user: UserName, record: Known): boolean
  /** Whether a record counts for nobody. */
  isHidden(record: Known): boolean
}

/** All rooms that a witness knows, but for the directory. */
export const referencesOf = (evidence: Evidence): Reference[] => {
  const rooms = new Map<RoomId, { readonly kind: string; readonly other: string }>()
  for (const { life } of evidence.witnesses) {
    for (const room of life.core.rooms.all()) rooms.set(room.id, { kind: room.kind, other: room.facts().name })
  }
  return [...rooms].flatMap(([room, { kind }]) => {
    if (kind === 'directory') return []
    if (kind === 'founded') return foundedReference(evidence, room)
    return fixedReference(evidence, room, kind === 'direct' ? 'direct' : 'general')
  })
}

const fixedReference = (evidence: Evidence, room: RoomId, kind: 'general' | 'direct'): Reference[] => {
  const facts = evidence.witnesses.map(({ life }) => life.core.rooms.get(room)?.facts()).find((one) => one != null)
  const isMember = (user: UserName): boolean => facts?.members?.has(user) ?? true
  const members = evidence.witnesses.filter(({ seat }) => isMember(seat.user))
  const records = heldBy(evidence, members, room)
  return [
    {
      room,
      kind,
      openTo: 'all',
      members,
      isMember,
      records,
      facts: [],
      membership: null,
      pastOf: () => NOTHING,
      couldBeMember: () => true,
      grants: isMember,
      isHidden: hiding(evidence, members, room, records, null),
    },
  ]
}

/** What is known is what members hold; who they are hangs on what is known: until nothing changes any more. */
const foundedReference = (evidence: Evidence, room: RoomId): Reference[] => {
  let members = evidence.witnesses
  for (;;) {
    const made = referenceBy(evidence, room, members)
    if (made === null) return []
    if (made.members.length === members.length) return [made]
    members = made.members
  }
}

const referenceBy = (evidence: Evidence, room: RoomId, by: readonly Witness[]): Reference | null => {
  const records = heldBy(evidence, by, room)
  const forks = allForks(by, room)
  const beside = evidence.voids.filter(({ log }) => log.room === room)
  const { knowledge, facts, voids } = factsOf([...records, ...beside].sort(inTime), forks)
  const founding = facts.find((fact): fact is FactOf<'room'> => isFact(fact, 'room'))
  if (founding === undefined) return null
  const atFirst = evaluate(founding, facts)
  const hasSay = ({ log, seq, user }: Known): boolean =>
    atFirst.wasMember(user) &&
    !atFirst.hiddenRanges(user, log, knowledge).some(([first, last]) => first <= seq && seq <= last)
  const revoked = revokedFrom(evidence, records, forks, hasSay)
  const counts = ({ log, seq }: Fact): boolean =>
    seq < (revoked.get(logName(log)) ?? Number.POSITIVE_INFINITY) &&
    seq < (forks.get(logName(log)) ?? Number.POSITIVE_INFINITY)
  const membership = evaluate(founding, facts, counts)
  // Lists come one after the other, and testimonies when they come: what counts for who has heard of some of them.
  const out = [...evidence.world.journal.revoked.keys()]
  const heard = out.flatMap((_, last) => {
    const isOut = ({ log }: Fact): boolean => out.slice(0, last + 1).includes(evidence.seatOf(log.device))
    return [(fact: Fact) => !isOut(fact) || counts(fact), (fact: Fact) => !isOut(fact)]
  })
  const views = new Map<Past, readonly Membership[]>()
  const viewsOf = (past: Past): readonly Membership[] => {
    const known = views.get(past)
    if (known !== undefined) return known
    const had = facts.filter(({ hash }) => past.has(hash))
    const made = [undefined, counts, ...heard].map((some) => evaluate(founding, had, some))
    views.set(past, made)
    return made
  }
  const viewsWithout = (past: Past, knewForks: Forks): readonly Membership[] => {
    const cited = voids.filter(({ hash }) => past.has(hash))
    const had = [...cited, ...voids.filter(({ hash }) => cited.some((fact) => fact.past.has(hash)))].filter(
      ({ log, seq }) => seq < (knewForks.get(logName(log)) ?? Number.POSITIVE_INFINITY),
    )
    if (had.length === 0) return []
    had.push(...facts.filter(({ hash }) => past.has(hash)))
    return [undefined, ...heard].map((some) => evaluate(founding, had, some))
  }
  return {
    room,
    kind: 'founded',
    openTo: founding.body.history,
    members: by.filter(({ seat }) => membership.members.has(seat.user)),
    isMember: (user) => membership.members.has(user),
    records,
    facts,
    membership,
    pastOf: ({ log, seq }) => knowledge.pastOf(log, seq),
    couldBeMember: (user, past, knewForks) =>
      viewsOf(past).some(({ members }) => members.has(user)) ||
      (knewForks !== undefined && viewsWithout(past, knewForks).some(({ members }) => members.has(user))),
    grants: (user, { log, seq }) =>
      membership.members.has(user) &&
      (founding.body.history === 'all' || membership.entryKnownBy(user, knowledge.pastOf(log, seq))),
    isHidden: hiding(evidence, by, room, records, { membership, knowledge, hasSay }),
  }
}

const heldBy = ({ known }: Evidence, by: readonly Witness[], room: RoomId): Known[] =>
  [...(known.get(room)?.values() ?? [])]
    .filter(({ hash }) => by.some(({ rooms }) => rooms.get(room)?.has(hash) === true))
    .sort(inTime)

/** Learns all records, each after those that it cites and those before it, whatever their times claim. */
const factsOf = (
  records: readonly Known[],
  forks: Forks,
): {
  knowledge: Knowledge
  facts: Fact[]
  /** What lies beyond forks: it counts for nobody who has proof of them. */
  voids: Fact[]
} => {
  const knowledge = createKnowledge()
  const facts: Fact[] = []
  const voids: Fact[] = []
  const next = new Map<string, number>()
  let left = records
  while (left.length > 0) {
    const later = left.filter((record) => {
      const { log, seq, header, hash, user, body } = record
      const after = header.after.map(toRecordHash)
      const isFactKind = isMembershipKind(header.kind)
      const fork = forks.get(logName(log)) ?? Number.POSITIVE_INFINITY
      if (Math.min(seq, fork) > (next.get(logName(log)) ?? 0) || knowledge.lacks(after).length > 0) return true
      if (seq < fork) {
        next.set(logName(log), seq + 1)
        knowledge.note(log, seq, after, isFactKind ? hash : undefined)
      } else if (isFactKind) knowledge.noteVoid(log, fork, after, hash)
      if (!isMembershipKind(header.kind) || body === null) return false
      const said = membershipBodyOf(header.kind, body)
      if (isRefusal(said)) return false
      const [ms, count] = header.time
      const fact = { hash, user, log, seq, time: { ms, count }, body: said }
      if (seq < fork) facts.push({ ...fact, past: knowledge.pastOf(log, seq) })
      else voids.push({ ...fact, past: pastBeyond(knowledge.pastOf(log, fork), after, fact, [...facts, ...voids]) })
      return false
    })
    if (later.length === left.length) return { knowledge, facts, voids }
    left = later
  }
  return { knowledge, facts, voids }
}

/** What the author of a record beyond a fork knew: an evil device writes membership records on one branch only. */
const pastBeyond = (
  before: Past,
  after: readonly RecordHash[],
  { log, seq }: Pick<Fact, 'log' | 'seq'>,
  others: readonly Fact[],
): Past => {
  const known = others.filter((fact) => after.includes(fact.hash) || (isSameLog(fact.log, log) && fact.seq < seq))
  const has = (hash: RecordHash): boolean =>
    before.has(hash) || known.some((fact) => fact.hash === hash || fact.past.has(hash))
  return { size: others.filter(({ hash }) => has(hash)).length, has }
}

const allForks = (by: readonly Witness[], room: RoomId): Forks => {
  const lowest = new Map<string, number>()
  for (const witness of by) {
    for (const [log, seq] of forksHeldBy(witness.life, room)) lowest.set(log, Math.min(seq, lowest.get(log) ?? seq))
  }
  return lowest
}

/** As a revocation list tells it. */
export const secondOf = (ms: number): number => ms - (ms % SECOND_MS)

/** Of each log of a revoked device, the first number that no receipt in time proves to be older than the revocation. */
const revokedFrom = (
  { world, seatOf }: Evidence,
  records: readonly Known[],
  forks: Forks,
  hasSay: (receipt: Known) => boolean,
): ReadonlyMap<string, number> => {
  const { revoked } = world.journal
  const from = new Map<string, number>()
  const at = new Map(records.map((record) => [`${logName(record.log)}/${record.seq}`, record.hash]))
  for (const { log } of records) if (revoked.has(seatOf(log.device))) from.set(logName(log), 0)
  for (const receipt of records) {
    const body = receipt.header.kind === 'receipt' ? receiptBodyCodec.decode(receipt.body ?? new Uint8Array()) : null
    if (body === null || isRefusal(body) || revoked.has(seatOf(receipt.log.device))) continue
    if ([...forks.keys()].some((log) => log.startsWith(`${receipt.log.device}/`)) || !hasSay(receipt)) continue
    for (const { device, inc, seq, hash } of body.held) {
      const name = `${device}/${toIncarnation(inc)}`
      const since = revoked.get(seatOf(device as LogId['device']))
      if (
        since === undefined ||
        receipt.log.device === device ||
        receipt.header.time[0] > secondOf(since) + RECEIPT_GRACE_MS
      )
        continue
      // Whichever branch of a fork it names, before the fork there is but one.
      const fork = forks.get(name)
      if (fork !== undefined && seq >= fork) from.set(name, Math.max(from.get(name) ?? 0, fork))
      else if (at.get(`${name}/${seq}`) === toHex(hash)) from.set(name, Math.max(from.get(name) ?? 0, seq + 1))
    }
  }
  for (const { log, seq, header } of records) {
    const since = revoked.get(seatOf(log.device))
    if (since === undefined || header.time[0] <= secondOf(since) + CLOCK_SKEW_MS) continue
    from.set(logName(log), Math.min(from.get(logName(log)) ?? 0, seq))
  }
  return from
}

const hiding = (
  evidence: Evidence,
  by: readonly Witness[],
  room: RoomId,
  records: readonly Known[],
  founded: {
    readonly membership: Membership
    readonly knowledge: Knowledge
    readonly hasSay: (receipt: Known) => boolean
  } | null,
) => {
  const forks = allForks(by, room)
  const revoked = revokedFrom(evidence, records, forks, founded?.hasSay ?? (() => true))
  return ({ log, seq, user }: Known): boolean => {
    const name = logName(log)
    if (
      seq >= (revoked.get(name) ?? Number.POSITIVE_INFINITY) ||
      seq >= (forks.get(name) ?? Number.POSITIVE_INFINITY)
    ) {
      return true
    }
    const ranges = founded?.membership.hiddenRanges(user, log, founded.knowledge) ?? []
    return ranges.some(([first, last]) => first <= seq && seq <= last)
  }
}

const NOTHING: Past = { size: 0, has: () => false }
