import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import type { LogId } from '../store/log-id.ts'
import type { Placement } from '../store/records.ts'
import type { OpenedMessage } from './opened-message.ts'
import type { ParsedRecord } from './record.ts'

/** What else is kept of records; both within the transaction that stores them. */
export type Notes = {
  /** A record, whether it counts or not. */
  witnessed(log: LogId, record: ParsedRecord): void
  /** A record that counts. */
  stored(log: LogId, record: ParsedRecord, author: VerifiedDevice): void
  /** What a message is that has just become readable; asked before it is stored … */
  placement(message: Omit<OpenedMessage, 'arrival' | 'hidden'>): Placement
  /** … and told once it is, whether it counts or not … */
  placed(message: OpenedMessage): void
  /** … or of one that was stored before, in one go. */
  opened(message: OpenedMessage): void
}
