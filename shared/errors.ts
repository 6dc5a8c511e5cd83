import { type Code, isCode, WORDS } from './words.ts'

export type { Code } from './words.ts'

/** An expected refusal: a value, never thrown. `by` tells which side refused. */
export type Refusal = {
  readonly kind: 'refusal'
  readonly code: Code
  /** Facts for this side's eyes (a date, a name, a size); never sent. */
  readonly detail?: string
  /** `there`: the other side refused us, and sent the code. */
  readonly by: 'here' | 'there'
}

/** A refusal of ours. @param detail facts for this side's eyes; never sent */
export const refuse = (code: Code, detail?: string): Refusal =>
  detail === undefined ? { kind: 'refusal', code, by: 'here' } : { kind: 'refusal', code, detail, by: 'here' }

/** A code that came from the other side; one that we do not know reads as a fault there. */
export const refusedThere = (code: string): Refusal => ({
  kind: 'refusal',
  code: isCode(code) ? code : 'fault',
  by: 'there',
})

/** Whether a value is a refusal, and not what was asked for. */
export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'refusal'

/** One sentence in the words of the side that reads it. */
export const wordsOf = (refusal: Refusal): string => {
  const sentence = refusal.by === 'here' ? WORDS[refusal.code].here : WORDS[refusal.code].there
  return refusal.detail === undefined ? sentence : `${sentence} (${refusal.detail})`
}

/** What whoever can mend it does next, in one sentence. */
export const nextStepOf = (refusal: Refusal): string => WORDS[refusal.code].next

/** A fault, or a refusal that has reached somebody who can only stop. Has a code of the one union, and its cause. */
export class LanyardError extends Error {
  override readonly name = 'LanyardError'
  readonly refusal: Refusal

  constructor(refusal: Refusal, options?: { cause?: unknown }) {
    super(wordsOf(refusal), options)
    this.refusal = refusal
  }

  get code(): Code {
    return this.refusal.code
  }
}

/** An error to throw, for callers who can only stop. @param cause what was caught, kept for the log */
export const fault = (code: Code, detail?: string, cause?: unknown): LanyardError =>
  new LanyardError(refuse(code, detail), { cause })

/** The value, or the refusal thrown: for callers who can only stop. */
export const orThrow = <T>(verdict: T | Refusal): T => {
  if (isRefusal(verdict)) throw new LanyardError(verdict)
  return verdict
}

/** The refusal inside whatever was caught; what is neither ours nor the disk's becomes a `fault` with its message. */
export const refusalOf = (error: unknown): Refusal => {
  if (error instanceof LanyardError) return error.refusal
  if (!(error instanceof Error)) return refuse('fault', String(error))
  const ofNetwork = 'address' in error || 'hostname' in error
  return refuse((ofNetwork ? undefined : DISK_TROUBLE[codeOf(error)]) ?? 'fault', error.message)
}

/** What the system says of files that could not be read or written. */
const DISK_TROUBLE: Readonly<Record<string, Code>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EROFS: 'storage-failed',
  EIO: 'storage-failed',
  EACCES: 'storage-failed',
  EPERM: 'storage-failed',
}

const codeOf = (error: Error): string => ('code' in error ? String(error.code) : '')
