import { z } from 'zod'

/** One thing that `doctor` has looked at. */
export const findingShape = z.object({
  check: z.string(),
  verdict: z.enum(['good', 'warning', 'bad']),
  words: z.string().describe('what was found, for people'),
  next: z.string().optional().describe('what to do about it'),
})
export type Finding = z.output<typeof findingShape>
export const doctorJson = z.object({ findings: z.array(findingShape), verdict: z.enum(['good', 'warning', 'bad']) })

export const good = (check: string, words: string): Finding => ({ check, verdict: 'good', words })
export const warning = (check: string, words: string, next: string): Finding => ({
  check,
  verdict: 'warning',
  words,
  next,
})
export const bad = (check: string, words: string, next: string): Finding => ({ check, verdict: 'bad', words, next })

/** The worst of them. */
export const verdictOf = (findings: readonly Finding[]): Finding['verdict'] =>
  (['bad', 'warning'] as const).find((one) => findings.some(({ verdict }) => verdict === one)) ?? 'good'

const MARK = { good: 'ok  ', warning: 'note', bad: 'BAD ' } as const

export const findingLines = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ check, verdict, words, next }) => [
    `${MARK[verdict]}  ${check.padEnd(12)} ${words}`,
    ...(next === undefined ? [] : [`${' '.repeat(19)}next: ${next}`]),
  ])
