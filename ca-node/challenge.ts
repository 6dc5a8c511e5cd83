import { timingSafeEqual } from 'node:crypto'
import { type Refusal, refuse } from '../shared/errors.ts'
import { type PeerId, toHex } from '../shared/ids.ts'
import { CHALLENGE_LIFETIME_MS, CHALLENGES_OPEN_MAX } from '../shared/limits.ts'

/** What the CA remembers of a challenge. Times are milliseconds since the Unix epoch, by the CA's clock. */
export type Challenge = {
  readonly id: Uint8Array
  /** 32 random bytes: the one right answer. */
  readonly nonce: Uint8Array
  /** Who must answer. */
  readonly peer: PeerId
  readonly expiry: number
}

/** The open challenges: each is answered once, in time, by the one whom it was made for. */
export type Challenges = {
  /** The new challenge, or `busy`. */
  open(parts: { id: Uint8Array; nonce: Uint8Array; peer: PeerId; now: number }): Challenge | Refusal
  /** Null when the answer is right. Right or wrong, it was the only one. */
  redeem(answer: { id: Uint8Array; nonce: Uint8Array; peer: PeerId; now: number }): Refusal | null
}

export const createChallenges = (): Challenges => {
  // In the order of their expiry. A spent or late one stays for a while, to be told from one that never was.
  const book = new Map<string, { challenge: Challenge; spent: boolean }>()

  const forgetOld = (now: number): void => {
    for (const [key, { challenge }] of book) {
      if (now < challenge.expiry + CHALLENGE_LIFETIME_MS) return
      book.delete(key)
    }
  }

  return {
    open: ({ id, nonce, peer, now }) => {
      forgetOld(now)
      if (book.size >= CHALLENGES_OPEN_MAX) return refuse('busy', `${book.size} challenges are open`)
      const challenge = { id, nonce, peer, expiry: now + CHALLENGE_LIFETIME_MS }
      book.set(toHex(id), { challenge, spent: false })
      return challenge
    },
    redeem: ({ id, nonce, peer, now }) => {
      const entry = book.get(toHex(id))
      if (entry === undefined || entry.challenge.peer !== peer) return refuse('challenge-unknown')
      if (entry.spent) return refuse('challenge-used')
      entry.spent = true
      if (now >= entry.challenge.expiry) return refuse('challenge-late')
      return timingSafeEqual(nonce, entry.challenge.nonce) ? null : refuse('challenge-wrong')
    },
  }
}
