import { z } from 'zod'
import { nextStepOf, type Refusal, refusedThere, wordsOf } from '../../shared/errors.ts'
import { type Code, isCode } from '../../shared/words.ts'

/** Why something was refused, for scripts: `code` is stable; `reason` and `next` are for people. */
export const refusalFields = {
  code: z.string().describe('stable: what a script looks at'),
  by: z.enum(['here', 'there']).describe('which side refused'),
  reason: z.string().describe('one sentence, for people'),
  next: z.string().describe('what whoever can mend it does next'),
  detail: z.string().optional().describe('the facts of the sentence: a date, a name, a path'),
}
/** What a refused request is answered with, and what a command prints that was refused. */
export const refusalShape = z.object(refusalFields)
export type RefusalJson = z.output<typeof refusalShape>

export const refusalJson = (refusal: Refusal): RefusalJson => ({
  code: refusal.code,
  by: refusal.by,
  reason: wordsOf(refusal),
  next: nextStepOf(refusal),
  ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
})

/** The refusal as it was where the request was answered. */
export const refusalIn = ({ code, by, detail }: Pick<RefusalJson, 'code' | 'by' | 'detail'>): Refusal => {
  if (!isCode(code)) return refusedThere(code) // of a newer lanyard
  const known: Code = code
  return { kind: 'refusal', code: known, by, ...(detail === undefined ? {} : { detail }) }
}
