import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBesideCa } from '../../ca-node/beside.ts'
import { setTerms, type Terms } from '../../ca-node/terms.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { ENROLMENT_TRIES, HOUR_MS, INVITE_LIFETIME_MS } from '../../shared/limits.ts'
import { caCommand } from '../support/ca-command.ts'
import { newKey, user } from '../support/certificates.ts'
import { enrolAs, type Newcomer, newcomer, PASSWORD, type TestCa, testCa } from '../support/enrolment.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa()
})
afterAll(() => ca.stop())

/** What the operator does at another terminal, while the CA serves. */
const operator = async (changes: Partial<Terms>): Promise<void> => {
  const store = await openBesideCa(ca.home, ca.clock.now())
  await setTerms(store.database, changes, ca.clock.now())
  await store.close()
}

const joined = async (device: Newcomer, name: string) =>
  enrolAs(device, ca.clock, { user: name, invite: await ca.oneInvite() })

describe('on the terms that the operator sets while the CA serves', () => {
  test('a certificate is good for as long as they say', async () => {
    await operator({ lifetimeMs: 5 * HOUR_MS })
    await using device = await newcomer()
    const { certificate, root } = orThrow(await joined(device, 'short'))
    const now = ca.clock.now()
    const { notAfter } = orThrow(verifyDevice(certificate, { anchor: orThrow(trustAnchor(root, now)), now }))
    expect(Math.abs(notAfter - (now + 5 * HOUR_MS))).toBeLessThan(1_000) // certificates have whole seconds
    await operator({ lifetimeMs: 336 * HOUR_MS })
  })

  test('a shorter key gets none, also when it had one before; its invite stays good', async () => {
    await using before = await newcomer()
    const { certificate } = orThrow(await joined(before, 'early'))
    await operator({ keyBits: 3072 })
    const invite = await ca.oneInvite()
    await using short = await newcomer()
    const refused = await enrolAs(short, ca.clock, { user: 'late', invite })
    expect(refused).toMatchObject({ code: 'key-too-weak', by: 'there' })
    const door = { kind: 'renew', certificate } as const
    const renewal = await enrolAs(before, ca.clock, { user: 'early', invite, door, password: '' })
    expect(renewal).toMatchObject({ code: 'key-too-weak', by: 'there' })
    await using long = await newcomer(newKey(3072))
    expect(await enrolAs(long, ca.clock, { user: 'late', invite })).toHaveProperty('certificate')
    await operator({ keyBits: 2048 })
  })

  test('a user has as many devices as they say', async () => {
    await operator({ devices: 1 })
    await using first = await newcomer()
    orThrow(await joined(first, 'single'))
    await using second = await newcomer()
    const parts = { user: 'single', invite: await ca.oneInvite(), door: { kind: 'login' }, password: PASSWORD } as const
    expect(await enrolAs(second, ca.clock, parts)).toMatchObject({ code: 'device-limit', by: 'there' })
    await operator({ devices: 2 })
    expect(await enrolAs(second, ca.clock, parts)).toHaveProperty('certificate')
  })
})

describe('an invite for one name', () => {
  const inviteFor = async (name: string) => {
    const [invite] = await ca.invite({ count: 1, lifetimeMs: INVITE_LIFETIME_MS, forName: user(name) })
    if (invite === undefined) throw new Error('no invite')
    return invite
  }

  test('lets nobody else in, and stays good for that one', async () => {
    const invite = await inviteFor('petra')
    await using mallory = await newcomer()
    const refused = await enrolAs(mallory, ca.clock, { user: 'mallory', invite })
    expect(refused).toMatchObject({ code: 'token-for-another', by: 'there' })
    await using petra = await newcomer()
    expect(await enrolAs(petra, ca.clock, { user: 'petra', invite })).toHaveProperty('certificate')
  })

  test('does not tell for whom it is to who goes through all names', async () => {
    const invite = await inviteFor('quentin')
    const tries: unknown[] = []
    for (let count = 0; count <= ENROLMENT_TRIES; count += 1) {
      await using device = await newcomer()
      tries.push(await enrolAs(device, ca.clock, { user: `guess${count}`, invite }))
    }
    expect(tries.slice(0, -1)).toEqual(
      tries.slice(0, -1).map(() => expect.objectContaining({ code: 'token-for-another' })),
    )
    expect(tries.at(-1)).toMatchObject({ code: 'rate-limited' })
  })

  test('is not made for a name that is taken or reserved, nor twice', async () => {
    await using device = await newcomer()
    orThrow(await joined(device, 'taken'))
    const order = { count: 1, lifetimeMs: INVITE_LIFETIME_MS }
    await expect(ca.invite({ ...order, forName: user('taken') })).rejects.toMatchObject({ code: 'name-taken' })
    await expect(ca.invite({ ...order, forName: user('admin') })).rejects.toMatchObject({ code: 'name-reserved' })
    await expect(ca.invite({ ...order, count: 2, forName: user('zoe') })).rejects.toMatchObject({
      code: 'input-invalid',
    })
  })
})

describe('npm run ca -- terms', () => {
  test('sets them, shows them, writes down who changed what, and takes no others', async () => {
    const beside = caCommand(ca.home)
    const set = await beside.run(['terms', '--lifetime', '30d', '--key-bits', '3072', '--devices', '5', '--json'])
    expect(JSON.parse(set.out)).toEqual({ lifetimeMs: 720 * HOUR_MS, keyBits: 3072, devices: 5 })
    expect((await beside.run(['status'])).out).toContain('certificates for 30d, keys from 3072 bits, up to 5 devices')
    expect((await beside.run(['audit'])).out).toMatch(/terms +key-bits +2048 → 3072/)
    for (const wrong of [
      ['--lifetime', '59m'],
      ['--lifetime', '0h'],
      ['--lifetime', '91d'],
      ['--key-bits', '1024'],
      ['--devices', '0'],
      ['--devices', 'many'],
    ]) {
      expect(await beside.run(['terms', ...wrong])).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringContaining(wrong[0] ?? ''),
      })
    }
    const bound = await beside.run(['invite', '--for', 'nina', '--json'])
    expect(JSON.parse(bound.out).invites).toMatchObject([{ for: 'nina' }])
    expect((await beside.run(['invites'])).out).toMatch(/^INVITE .*FOR.*\n(.*\n)*[0-9a-f]{8} +open .* nina/)
  })
})

test('npm run ca -- mode lets everybody in, or nobody, while the CA serves', async () => {
  const beside = caCommand(ca.home)
  const door = { kind: 'register' } as const
  const knock = async (name: string) => {
    await using device = await newcomer(newKey(3072))
    return await enrolAs(device, ca.clock, { user: name, invite: await ca.oneInvite(), door })
  }
  expect(JSON.parse((await beside.run(['mode', '--json'])).out)).toEqual({ mode: 'invite' })
  expect(await knock('too-early')).toMatchObject({ code: 'invite-needed' })
  expect((await beside.run(['mode', 'open'])).out).toContain('everybody may join')
  expect(await knock('welcome')).toHaveProperty('certificate')
  expect((await beside.run(['mode', 'invite'])).code).toBe(0)
  expect(await knock('too-late')).toMatchObject({ code: 'invite-needed' })
  expect(await beside.run(['mode', 'closed'])).toMatchObject({ code: 1, err: expect.stringContaining('approval') })
})
