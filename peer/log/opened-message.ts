import type { CertificateHash, RecordHash } from '../../shared/ids.ts'
import type { LogId } from '../store/log-id.ts'

/** A message that has just become readable. */
export type OpenedMessage = {
  readonly hash: RecordHash
  /** Its place in the store. */
  readonly arrival: number
  readonly author: CertificateHash
  readonly log: LogId
  readonly seq: number
  /** Milliseconds since the epoch, by the author's hybrid clock, and its counter. */
  readonly ms: number
  readonly count: number
  /** It is readable, and counts for nobody. */
  readonly hidden: boolean
  readonly plaintext: Uint8Array
}
