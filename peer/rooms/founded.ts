import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { foundedRoomIdOf, type NetworkId, type RoomId, toRecordHash, type UserName } from '../../shared/ids.ts'
import { AFTER_MAX } from '../../shared/limits.ts'
import { isMembershipKind, membershipBodyOf } from '../../shared/wire/membership.ts'
import { type Fact, type FactOf, isFact } from '../group/fact.ts'
import { createKnowledge } from '../group/knowledge.ts'
import { evaluate, type Membership } from '../group/membership.ts'
import type { LogId } from '../store/records.ts'
import type { Room, RoomFacts, RoomRecord } from './room.ts'

export type FoundedRoomParts = {
  readonly id: RoomId
  readonly network: NetworkId
  /** Whether a record of a log counts as far as revocations go. */
  readonly vouched: (log: LogId, seq: number) => boolean
}

/** A room that a record founded, and whose members its records tell. Before its `room` record has come it has none. */
export const foundedRoom = ({ id, network, vouched }: FoundedRoomParts): Room => {
  const knowledge = createKnowledge()
  const facts = new Map<string, Fact>()
  let founding: FactOf<'room'> | null = null
  let membership: Membership | null = null
  let version = 0

  const now = (): Membership | null => {
    if (founding !== null) {
      membership ??= evaluate(founding, facts.values(), ({ log, seq }) => vouched({ room: id, ...log }, seq))
    }
    return membership
  }
  const outsider = (user: UserName): Refusal | null =>
    now()?.members.has(user) === true ? null : refuse('not-a-member', user)
  const note = ({ hash, header, log }: RoomRecord): void =>
    knowledge.note(log, header.seq, header.after.map(toRecordHash), isMembershipKind(header.kind) ? hash : undefined)

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
    if (!isMembershipKind(header.kind) || record.body === null || facts.has(hash)) return
    const body = membershipBodyOf(header.kind, record.body)
    if (isRefusal(body)) return
    const [ms, count] = header.time
    const past = knowledge.pastOf(log, header.seq)
    const fact: Fact = { hash, user, log, seq: header.seq, time: { ms, count }, body, past }
    facts.set(hash, fact)
    if (founding === null && isFact(fact, 'room')) founding = fact
    membership = null
    version++
  }

  return {
    id,
    kind: 'founded',
    judge,
    place: note,
    learn,
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
