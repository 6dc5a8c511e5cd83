import { isRefusal, type Refusal, refuse, refusedThere } from '../shared/errors.ts'
import { CHALLENGE_LIFETIME_MS, HELLO_TIMEOUT_MS, REPLY_TIMEOUT_MS } from '../shared/limits.ts'
import type { EnrolmentRequest, NewcomerMessage, PasswordChange } from '../shared/wire/enrolment.ts'
import type { Application } from './policy.ts'

/** An application that was good when it was looked at; its password is hashed and forgotten. */
export type Candidate = Omit<Application, 'password' | 'passwordUse'> & {
  /** PHC string of a new user's; null for a user who has one. */
  readonly passwordHash: string | null
}

/** How far the conversation on one stream has come. */
export type Stage =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'identified' }
  | { readonly kind: 'challenged'; readonly candidate: Candidate }
  | { readonly kind: 'issued' }
  /** A user has another password. */
  | { readonly kind: 'changed' }

export type Answer = Extract<NewcomerMessage, { kind: 'answer' }>

/** What the CA does next. */
export type Move =
  | { readonly kind: 'identify' }
  | { readonly kind: 'consider'; readonly request: EnrolmentRequest }
  | { readonly kind: 'change'; readonly change: PasswordChange }
  /** `candidate` is null when this stream has no challenge open: then the answer can only be refused. */
  | { readonly kind: 'redeem'; readonly answer: Answer; readonly candidate: Candidate | null }
  | { readonly kind: 'refuse'; readonly refusal: Refusal }
  /** The stream is over: in good order, or for a reason that the newcomer has. */
  | { readonly kind: 'leave'; readonly refusal: Refusal | null }

export const GREETING: Stage = { kind: 'greeting' }

/** The rules of the conversation: no message is taken out of its turn. */
export const decide = (stage: Stage, heard: NewcomerMessage | Refusal): Move => {
  if (isRefusal(heard)) return decideOnFailure(stage, heard)
  switch (heard.kind) {
    case 'begin':
      return stage.kind === 'greeting' ? { kind: 'identify' } : outOfOrder(stage, heard.kind)
    case 'request':
      return stage.kind === 'identified' ? { kind: 'consider', request: heard } : outOfOrder(stage, heard.kind)
    case 'password':
      return stage.kind === 'identified' ? { kind: 'change', change: heard } : outOfOrder(stage, heard.kind)
    case 'answer':
      // The book of challenges has the better word for one that comes twice, or that nobody asked for.
      return { kind: 'redeem', answer: heard, candidate: stage.kind === 'challenged' ? stage.candidate : null }
    case 'refused':
      return { kind: 'leave', refusal: refusedThere(heard.code) }
  }
}

/** Milliseconds that the newcomer has for its next message. */
export const patience = (stage: Stage, silenceMs: number = HELLO_TIMEOUT_MS): number => {
  switch (stage.kind) {
    case 'greeting':
    case 'issued':
    case 'changed':
      return silenceMs
    case 'identified':
      return REPLY_TIMEOUT_MS
    case 'challenged':
      return CHALLENGE_LIFETIME_MS
  }
}

const decideOnFailure = (stage: Stage, failure: Refusal): Move => {
  if (stage.kind === 'issued' || stage.kind === 'changed') return { kind: 'leave', refusal: null }
  if (failure.code === 'stream-closed') return { kind: 'leave', refusal: failure }
  if (failure.code !== 'too-late') return { kind: 'refuse', refusal: failure }
  if (stage.kind === 'greeting') return { kind: 'refuse', refusal: refuse('silent') }
  return { kind: 'refuse', refusal: stage.kind === 'challenged' ? refuse('challenge-late') : failure }
}

const outOfOrder = (stage: Stage, kind: string): Move => ({
  kind: 'refuse',
  refusal: refuse('wrong-order', `${kind} while ${stage.kind}`),
})
