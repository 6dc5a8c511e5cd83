import type { Fact } from './fact.ts'
import { isSameLog, type Knowledge, type LogName } from './knowledge.ts'
import { overcomes, type Stay } from './stay.ts'

/** Numbers of one log, from and with the first, to and with the second (`Infinity`: to its end). */
export type Range = readonly [from: number, to: number]

/** What of a user's log counts for nobody, in order and apart from each other: the same rules as `whyNot`, for all its records. */
export const hiddenRanges = (stay: Stay, log: LogName, knowledge: Pick<Knowledge, 'since'>): readonly Range[] => {
  const since = (fact: Fact): number => knowledge.since(log, fact.hash) ?? Number.POSITIVE_INFINITY
  const firstOf = (facts: readonly Fact[]): number => Math.min(Number.POSITIVE_INFINITY, ...facts.map(since))
  const backAfter = (exit: Fact): number => firstOf(stay.entries.filter((entry) => overcomes(stay, entry, exit)))
  return merged([
    [0, firstOf(stay.entries) - 1],
    ...stay.removals.map(({ fact, cut }): Range => [Math.min(cut(log) + 1, since(fact)), backAfter(fact) - 1]),
    ...stay.leaves.map((exit): Range => [afterOwn(exit, log, since(exit)), backAfter(exit) - 1]),
  ])
}

/** The leave itself counts, and what follows it knows of it. */
const afterOwn = (exit: Fact, log: LogName, since: number): number => (isSameLog(exit.log, log) ? since + 1 : since)

const merged = (ranges: readonly Range[]): readonly Range[] => {
  const all: [number, number][] = []
  for (const [from, to] of ranges.filter(([from, to]) => from <= to).sort(([a], [b]) => a - b)) {
    const last = all.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else all.push([from, to])
  }
  return all
}
