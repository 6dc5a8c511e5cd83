import { fault } from '../shared/errors.ts'
import {
  CERTIFICATE_LIFETIME_MAX_MS,
  CERTIFICATE_LIFETIME_MIN_MS,
  CERTIFICATE_LIFETIME_MS,
  DAY_MS,
  DEVICE_KEY_BITS,
  DEVICE_KEY_MIN_BITS,
  DEVICES_PER_USER,
  DEVICES_PER_USER_MAX,
  HOUR_MS,
} from '../shared/limits.ts'
import { writeAudit } from './audit.ts'
import type { Database } from './database.ts'

/** The terms on which certificates are given, as the operator has set them; in force from the next certificate on. */
export type Terms = {
  /** Milliseconds that a certificate is good for. */
  readonly lifetimeMs: number
  /** The shortest key that gets a certificate, bits. */
  readonly keyBits: number
  /** Devices of one user that are not revoked. */
  readonly devices: number
}

type Reading = Pick<Database, 'selectFrom'>

/** The terms as they stand; what was never set is as the house has it. */
export const readTerms = async (database: Reading): Promise<Terms> => {
  const rows = await database.selectFrom('settings').selectAll().where('name', 'in', Object.values(NAMES)).execute()
  const set = new Map(rows.map(({ name, value }) => [name, Number(value)]))
  const terms: Terms = {
    lifetimeMs: set.get(NAMES.lifetimeMs) ?? CERTIFICATE_LIFETIME_MS,
    keyBits: set.get(NAMES.keyBits) ?? DEVICE_KEY_MIN_BITS,
    devices: set.get(NAMES.devices) ?? DEVICES_PER_USER,
  }
  checkTerms(terms)
  return terms
}

/**
 * Writes other terms down, and in the audit what changed.
 * @throws LanyardError `input-invalid`
 */
export const setTerms = (database: Database, changes: Partial<Terms>, now: number): Promise<Terms> =>
  database.transaction().execute(async (transaction) => {
    const before = await readTerms(transaction)
    const terms = { ...before, ...changes }
    checkTerms(terms)
    for (const term of TERMS) {
      if (terms[term] === before[term]) continue
      await transaction.deleteFrom('settings').where('name', '=', NAMES[term]).execute()
      await transaction
        .insertInto('settings')
        .values({ name: NAMES[term], value: String(terms[term]) })
        .execute()
      const detail = `${before[term]} → ${terms[term]}`
      await writeAudit(transaction, { time: now, event: 'terms', subject: NAMES[term], detail })
    }
    return terms
  })

/** `12h` or `14d`, in milliseconds. @throws LanyardError `input-invalid` */
export const parseLifetime = (text: string): number => {
  const [, count, unit] = /^(\d{1,4})(h|d)$/.exec(text) ?? []
  if (count === undefined) throw fault('input-invalid', LIFETIME_RULE)
  return Number(count) * (unit === 'h' ? HOUR_MS : DAY_MS)
}

/** As `parseLifetime` reads it. */
export const lifetimeText = (ms: number): string => (ms % DAY_MS === 0 ? `${ms / DAY_MS}d` : `${ms / HOUR_MS}h`)

const NAMES = { lifetimeMs: 'certificate-lifetime-ms', keyBits: 'key-bits', devices: 'devices-per-user' } as const
const TERMS = ['lifetimeMs', 'keyBits', 'devices'] as const
const LIFETIME_RULE = '--lifetime takes hours or days, from 1h to 90d'

const checkTerms = ({ lifetimeMs, keyBits, devices }: Terms): void => {
  if (!(lifetimeMs >= CERTIFICATE_LIFETIME_MIN_MS && lifetimeMs <= CERTIFICATE_LIFETIME_MAX_MS)) {
    throw fault('input-invalid', LIFETIME_RULE)
  }
  if (!DEVICE_KEY_BITS.some((bits) => bits === keyBits))
    throw fault('input-invalid', `--key-bits takes ${DEVICE_KEY_BITS.join(', ')}`)
  if (!(Number.isInteger(devices) && devices >= 1 && devices <= DEVICES_PER_USER_MAX)) {
    throw fault('input-invalid', `--devices takes 1 to ${DEVICES_PER_USER_MAX}`)
  }
}
