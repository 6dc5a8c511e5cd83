import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { foundedRoomIdOf, type NetworkId, type RoomId, toRecordHash, type UserName } from '../../shared/ids.ts'
import { AFTER_MAX } from '../../shared/limits.ts'
import { isMembershipKind, membershipBodyOf } from '../../shared/wire/membership.ts'
import { type Fact, type FactOf, isFact } from '../group/fact.ts'
import { createKnowledge } from '../group/knowledge.ts'
import { evaluate, type Membership } from '../group/membership.ts'
import type { LogId } from '../store/log-id.ts'
import type { Room, RoomFacts, RoomRecord } from './room.ts'

export type FoundedRoomParts = {
  readonly id: RoomId
  readonly network: NetworkId
  /** Whether a record of a log counts as far as revocations go. */
  readonly vouched: (log: LogId, seq: number) => boolean
  /** The lowest number with which the author of a log signed two records; null: there is none. */
  readonly forkOf: (log: LogId) => number | null
}

/** A room that a record founded, and whose members its records tell. Before its `room` record has come it has none. */
export const foundedRoom = ({ id, network, vouched, forkOf }: FoundedRoomParts): Room => {
  const knowledge = createKnowledge()
  const facts = new Map<string, Fact>()
  let founding: FactOf<'room'> | null = null
  let membership: Membership | null = null
  let unrevoked: Membership | null = null
  let version = 0

  const now = (): Membership | null => {
    if (founding !== null) {
      membership ??= evaluate(founding, facts.values(), ({ log, seq }) => vouched({ room: id, ...log }, seq))
    }
    return membership
  }
  /** … as it would be if nobody had ever been revoked. */
  const atFirst = (): Membership | null => {
    if (founding !== null) unrevoked ??= evaluate(founding, facts.values())
    return unrevoked
  }
  const outsider = (user: UserName): Refusal | null =>
    now()?.members.has(user) === true ? null : refuse('not-a-member', user)
  const learnVoid: Room['learnVoid'] = (log, hash, after) => knowledge.noteVoid(log, forkOf(log) ?? 0, after, hash)
  const isVoid = ({ log, header }: RoomRecord): boolean => header.seq >= (forkOf(log) ?? Number.POSITIVE_INFINITY)
  const note = (record: RoomRecord): void => {
    const { hash, header, log } = record
    const after = header.after.map(toRecordHash)
    const own = isMembershipKind(header.kind) ? hash : undefined
    if (!isVoid(record)) knowledge.note(log, header.seq, after, own)
    else if (own !== undefined) learnVoid(log, own, after)
  }

  const judge: Room['judge'] = ({ header, body, user }) => {
    if (header.kind === 'device') return refuse('record-wrong-room', header.kind)
    const [cited] = knowledge.lacks(header.after.map(toRecordHash))
    if (cited !== undefined) return { kind: 'lacks', cited }
    if (!isMembershipKind(header.kind)) return { kind: 'taken' }
    const read =
      body === null
        ? refuse('record-malformed', 'a membership record without its body')
        : membershipBodyOf(header.kind, body)
    if (isRefusal(read)) return read
    if (read.kind !== 'room') return { kind: 'taken' }
    return header.seq === 0 && read.creator === user && body !== null && foundedRoomIdOf(network, body) === id
      ? { kind: 'taken' }
      : refuse('record-wrong-room', 'it founds another room')
  }
  const learn: Room['learn'] = (record) => {
    note(record)
    const { hash, header, log, user } = record
    if (isVoid(record) && header.kind !== 'room') return
    if (!isMembershipKind(header.kind) || record.body === null || facts.has(hash)) return
    const body = membershipBodyOf(header.kind, record.body)
    if (isRefusal(body)) return
    const [ms, count] = header.time
    const past = knowledge.pastOf(log, header.seq)
    const fact: Fact = { hash, user, log, seq: header.seq, time: { ms, count }, body, past }
    facts.set(hash, fact)
    if (founding === null && isFact(fact, 'room')) founding = fact
    membership = null
    unrevoked = null
    version++
  }

  return {
    id,
    kind: 'founded',
    judge,
    place: note,
    learn,
    lacks: (after) => knowledge.lacks(after)[0] ?? null,
    learnVoid,
    refresh: () => {
      membership = null
      version++
    },
    mayWrite: (user) => (founding === null ? outsider(user) : (now()?.allowed(user, { kind: 'message' }) ?? null)),
    // Whoever likes may come into an open room: there is nothing to keep from them but the keys.
    // Who was removed, and has not heard of it, is told so.
    mayRead: (user) =>
      founding?.body.access === 'open' ? null : (now()?.allowed(user, { kind: 'message' }) ?? outsider(user)),
    mayHaveKey: (user, log, seq) => {
      const state = now()
      if (state === null || !state.members.has(user)) return false
      return founding?.body.history === 'all' || state.entryKnownBy(user, knowledge.pastOf(log, seq))
    },
    isMember: (user) => now()?.members.has(user) ?? false,
    hidden: (user, log) => now()?.hiddenRanges(user, log, knowledge) ?? [],
    couldVouch: (user, log, seq) => {
      const state = atFirst()
      if (state === null || !state.wasMember(user)) return false
      return !state.hiddenRanges(user, log, knowledge).some(([from, to]) => from <= seq && seq <= to)
    },
    cite: (log, seq) =>
      knowledge
        .newest()
        .filter((hash) => !knowledge.knows(log, seq, hash))
        .slice(0, AFTER_MAX),
    allows: (user, operation) =>
      now()?.allowed(user, operation) ?? (founding === null ? refuse('room-unknown', id) : null),
    version: () => version,
    facts: () => factsOf(id, founding, now()),
  }
}

const factsOf = (id: RoomId, founding: FactOf<'room'> | null, state: Membership | null): RoomFacts => ({
  name: state?.settings.name ?? id.slice(0, 8),
  topic: state?.settings.topic ?? '',
  access: founding?.body.access ?? 'invite',
  history: founding?.body.history ?? 'since-join',
  creator: (founding?.body.creator ?? null) as UserName | null,
  keepMs: state?.settings.keepMs ?? 0,
  keepMessages: state?.settings.keepMessages ?? 0,
  members: state?.members ?? new Map(),
})
