import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { Refusal } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import type { Verdict } from '../rooms/room.ts'
import type { LogId } from '../store/log-id.ts'
import type { ParsedRecord } from './record.ts'

/** Who may write what, as far as taking records in needs to know. */
export type Judge = {
  /** Null, or why no record like this has a place here: the room is not known, and this record does not found it. */
  admits(record: ParsedRecord): Refusal | null
  /** What a record means that is next in its log, whose author is proved. */
  judge(record: ParsedRecord, author: VerifiedDevice, log: LogId): Verdict
  /** The record is being stored, within a transaction. */
  learn(log: LogId, record: ParsedRecord, author: VerifiedDevice): void
  /** The author of a log in this room was found to have signed two records with one number; within a transaction. */
  forked(room: RoomId): void
  /**
   * A membership record beyond a fork of its log is here; within a transaction. It counts for nobody, but others may cite it.
   * @returns what it cites and is not here, for which it has to wait
   */
  learnVoid(log: LogId, record: ParsedRecord): RecordHash | null
  /** All of the transaction is learnt: hides what does not count, within it. */
  conclude(): void
  /** Whether a record that was taken counts for nobody, because its author was removed or revoked by then. */
  isHidden(log: LogId, seq: number): boolean
  /** The transaction is done: tells what has changed with it. */
  settle(): void
  /** The transaction failed: what was learnt in it does not hold. */
  forget(): void
}
