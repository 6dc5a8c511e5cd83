import { FILES_AT_ONCE } from '../../shared/limits.ts'

/**
 * Work on each of many files, a few at a time: each waits for the disk, and the disk takes several as fast as one.
 * @returns in the order of the items @throws what the first that failed throws, once nobody works any more
 */
export const inTurns = async <T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> => {
  const results: R[] = []
  const entries = items.entries()
  const lane = async (): Promise<void> => {
    for (const [at, item] of entries) results[at] = await work(item)
  }
  const lanes = Array.from({ length: Math.min(FILES_AT_ONCE, items.length) }, lane)
  for (const verdict of await Promise.allSettled(lanes)) if (verdict.status === 'rejected') throw verdict.reason
  return results
}
