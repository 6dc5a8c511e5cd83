import { rootsOf } from '../shared/certificate/lineage.ts'
import type { Root } from '../shared/certificate/link.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal } from '../shared/errors.ts'
import { readSignedList } from './adoption.ts'
import type { Database } from './database.ts'
import type { Log } from './enrolment-handler.ts'
import { isWanted, readRecovery } from './recovery.ts'
import type { Revocations } from './revocations.ts'
import { isOverlapEnded } from './roll-over.ts'
import type { CaIdentity } from './root-key.ts'

/** Takes lists over that this CA has signed and its database does not know. */
export type TakingOver = {
  /** What to say that we hold to who holds the list of this number: less than that asks for it. */
  answer(theirs: number): Promise<number>
  /** Whether there may be lists of ours that nobody here knows. */
  mayLack(): Promise<boolean>
  /** Takes over what is news in it: how many revocations. What is no list of ours is told to the log. */
  take(der: Uint8Array): Promise<number>
}

export type TakingOverParts = {
  readonly database: Database
  readonly revocations: Pick<Revocations, 'adopt' | 'latestNumber'>
  readonly identity: Pick<CaIdentity, 'anchor'>
  readonly clock: Clock
  readonly log: Log
}

export const createTakingOver = ({ database, revocations, identity, clock, log }: TakingOverParts): TakingOver => {
  const { anchor } = identity
  /** An older root's word counts as long as its certificates do. */
  const standing = async (): Promise<readonly Root[]> =>
    (await isOverlapEnded(database, anchor, clock.now())) ? [anchor.root] : rootsOf(anchor)
  return {
    answer: async (theirs) => {
      const newest = await revocations.latestNumber()
      return isWanted(theirs, newest, await readRecovery(database)) ? Math.min(theirs - 1, newest) : newest
    },
    mayLack: async () => {
      const recovery = await readRecovery(database)
      return recovery !== null && recovery.after < recovery.until
    },
    take: async (der) => {
      const list = await readSignedList(der, await standing())
      if (isRefusal(list)) {
        log('crl-refused', { reason: list.code, detail: list.detail })
        return 0
      }
      const revocationsAdded = await revocations.adopt(list, clock.now(), anchor)
      if (revocationsAdded > 0) log('crl-taken-over', { number: list.number, revocations: revocationsAdded })
      return revocationsAdded
    },
  }
}
