import type { ParsedRecord } from '../../peer/log/record.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import type { Image } from './disk.ts'
import type { Forks } from './forks.ts'
import type { Seat } from './plan.ts'

/** What really happened, as no device knows it: the invariants are held against this. */
export type Journal = {
  /** Messages that were said: the sending had resolved. */
  readonly said: Said[]
  /** All records that left their house, by honest devices and evil ones. */
  readonly signed: Map<RecordHash, Signed>
  /** Messages whose key is erased wherever this was read, even if it came not to count afterwards. */
  readonly takenBack: Set<RecordHash>
  /** Of each edit, the message that it is of: one is erased with the other. */
  readonly edits: Map<RecordHash, RecordHash>
  /** Sends that did not end by themselves. */
  readonly waited: string[]
  /** What was thrown and nobody caught. */
  readonly faults: string[]
  readonly thefts: Theft[]
  /** For how long all slept, and when they fell asleep; milliseconds. */
  readonly sleeps: { readonly at: number; readonly ms: number }[]
  /** Devices that are revoked: since when, by the CA's clock. */
  readonly revoked: Map<Seat, number>
  /** Pairs of records that an evil device made with one number, in a room. */
  readonly equivocations: { readonly room: RoomId; readonly a: RecordHash; readonly b: RecordHash }[]
  /** Of each message, the forks in its room that its author had proof of when it set about it: nobody else hears of those. */
  readonly knewForks: Map<RecordHash, Forks>
  /** What devices reported of others, by device. */
  readonly fouls: Map<Seat, string[]>
  /** What was changed in a room, or who is there, that may make a device rotate its key. */
  rekeys: number
}

export type Said = {
  readonly hash: RecordHash
  readonly room: RoomId
  readonly by: Seat
  /** How many restores the device had had. */
  readonly restores: number
  /** Whom the author knew to be revoked. */
  readonly knewRevoked: readonly Seat[]
}

/** `at`: milliseconds since the run began. */
export type Signed = { readonly by: Seat; readonly at: number; readonly record: ParsedRecord }

export type Theft = {
  readonly seat: Seat
  readonly image: Image
  /** Milliseconds since the run began. */
  readonly at: number
}

export const createJournal = (): Journal => ({
  said: [],
  signed: new Map(),
  takenBack: new Set(),
  edits: new Map(),
  waited: [],
  faults: [],
  thefts: [],
  sleeps: [],
  revoked: new Map(),
  equivocations: [],
  knewForks: new Map(),
  fouls: new Map(),
  rekeys: 0,
})
