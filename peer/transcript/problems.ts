import { type Refusal, wordsOf } from '../../shared/errors.ts'
import type { PeerId, UserName } from '../../shared/ids.ts'
import { TRANSCRIPT_PROBLEMS_MAX } from '../../shared/limits.ts'
import type { LogName } from '../group/knowledge.ts'
import type { Place } from './read.ts'
import type { Problem } from './report.ts'

/** Where something is wrong, as far as that is known. */
export type Where = Partial<Place & LogName & { readonly user: UserName; readonly seq: number }>

/** Collects what is wrong. */
export type Problems = {
  add(refusal: Refusal, where?: Where): void
  /** As `add`, but once for this subject: of what many records have in common. */
  addOnce(subject: string, refusal: Refusal, where?: Where): void
  all(): readonly Problem[]
  count(): number
}

/** @param userOf for those that name a device only */
export const createProblems = (userOf: (device: PeerId) => UserName | null): Problems => {
  const problems: Problem[] = []
  const told = new Set<string>()
  let count = 0
  const add = (refusal: Refusal, where: Where = {}): void => {
    count++
    if (problems.length >= TRANSCRIPT_PROBLEMS_MAX) return
    const { item, byte, device, incarnation, seq } = where // and no more: a log may have its room beside them
    const user = where.user ?? (device === undefined ? null : userOf(device))
    problems.push({
      code: refusal.code,
      reason: wordsOf(refusal),
      ...(item === undefined ? {} : { item }),
      ...(byte === undefined ? {} : { byte }),
      ...(user === null ? {} : { user }),
      ...(device === undefined ? {} : { device }),
      ...(incarnation === undefined ? {} : { incarnation }),
      ...(seq === undefined ? {} : { seq }),
    })
  }
  return {
    add,
    addOnce: (subject, refusal, where) => {
      if (told.has(subject)) return
      told.add(subject)
      add(refusal, where)
    },
    all: () => problems,
    count: () => count,
  }
}
