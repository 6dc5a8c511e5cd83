import { rootsOf } from '../shared/certificate/lineage.ts'
import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../shared/errors.ts'
import type { PeerId } from '../shared/ids.ts'
import { readSignedList, type SignedList } from './adoption.ts'
import type { Database } from './database.ts'
import type { Log } from './enrolment-handler.ts'
import { isLost, isWanted, readRecovery } from './recovery.ts'
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
  take(der: Uint8Array, from: PeerId): Promise<number | Refusal>
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
  /**
   * A list of the newest root. One of an older root, whose key somebody else may have by now, only for a number that may
   * have been lost, and as long as that root's certificates count.
   */
  const read = async (der: Uint8Array): Promise<SignedList | Refusal> => {
    const [newest, ...older] = rootsOf(anchor)
    const list = await readSignedList(der, newest === undefined ? [] : [newest])
    if (!isRefusal(list) || (await isOverlapEnded(database, anchor, clock.now()))) return list
    const elders = await readSignedList(der, older)
    if (isRefusal(elders)) return list
    if (isLost(elders.number, await readRecovery(database))) return { ...elders, isElders: true }
    return refuse('crl-wrong-issuer', `an older root has signed list ${elders.number}`)
  }
  return {
    answer: async (theirs) => {
      const newest = await revocations.latestNumber()
      return isWanted(theirs, newest, await readRecovery(database)) ? Math.min(theirs - 1, newest) : newest
    },
    mayLack: async () => {
      const recovery = await readRecovery(database)
      return recovery !== null && recovery.after < recovery.until
    },
    take: async (der, peer) => {
      const list = await read(der)
      if (isRefusal(list)) {
        log('crl-refused', { peer, reason: list.code, detail: list.detail })
        return list
      }
      const revocationsAdded = await revocations.adopt(list, clock.now(), anchor)
      if (revocationsAdded > 0) log('crl-taken-over', { number: list.number, revocations: revocationsAdded })
      return revocationsAdded
    },
  }
}
