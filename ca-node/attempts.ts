import { type Refusal, refuse } from '../shared/errors.ts'
import type { PeerId } from '../shared/ids.ts'
import { toHex } from '../shared/ids.ts'
import {
  AUDITED_REFUSALS,
  ENROLMENT_BAR_MAX_MS,
  ENROLMENT_TRIES,
  ENROLMENT_TRIES_GLOBAL,
  ENROLMENT_WINDOW_MS,
  RATE_KEYS_MAX,
} from '../shared/limits.ts'
import type { Database, Transaction } from './database.ts'

/**
 * Counts tries to enrol, in the database: a restart forgives nothing, and two CA processes count together. A PeerId's
 * tries and an invite's always count. Those for a name and altogether count, and bar, only where the invite is not good or
 * a password is asked: else a stranger could keep the invited out by failing in their name.
 * `now` is milliseconds since the Unix epoch.
 */
export type Attempts = {
  /** Null, or `rate-limited`: at each request, before anything is looked at. */
  begin(peer: PeerId, now: number): Promise<Refusal | null>
  /** Null, or `rate-limited`: with a good invite, before its password is hashed. */
  invited(tokenHash: Uint8Array, now: number): Promise<Refusal | null>
  /** Null, or `rate-limited` in place of the reason: without a good invite. */
  uninvited(user: string, now: number): Promise<Refusal | null>
  /** Null, or `rate-limited`: before a password is compared, whether or not there is such a user. */
  guess(user: string, now: number): Promise<Refusal | null>
  /** The password was right: its name's tries are forgotten. */
  guessed(user: string): Promise<void>
  /** Whether one more refusal may be written down: no stranger fills the disk with them. */
  auditable(now: number): boolean
}

/** What is remembered of one key. Times are milliseconds since the Unix epoch. */
export type Tally = {
  readonly tries: number
  /** When the first of them was. */
  readonly since: number
  /** No further one before this. */
  readonly until: number
  /** How often the limit was passed, one window after another. */
  readonly strikes: number
}

/**
 * The rule: `max` tries in a window of ENROLMENT_WINDOW_MS. Who goes on past them is kept out until the window's end, the
 * next time twice as long, and so on; a day without a strike forgives all.
 */
export const count = (tally: Tally | null, max: number, now: number): { tally: Tally; allowed: boolean } => {
  // A clock that was set back must not keep anybody out for years.
  const sane = tally !== null && tally.since <= now && tally.until <= now + ENROLMENT_BAR_MAX_MS ? tally : null
  if (sane !== null && now < sane.until) return { tally: sane, allowed: false }
  if (sane === null || now >= sane.since + ENROLMENT_WINDOW_MS) {
    const strikes = sane !== null && now < sane.until + ENROLMENT_BAR_MAX_MS ? sane.strikes : 0
    return { tally: { tries: 1, since: now, until: 0, strikes }, allowed: true }
  }
  if (sane.tries < max) return { tally: { ...sane, tries: sane.tries + 1 }, allowed: true }
  const bar = Math.min(ENROLMENT_WINDOW_MS * (2 ** sane.strikes - 1), ENROLMENT_BAR_MAX_MS - ENROLMENT_WINDOW_MS)
  const until = sane.since + ENROLMENT_WINDOW_MS + bar
  return { tally: { ...sane, until, strikes: sane.strikes + 1 }, allowed: false }
}

export const createAttempts = (database: Database): Attempts => {
  const limited = (keys: readonly (readonly [string, number])[], now: number): Promise<Refusal | null> =>
    database.transaction().execute(async (transaction) => {
      for (const [key, max] of keys) {
        if (!(await countKey(transaction, key, max, now))) return refuse('rate-limited', key)
      }
      return null
    })
  let audited: Tally | null = null
  return {
    begin: (peer, now) => limited([[`peer ${peer}`, ENROLMENT_TRIES]], now),
    invited: (tokenHash, now) => limited([[`invite ${toHex(tokenHash).slice(0, 16)}`, ENROLMENT_TRIES]], now),
    uninvited: (user, now) => limited([ALL, [`name ${user}`, ENROLMENT_TRIES]], now),
    guess: (user, now) => limited([ALL, [`password ${user}`, ENROLMENT_TRIES]], now),
    guessed: async (user) => {
      await database.deleteFrom('attempts').where('key', '=', `password ${user}`).execute()
    },
    auditable: (now) => {
      const { tally, allowed } = count(audited, AUDITED_REFUSALS, now)
      audited = { ...tally, strikes: 0 } // no back-off: what is refused next week is to be read
      return allowed
    },
  }
}

const ALL = ['all', ENROLMENT_TRIES_GLOBAL] as const

/** Whether this try is within the limit; one that is not counts no further. */
const countKey = async (transaction: Transaction, key: string, max: number, now: number): Promise<boolean> => {
  const known = await transaction.selectFrom('attempts').selectAll().where('key', '=', key).executeTakeFirst()
  const { tally, allowed } = count(known ?? null, max, now)
  if (known !== undefined) {
    if (!same(known, tally)) await transaction.updateTable('attempts').set(tally).where('key', '=', key).execute()
    return allowed
  }
  if (!(await hasRoom(transaction, now))) return false
  await transaction
    .insertInto('attempts')
    .values({ key, ...tally })
    .execute()
  return allowed
}

/** Whether one more key can be remembered, after those that no longer matter are forgotten. */
const hasRoom = async (transaction: Transaction, now: number): Promise<boolean> => {
  if ((await keysOf(transaction)) < RATE_KEYS_MAX) return true
  await transaction
    .deleteFrom('attempts')
    .where('until', '<=', now)
    .where('since', '<=', now - ENROLMENT_WINDOW_MS)
    .execute()
  return (await keysOf(transaction)) < RATE_KEYS_MAX
}

const keysOf = async (transaction: Transaction): Promise<number> => {
  const row = await transaction
    .selectFrom('attempts')
    .select(({ fn }) => fn.countAll<number>().as('keys'))
    .executeTakeFirstOrThrow()
  return Number(row.keys)
}

const same = (a: Tally, b: Tally): boolean =>
  a.tries === b.tries && a.since === b.since && a.until === b.until && a.strikes === b.strikes
