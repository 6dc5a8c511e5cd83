import { allOf, type Chains, firstKnowing, firstOf } from './chains.ts'
import { type Fact, isFact } from './fact.ts'
import { isSameLog, type Knowledge, type LogName } from './knowledge.ts'
import { cutOf, type Stay } from './stay.ts'

/** Numbers of one log, from and with the first, to and with the second; `LAST` is the end of the log. */
export type Range = readonly [from: number, to: number]

/** No record has a higher number. */
export const LAST = Number.MAX_SAFE_INTEGER

/** What of a user's log counts for nobody, in order and apart from each other: the rules of `whyNot`, for all its records. */
export const hiddenRanges = (stay: Stay, log: LogName, knowledge: Pick<Knowledge, 'since'>): readonly Range[] => {
  const { foundings, invites, joins, removals, leaves } = stay
  // A record does not know itself; but who comes in by it is in.
  const since = (fact: Fact): number =>
    (knowledge.since(log, fact.hash) ?? LAST + 1) + (isSameLog(fact.log, log) && !isFact(fact, 'join', 'room') ? 1 : 0)
  const first = (facts: readonly Fact[]): number => Math.min(LAST + 1, ...facts.map(since))
  const backAfter = (exit: Fact, ...entries: Chains[]): number =>
    first(entries.flatMap((chains) => firstKnowing(chains, exit)))
  return merged([
    [0, first([foundings, invites, joins].flatMap(firstOf)) - 1],
    ...allOf(removals).map(
      (exit): Range => [Math.min(cutOf(stay, exit, log) + 1, since(exit)), backAfter(exit, invites) - 1],
    ),
    ...allOf(leaves).map((exit): Range => [since(exit), backAfter(exit, invites, joins) - 1]),
  ])
}

const merged = (ranges: readonly Range[]): readonly Range[] => {
  const all: [number, number][] = []
  for (const [from, to] of ranges.filter(([from, to]) => from <= Math.min(to, LAST)).sort(([a], [b]) => a - b)) {
    const last = all.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else all.push([from, to])
  }
  return all
}
