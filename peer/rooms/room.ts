import { type Refusal, refuse } from '../../shared/errors.ts'
import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import type { RecordHeader, RecordKind } from '../../shared/wire/record.ts'
import type { Range } from '../group/cuts.ts'
import type { Attempted } from '../group/permission.ts'
import type { LogId } from '../store/log-id.ts'

/** A record as a room looks at it. */
export type RoomRecord = {
  readonly hash: RecordHash
  readonly header: RecordHeader
  /** Null where retention erased it, which it does with messages only. */
  readonly body: Uint8Array | null
  readonly log: LogId
  readonly user: UserName
}

/**
 * `taken`: it has its place in the log; whether it counts is told by `hidden`, and may change. `lacks`: it cites a record
 * that is not here. A refusal: it can never count, whatever else comes.
 */
export type Verdict = { readonly kind: 'taken' } | { readonly kind: 'lacks'; readonly cited: RecordHash } | Refusal

/** One room's rules, whatever its kind: a function of the records that it learnt. */
export type Room = {
  readonly id: RoomId
  readonly kind: 'directory' | 'general' | 'direct' | 'founded'
  /** What a record means that is next in its log, and whose author is proved. */
  judge(record: RoomRecord): Verdict
  /** A record of ours has its place in its log; it is learnt once it is stored. */
  place(record: RoomRecord): void
  /** Learns a record that was taken; those of a log in their order. */
  learn(record: RoomRecord): void
  /** The first of these hashes that the room has not learnt: whatever cites it must wait. */
  lacks(after: readonly RecordHash[]): RecordHash | null
  /** Learns a membership record that lies beyond a fork of its log, and counts for nobody; all that it cites is learnt. */
  learnVoid(log: LogId, hash: RecordHash, after: readonly RecordHash[]): void
  /** Revocations have changed: looks at its records anew. */
  refresh(): void
  /** Whether a user may write here now; the refusal says why not. */
  mayWrite(user: UserName): Refusal | null
  /** Whether a user may be served the records of the room. */
  mayRead(user: UserName): Refusal | null
  /** Whether a user may be given the key of a message. */
  mayHaveKey(user: UserName, log: LogId, seq: number): boolean
  isMember(user: UserName): boolean
  /** Numbers of a log that count for nobody. */
  hidden(user: UserName, log: LogId): readonly Range[]
  /**
   * Whether the author of a record had a say here, if nobody had ever been revoked: then its receipt is a testimony. By
   * the members who count now it would be a circle: whom a revoked admin invited is a member by the testimony of members.
   */
  couldVouch(user: UserName, log: LogId, seq: number): boolean
  /** The newest membership records, without those that the log knew with the record before this number. */
  cite(log: LogId, seq: number): readonly RecordHash[]
  /** Whether an operation of a user's would count; the refusal says why not. */
  allows(user: UserName, operation: Attempted): Refusal | null
  /** Grows with each change of members, admins or settings. */
  version(): number
  facts(): RoomFacts
}

/** What a room is, for people. */
export type RoomFacts = {
  readonly name: string
  readonly topic: string
  readonly access: 'all' | 'open' | 'invite' | 'direct'
  readonly history: 'all' | 'since-join'
  readonly creator: UserName | null
  /** How long messages are kept here; 0 is for ever. */
  readonly keepMs: number
  readonly keepMessages: number
  /** Null where everybody is. */
  readonly members: ReadonlyMap<UserName, { readonly admin: boolean }> | null
}

/** A room whose members no record changes: the directory, #general, and the rooms of two users. */
export const fixedRoom = (
  id: RoomId,
  kind: Exclude<Room['kind'], 'founded'>,
  isMember: (user: UserName) => boolean,
  facts: RoomFacts,
): Room => {
  const kinds: readonly RecordKind[] = kind === 'directory' ? ['device'] : ['sender-key', 'message', 'receipt']
  const outsider = (user: UserName): Refusal | null => (isMember(user) ? null : refuse('not-a-member', user))
  return {
    id,
    kind,
    judge: ({ header, user }) => {
      if (!kinds.includes(header.kind) || header.after.length > 0) return refuse('record-wrong-room', header.kind)
      return outsider(user) ?? { kind: 'taken' }
    },
    place: () => undefined,
    learn: () => undefined,
    lacks: () => null,
    learnVoid: () => undefined,
    refresh: () => undefined,
    mayWrite: outsider,
    mayRead: outsider,
    mayHaveKey: isMember,
    isMember,
    hidden: () => [],
    couldVouch: isMember,
    cite: () => [],
    allows: () => refuse('room-fixed', facts.name),
    version: () => 0,
    facts: () => facts,
  }
}
