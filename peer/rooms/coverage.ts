import { type RecordHash, toHex } from '../../shared/ids.ts'
import type { LogId } from '../store/log-id.ts'
import type { Cover, LogMark } from '../store/receipts.ts'

/**
 * How far others' receipts prove a log to be older than a time: a stolen key writes nothing into the past of others. A
 * receipt counts whose hash is that of the record which is held here, by another device whose word counts. From a fork on its
 * author may hold the other branch, of which we know nothing: that proves all before the fork, where there is but one.
 * @param fork the lowest number with two records; null: there is none
 * @param covers of this log, up to that time, the highest numbers first
 * @returns the highest number that is covered, and all before it; −1: none is
 */
export const coveredUntil = (
  log: LogId,
  fork: number | null,
  covers: Iterable<Cover>,
  hashAt: (seq: number) => RecordHash | null,
  isWitness: (receipt: LogMark) => boolean,
): number => {
  for (const { seq, by, hash } of covers) {
    if (by.log.device === log.device || !isWitness(by)) continue
    if (fork !== null && seq >= fork) return fork - 1
    if (toHex(hash) === hashAt(seq)) return seq
  }
  return -1
}
