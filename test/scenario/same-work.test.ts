import type * as crypto from 'node:crypto'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { changePassword } from '../../peer/identity/password.ts'
import { user } from '../support/certificates.ts'
import { enrolAs, newcomer, PASSWORD, type TestCa, testCa } from '../support/enrolment.ts'

// Who has no password must not learn from the time that an answer takes whether there is such a user. Times are not
// compared here, since they say nothing on a busy machine: the work is.

const work = vi.hoisted((): { cost: string; saltBytes: number }[] => [])
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>()
  const argon2: typeof real.argon2 = (algorithm, parameters, callback) => {
    const { message: _, nonce, secret: __, ...cost } = parameters
    work.push({ cost: `${algorithm} ${JSON.stringify(cost)}`, saltBytes: Buffer.from(nonce as Uint8Array).byteLength })
    real.argon2(algorithm, parameters, callback)
  }
  return { ...real, default: { ...real, argon2 }, argon2 }
})

let ca: TestCa
beforeAll(async () => {
  ca = await testCa()
  await using device = await newcomer()
  await enrolAs(device, ca.clock, { user: 'alice', invite: await ca.oneInvite() })
})
afterAll(() => ca.stop())

/** All that the CA hashed, said and logged on one try. */
const traceOf = async (attempt: () => Promise<unknown>) => {
  const [hashed, logged] = [work.length, ca.logged.length]
  const outcome = await attempt()
  const events = ca.logged
    .slice(logged)
    .map(({ event, facts }) => ({ event, reason: facts.reason, detail: facts.detail }))
  return { outcome, work: work.slice(hashed), events }
}

const login = async (name: string) => {
  await using device = await newcomer()
  const parts = { user: name, invite: await ca.oneInvite(), door: { kind: 'login' }, password: 'a wrong one' } as const
  return await enrolAs(device, ca.clock, parts)
}

const change = async (name: string) => {
  await using device = await newcomer()
  const order = { user: user(name), password: 'a wrong one', newPassword: PASSWORD }
  return await changePassword({ node: device.node, ca: await ca.oneInvite(), clock: ca.clock }, order)
}

test.each([
  ['log in', login],
  ['set another password', change],
])(
  'who tries to %s with a wrong password gets the same word and the same work as for a user that there is not',
  async (_, attempt) => {
    const wrong = await traceOf(() => attempt('alice'))
    const unknown = await traceOf(() => attempt('nobody'))
    expect(wrong.outcome).toMatchObject({ code: 'password-wrong', by: 'there' })
    expect(wrong.work).toEqual([
      { cost: 'argon2id {"memory":65536,"passes":3,"parallelism":4,"tagLength":32}', saltBytes: 16 },
    ])
    expect(unknown).toEqual(wrong)
  },
)
