import { argon2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { type Refusal, refuse } from '../shared/errors.ts'
import { PASSWORD_HASHES_AT_ONCE, PASSWORD_HASHES_WAITING } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'

/** Password hashes by argon2id (RFC 9106), two at once. */
export type Passwords = {
  /** A PHC string with its own salt, or `busy`. About 0.2 s, off the event loop. */
  hash(password: string): Promise<string | Refusal>
  /**
   * Null when the password is the one that was hashed; else `password-wrong`, or `busy`.
   * @param phc null when there is no such user: that takes as long, and is refused in the same word
   */
  verify(password: string, phc: string | null): Promise<Refusal | null>
}

/** RFC 9106 §4, the second recommendation: 64 MiB (in KiB), three passes, four lanes. */
const COST = { memory: 65_536, passes: 3, parallelism: 4, tagLength: 32 } as const
const SALT_BYTES = 16

/** @param pepper a secret that is not in the database */
export const createPasswords = (pepper: Uint8Array, random: Random): Passwords => {
  const queue = createQueue(PASSWORD_HASHES_AT_ONCE, PASSWORD_HASHES_WAITING)
  const stretch = (password: string, nonce: Uint8Array) =>
    // One text has one form, whether macOS or Linux typed it (RFC 8265 §4.2.2).
    queue(() => argon2Async('argon2id', { message: password.normalize('NFC'), nonce, secret: pepper, ...COST }))

  const nobodys = formatPhc(random.bytes(SALT_BYTES), random.bytes(COST.tagLength))
  return {
    hash: async (password) => {
      const salt = random.bytes(SALT_BYTES)
      const tag = await stretch(password, salt)
      return tag === null ? tooBusy() : formatPhc(salt, tag)
    },
    verify: async (password, phc) => {
      const { salt, tag } = parsePhc(phc ?? nobodys)
      const computed = await stretch(password, salt)
      if (computed === null) return tooBusy()
      return tag.byteLength === computed.byteLength && timingSafeEqual(tag, computed) ? null : refuse('password-wrong')
    },
  }
}

const argon2Async = promisify(argon2)

const tooBusy = (): Refusal => refuse('busy', `${PASSWORD_HASHES_WAITING} passwords wait to be hashed`)

const PREFIX = `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$`
const PHC = /^\$argon2id\$v=19\$m=65536,t=3,p=4\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/

/** The PHC string format: base64 without padding. */
const formatPhc = (salt: Uint8Array, tag: Uint8Array): string => PREFIX + [salt, tag].map(unpadded).join('$')

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '')

/** @throws when the database holds anything that we did not write */
const parsePhc = (phc: string): { salt: Uint8Array; tag: Uint8Array } => {
  const [, salt, tag] = PHC.exec(phc) ?? []
  if (salt === undefined || tag === undefined) throw new Error('not one of our password hashes')
  return { salt: Buffer.from(salt, 'base64'), tag: Buffer.from(tag, 'base64') }
}

/** Runs `atOnce` jobs at a time and lets `waiting` more wait in order; one more gets null. */
const createQueue = (atOnce: number, waiting: number) => {
  let running = 0
  const line: (() => void)[] = []
  return async <T>(job: () => Promise<T>): Promise<T | null> => {
    if (running === atOnce) {
      if (line.length === waiting) return null
      await new Promise<void>((resolve) => line.push(resolve))
    } else running += 1
    try {
      return await job()
    } finally {
      const next = line.shift()
      if (next === undefined) running -= 1
      else next() // it takes over this place
    }
  }
}
