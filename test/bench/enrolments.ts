import { generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { createPasswords } from '../../ca-node/passwords.ts'
import { enrol } from '../../peer/identity/enrol.ts'
import { systemClock } from '../../shared/clock.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { PASSWORD_HASHES_AT_ONCE } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { user } from '../support/certificates.ts'
import { enrolAs, type Newcomer, newcomer, PASSWORD, temporaryFolder } from '../support/enrolment.ts'
import { startCaHost } from './ca-host.ts'
import { type Bench, type Metrics, metric, nowMs, percentile } from './figures.ts'

/** How many newcomers come at the same instant, and how often. */
const LEVELS = [
  { atOnce: 1, rounds: 30 },
  { atOnce: 10, rounds: 6 },
  { atOnce: 100, rounds: 2 },
] as const
const RENEWALS_AT_ONCE = 10
const HASHES = 16

type Joined = { readonly device: Newcomer; readonly name: string; readonly invite: string; certificate: Uint8Array }

/**
 * Enrolments and renewals at a CA process by newcomers in this one: each with its own libp2p node, invite, name and password,
 * from the dial until the certificate is checked. Their keys are made before. Beside them, the password hashes that the CA
 * could make if it did nothing else.
 */
export const enrolments: Bench = async (say) => {
  const folder = await temporaryFolder()
  await using ends = new AsyncDisposableStack()
  ends.defer(folder.remove)
  const ca = ends.use(await startCaHost(folder.path))
  const count = LEVELS.reduce((sum, { atOnce, rounds }) => sum + atOnce * rounds, 0)
  say(`${count} newcomers make their keys`)
  const keys = await makeKeys(count)
  const invites = await ca.invites(count)
  const hashesPerSecond = await measureHashes()

  const joined: Joined[] = []
  let metrics: Metrics = { argon2PerSecond: metric(hashesPerSecond, '1/s') }
  for (const { atOnce, rounds } of LEVELS) {
    const tookMs: number[] = []
    let allMs = 0
    for (let round = 0; round < rounds; round++) {
      const comers = await Promise.all(
        Array.from({ length: atOnce }, async (_, at) => {
          const device = ends.use(await newcomer(keys.pop()))
          return { device, invite: invites[joined.length + at] ?? '', name: `user${joined.length + at}` }
        }),
      )
      const began = nowMs()
      const done = await Promise.all(
        comers.map(async ({ device, invite: text, name }) => {
          const from = nowMs()
          const invite = orThrow(parseInvite(text))
          const { certificate } = orThrow(await enrolAs(device, systemClock, { user: name, invite }))
          tookMs.push(nowMs() - from)
          return { device, name, invite: text, certificate }
        }),
      )
      allMs += nowMs() - began
      joined.push(...done)
    }
    const perSecond = (atOnce * rounds * 1_000) / allMs
    say(`${atOnce} at once: ${perSecond.toFixed(1)} enrolments/s`)
    metrics = {
      ...metrics,
      [`enrol${atOnce}PerSecond`]: metric(perSecond, '1/s', hashesPerSecond),
      [`enrol${atOnce}P99Ms`]: metric(percentile(tookMs, 0.99), 'ms'),
    }
  }
  return { ...metrics, ...(await measureRenewals(joined)) }
}

/** Each device once, by its present key: RENEWAL_AT_ONCE of them at a time, one coming as another goes. */
const measureRenewals = async (joined: readonly Joined[]): Promise<Metrics> => {
  const tookMs: number[] = []
  const waiting = [...joined]
  const renewAll = async (): Promise<void> => {
    for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
      const { device, name, certificate } = one
      const from = nowMs()
      const renewed = await enrol({
        node: device.node,
        key: device.key,
        clock: systemClock,
        invite: orThrow(parseInvite(one.invite)),
        door: { kind: 'renew', certificate },
        user: user(name),
        password: '',
      })
      if (isRefusal(renewed)) throw new Error(`no renewal: ${renewed.code}`)
      tookMs.push(nowMs() - from)
    }
  }
  const began = nowMs()
  await Promise.all(Array.from({ length: RENEWALS_AT_ONCE }, renewAll))
  return {
    renewPerSecond: metric((joined.length * 1_000) / (nowMs() - began), '1/s'),
    renewP99Ms: metric(percentile(tookMs, 0.99), 'ms'),
  }
}

const makeKeys = async (count: number): Promise<KeyObject[]> => {
  const keys: KeyObject[] = []
  const make = async (): Promise<void> => {
    while (keys.length < count) {
      const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
      keys.push(privateKey)
    }
  }
  await Promise.all([make(), make()])
  return keys
}

/** Password hashes a second, as many at once as the CA makes. */
const measureHashes = async (): Promise<number> => {
  const passwords = createPasswords(systemRandom.bytes(32), systemRandom)
  await Promise.all(Array.from({ length: PASSWORD_HASHES_AT_ONCE }, () => passwords.hash(PASSWORD)))
  const began = nowMs()
  await Promise.all(Array.from({ length: HASHES }, () => passwords.hash(PASSWORD)))
  return (HASHES * 1_000) / (nowMs() - began)
}
