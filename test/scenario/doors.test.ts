import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join as joinPath } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lastAudit } from '../../ca-node/audit.ts'
import { openBesideCa } from '../../ca-node/beside.ts'
import { approve, listPending } from '../../ca-node/modes.ts'
import type { EnrolDoor } from '../../peer/identity/enrol.ts'
import { type Joined, join as joinFrom } from '../../peer/identity/join.ts'
import { changePassword } from '../../peer/identity/password.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, LanyardError, orThrow } from '../../shared/errors.ts'
import { CERTIFICATE_LIFETIME_MS, DEVICES_PER_USER, ENROLMENT_TRIES, RENEWAL_GRACE_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { newKey, user } from '../support/certificates.ts'
import {
  enrolAs,
  type Newcomer,
  newcomer,
  PASSPHRASE,
  PASSWORD,
  type TestCa,
  temporaryFolder,
  testCa,
} from '../support/enrolment.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa()
})
afterAll(() => ca.stop())

const join = async (device: Newcomer, name: string) =>
  orThrow(await enrolAs(device, ca.clock, { user: name, invite: await ca.oneInvite() }))

const knock = async (device: Newcomer, name: string, door: EnrolDoor, password = '') =>
  enrolAs(device, ca.clock, { user: name, invite: await ca.oneInvite(), door, password })

const login = (device: Newcomer, name: string, password = PASSWORD) => knock(device, name, { kind: 'login' }, password)

const devicesOf = async (name: string) => (await ca.users()).find((user) => user.name === name)?.devices ?? []

const read = (root: Uint8Array, certificate: Uint8Array) => {
  const now = ca.clock.now()
  return orThrow(verifyDevice(certificate, { anchor: orThrow(trustAnchor(root, now)), now }))
}

describe('a further device of a user', () => {
  test('comes in with the password, and is another device of the same user', async () => {
    await using laptop = await newcomer()
    await join(laptop, 'alice')
    await using phone = await newcomer()
    const { root, certificate, crl } = orThrow(await login(phone, 'alice'))
    expect(read(root, certificate)).toMatchObject({ user: 'alice', peerId: phone.node.peerId })
    expect(Buffer.from(crl ?? []).equals(ca.crl().der)).toBe(true)
    expect(await devicesOf('alice')).toHaveLength(2)
  })

  test('is refused in one word for a wrong password and for a user that there is not', async () => {
    await using stranger = await newcomer()
    expect(await login(stranger, 'alice', 'a wrong password')).toMatchObject({ code: 'password-wrong', by: 'there' })
    expect(await login(stranger, 'nobody-here')).toMatchObject({ code: 'password-wrong', by: 'there' })
  })

  test('is turned away after 5 wrong passwords, whoever asks; the right one makes them forgotten', async () => {
    await using home = await newcomer()
    await join(home, 'guessed')
    const guess = async (password: string) => {
      await using device = await newcomer()
      const outcome = await login(device, 'guessed', password)
      return isRefusal(outcome) ? outcome.code : 'in'
    }
    const wrong = Array.from({ length: ENROLMENT_TRIES - 1 }, () => 'a wrong password')
    const codes: string[] = []
    for (const password of [...wrong, PASSWORD, ...wrong, 'a wrong password', PASSWORD])
      codes.push(await guess(password))
    expect(codes).toEqual([
      ...wrong.map(() => 'password-wrong'),
      'in',
      ...wrong.map(() => 'password-wrong'),
      'password-wrong',
      'rate-limited',
    ])
  })

  test(`is one of at most ${DEVICES_PER_USER}; a revoked one makes room`, async () => {
    await using first = await newcomer()
    await join(first, 'many')
    for (let count = 1; count < DEVICES_PER_USER; count += 1) {
      await using device = await newcomer()
      orThrow(await login(device, 'many'))
    }
    await using last = await newcomer()
    expect(await login(last, 'many')).toMatchObject({ code: 'device-limit', by: 'there' })
    await ca.revoke({ peerId: first.node.peerId }, 'unspecified')
    expect(await login(last, 'many')).toHaveProperty('certificate')
  })

  test('is not one that has joined already', async () => {
    await using device = await newcomer()
    await join(device, 'twice')
    expect(await login(device, 'twice')).toMatchObject({ code: 'already-enrolled' })
  })
})

describe('a renewal', () => {
  test('needs the key and the certificate, no password, and changes nothing else', async () => {
    await using device = await newcomer()
    const first = await join(device, 'renewer')
    ca.clock.advance(CERTIFICATE_LIFETIME_MS / 2)
    const second = orThrow(await knock(device, 'renewer', { kind: 'renew', certificate: first.certificate }))
    const [before, after] = [first, second].map(({ root, certificate }) => read(root, certificate))
    expect(after?.peerId).toBe(before?.peerId)
    expect(after?.serial).not.toBe(before?.serial)
    expect(after?.notAfter).toBeGreaterThan(before?.notAfter ?? 0)
    expect(await devicesOf('renewer')).toHaveLength(1)
  })

  test('is by the key alone until 30 days after the end, and then by the password', async () => {
    await using device = await newcomer()
    const { certificate } = await join(device, 'sleeper')
    const door = { kind: 'renew', certificate } as const
    ca.clock.advance(CERTIFICATE_LIFETIME_MS + RENEWAL_GRACE_MS - 60_000)
    orThrow(await knock(device, 'sleeper', door))
    ca.clock.advance(120_000)
    expect(await knock(device, 'sleeper', door)).toMatchObject({ code: 'password-needed', by: 'there' })
    expect(await knock(device, 'sleeper', door, 'a wrong password')).toMatchObject({ code: 'password-wrong' })
    expect(await knock(device, 'sleeper', door, PASSWORD)).toHaveProperty('certificate')
  })

  test("is not for another's certificate", async () => {
    await using device = await newcomer()
    const { certificate } = await join(device, 'owner')
    await using thief = await newcomer()
    expect(await knock(thief, 'owner', { kind: 'renew', certificate })).toMatchObject({ code: 'certificate-wrong-key' })
  })
})

describe('a new key', () => {
  test('takes the place of the old one, which is on the list at once and never comes back', async () => {
    await using old = await newcomer()
    const { certificate, root } = await join(old, 'changer')
    await using fresh = await newcomer()
    const door = { kind: 'rekey', certificate, oldKey: old.key } as const
    const enrolled = orThrow(await knock(fresh, 'changer', door))
    expect(read(root, enrolled.certificate).peerId).toBe(fresh.node.peerId)
    expect(await devicesOf('changer')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ peerId: old.node.peerId, revoked: true }),
        expect.objectContaining({ peerId: fresh.node.peerId, revoked: false }),
      ]),
    )
    expect(Buffer.from(ca.crl().der).includes(Buffer.from(read(root, certificate).serial, 'hex'))).toBe(true)
    expect(await knock(old, 'changer', { kind: 'renew', certificate })).toMatchObject({ code: 'certificate-revoked' })
    await using third = await newcomer()
    expect(await knock(third, 'changer', door)).toMatchObject({ code: 'certificate-revoked' })
  })

  test('is given again to who did not hear that it was given, and to no other key', async () => {
    await using old = await newcomer()
    const { certificate, root } = await join(old, 'unlucky')
    await using fresh = await newcomer()
    const door = { kind: 'rekey', certificate, oldKey: old.key } as const
    const lost = orThrow(await knock(fresh, 'unlucky', door))
    const again = orThrow(await knock(fresh, 'unlucky', door))
    expect(read(root, again.certificate).serial).not.toBe(read(root, lost.certificate).serial)
    expect(read(root, again.certificate).peerId).toBe(fresh.node.peerId)
    expect((await devicesOf('unlucky')).map(({ revoked }) => revoked).sort()).toEqual([false, true])
    await using other = await newcomer()
    expect(await knock(other, 'unlucky', door)).toMatchObject({ code: 'certificate-revoked' })
    await ca.revoke({ peerId: fresh.node.peerId }, 'unspecified')
    expect(await knock(fresh, 'unlucky', door)).toMatchObject({ code: 'certificate-revoked' })
  })

  test('of one user is not got by the retired key of another', async () => {
    await using old = await newcomer()
    const { certificate } = await join(old, 'retiree')
    await using fresh = await newcomer()
    orThrow(await knock(fresh, 'retiree', { kind: 'rekey', certificate, oldKey: old.key }))
    await using stranger = await newcomer()
    await join(stranger, 'stranger')
    const door = { kind: 'rekey', certificate, oldKey: old.key } as const
    expect(await knock(stranger, 'retiree', door)).toMatchObject({ code: 'certificate-revoked' })
  })

  test('is not given to who lacks the old one', async () => {
    await using old = await newcomer()
    const { certificate } = await join(old, 'robbed')
    await using thief = await newcomer()
    const door = { kind: 'rekey', certificate, oldKey: newKey() } as const
    expect(await knock(thief, 'robbed', door)).toMatchObject({ code: 'request-bad-signature', by: 'there' })
    expect(await devicesOf('robbed')).toMatchObject([{ revoked: false }])
  })
})

describe('another password', () => {
  const NEW = 'an even better password'
  const change = async (device: Newcomer, name: string, password: string, newPassword = NEW) =>
    changePassword(
      { node: device.node, ca: await ca.oneInvite(), clock: ca.clock },
      { user: user(name), password, newPassword },
    )

  test('is set by the present one, from a device of the user, and is in the audit', async () => {
    await using device = await newcomer()
    await join(device, 'changing')
    expect(await change(device, 'changing', PASSWORD)).toBeNull()
    await using phone = await newcomer()
    expect(await login(phone, 'changing')).toMatchObject({ code: 'password-wrong' })
    expect(await login(phone, 'changing', NEW)).toHaveProperty('certificate')
    const store = await openBesideCa(ca.home, ca.clock.now())
    const rows = await lastAudit(store.database, 10)
    await store.close()
    expect(rows.filter(({ event }) => event === 'password')).toMatchObject([
      { subject: 'changing', detail: `by the user, from ${device.node.peerId}` },
    ])
    expect(JSON.stringify(rows) + JSON.stringify(ca.logged)).not.toContain(NEW)
  })

  test('is not set by a wrong one, nor is anybody told whether there is such a user', async () => {
    await using device = await newcomer()
    await join(device, 'steadfast')
    expect(await change(device, 'steadfast', 'a wrong password')).toMatchObject({ code: 'password-wrong', by: 'there' })
    expect(await change(device, 'nobody-here', PASSWORD)).toMatchObject({ code: 'password-wrong', by: 'there' })
    expect(await change(device, 'steadfast', PASSWORD, '1234567')).toMatchObject({ code: 'password-too-short' })
    expect(await change(device, 'steadfast', PASSWORD, 'x'.repeat(1_025))).toMatchObject({ code: 'input-invalid' })
    await using phone = await newcomer()
    expect(await login(phone, 'steadfast')).toHaveProperty('certificate')
  })

  test("is not set from a stranger's device, nor from one that is out, though the password be right", async () => {
    await using device = await newcomer()
    await join(device, 'wary')
    await using stranger = await newcomer()
    expect(await change(stranger, 'wary', PASSWORD)).toMatchObject({ code: 'device-not-theirs', by: 'there' })
    await ca.revoke({ user: 'wary' }, 'unspecified')
    expect(await change(device, 'wary', PASSWORD)).toMatchObject({ code: 'certificate-revoked', by: 'there' })
    await using phone = await newcomer()
    expect(await login(phone, 'wary')).toHaveProperty('certificate')
  })

  test('is guessed at no faster than by logging in: the tries of both doors count together', async () => {
    await using device = await newcomer()
    await join(device, 'besieged')
    for (let count = 0; count < 3; count += 1) {
      await using thief = await newcomer()
      expect(await login(thief, 'besieged', 'a wrong password')).toMatchObject({ code: 'password-wrong' })
    }
    await using thief = await newcomer()
    const codes: unknown[] = []
    for (let count = 0; count < 3; count += 1) codes.push(await change(thief, 'besieged', 'a wrong password'))
    expect(codes).toMatchObject([{ code: 'password-wrong' }, { code: 'password-wrong' }, { code: 'rate-limited' }])
  })

  test('of two that are set at the same instant is the one that was answered', async () => {
    await using left = await newcomer()
    await join(left, 'hasty')
    await using right = await newcomer()
    orThrow(await login(right, 'hasty'))
    const [first, second] = await Promise.all([
      change(left, 'hasty', PASSWORD, 'the password of the left'),
      change(right, 'hasty', PASSWORD, 'the password of the right'),
    ])
    expect([first, second].filter((outcome) => outcome === null)).toHaveLength(1)
    expect([first, second].find((outcome) => outcome !== null)).toMatchObject({ code: 'password-wrong' })
    await using phone = await newcomer()
    const winner = first === null ? 'the password of the left' : 'the password of the right'
    expect(await login(phone, 'hasty', winner)).toHaveProperty('certificate')
  })
})

describe('who is out', () => {
  test('does not renew', async () => {
    await using device = await newcomer()
    const { certificate } = await join(device, 'gone')
    const number = ca.crl().number
    await ca.revoke({ user: 'gone' }, 'keyCompromise')
    expect(ca.crl().number).toBe(number + 1)
    expect(await knock(device, 'gone', { kind: 'renew', certificate })).toMatchObject({ code: 'certificate-revoked' })
    await using other = await newcomer()
    expect(await login(other, 'gone')).toHaveProperty('certificate')
  })
})

describe('without an invite', () => {
  const door = { kind: 'register' } as const

  test('nobody gets in, as long as the operator has not said otherwise', async () => {
    await using device = await newcomer()
    expect(await knock(device, 'walk-in', door, PASSWORD)).toMatchObject({ code: 'invite-needed', by: 'there' })
  })

  test('everybody gets in where the operator says so', async () => {
    await using open = await testCa({ mode: 'open' })
    await using device = await newcomer()
    const invite = await open.oneInvite()
    const parts = { user: 'walk-in', invite, door, password: PASSWORD }
    expect(await enrolAs(device, open.clock, parts)).toHaveProperty('certificate')
    await using other = await newcomer()
    expect(await enrolAs(other, open.clock, parts)).toMatchObject({ code: 'name-taken' })
  })

  test('whom the operator approves gets in with the same key and name, and nobody in their place', async () => {
    await using asking = await testCa({ mode: 'approval' })
    const store = await openBesideCa(asking.home, asking.clock.now())
    await using device = await newcomer()
    await using rival = await newcomer()
    const invite = await asking.oneInvite()
    const knockAs = (who: Newcomer) => enrolAs(who, asking.clock, { user: 'petra', invite, door, password: PASSWORD })
    expect(await knockAs(device)).toMatchObject({ code: 'approval-pending', by: 'there' })
    expect(await knockAs(rival)).toMatchObject({ code: 'approval-pending' })
    const [first, second] = await listPending(store.database)
    expect([first?.peerId, second?.peerId]).toEqual([device.node.peerId, rival.node.peerId])
    if (first === undefined) throw new Error('nobody waits')
    await approve(store.database, first, asking.clock.now())
    expect(await knockAs(rival)).toMatchObject({ code: 'approval-pending' })
    expect(await knockAs(device)).toHaveProperty('certificate')
    expect(await listPending(store.database)).toEqual([])
    expect(await knockAs(rival)).toMatchObject({ code: 'name-taken' })
    await store.close()
  })

  test('whom the operator approves gets in by the same command, whose key has waited in the home', async () => {
    await using asking = await testCa({ mode: 'approval' })
    const folder = await temporaryFolder()
    const store = await openBesideCa(asking.home, asking.clock.now())
    try {
      const home = joinPath(folder.path, 'erna')
      const waiting = joinPath(home, 'waiting.json')
      const { token: _, ...invite } = await asking.oneInvite()
      // As a process that knows nothing but the home.
      const tryAs = async (passphrase: string, keyBits = 2048): Promise<Joined | LanyardError> => {
        const rest = { keyBits, listen: [], clock: asking.clock, random: systemRandom }
        const secrets = { user: user('erna'), password: PASSWORD, passphrase }
        try {
          return await joinFrom({ home, invite, as: 'new-user', ...secrets, ...rest })
        } catch (error) {
          if (error instanceof LanyardError) return error
          throw error
        }
      }
      const first = await tryAs(PASSPHRASE, 3072)
      expect(first).toMatchObject({ code: 'approval-pending', refusal: { by: 'there' } })
      const kept = await readFile(waiting, 'utf8')
      expect((await stat(waiting)).mode & 0o777).toBe(0o600)
      expect(kept).not.toContain(PASSPHRASE)
      const pending = await listPending(store.database)
      expect(pending).toMatchObject([{ name: 'erna', approvedAt: null }])

      const wrong = await tryAs('another passphrase')
      expect(wrong).toMatchObject({
        code: 'passphrase-wrong',
        refusal: { detail: expect.stringContaining('your first try') },
      })
      expect(await tryAs(PASSPHRASE)).toMatchObject({ code: 'approval-pending' })
      expect(await readFile(waiting, 'utf8')).toBe(kept)
      expect(await listPending(store.database)).toEqual(pending) // the same request, of the same key

      const [one] = pending
      if (one === undefined) throw new Error('nobody waits')
      await approve(store.database, one, asking.clock.now())
      for (const damaged of [
        '',
        kept.slice(0, 40),
        kept.replace('BEGIN', 'begin'),
        kept.replace(/\\n(.{20})/, '\\n'),
      ]) {
        await writeFile(waiting, damaged)
        expect(await tryAs(PASSPHRASE), damaged).toMatchObject({
          code: 'waiting-damaged',
          refusal: { detail: waiting },
        })
        expect(await readFile(waiting, 'utf8')).toBe(damaged) // it is the user who throws it away
      }
      await writeFile(waiting, kept)
      expect(await tryAs(PASSPHRASE)).toMatchObject({ user: 'erna', device: one.peerId })
      expect(await readdir(home)).not.toContain('waiting.json')
      expect(await listPending(store.database)).toEqual([])
    } finally {
      await store.close()
      await folder.remove()
    }
  })
})

test('a name that looks like that of another user is refused, and the invite stays good', async () => {
  await using device = await newcomer()
  await join(device, 'wilma')
  await using twin = await newcomer()
  const invite = await ca.oneInvite()
  expect(await enrolAs(twin, ca.clock, { user: 'vvi1ma', invite })).toMatchObject({
    code: 'name-lookalike',
    by: 'there',
  })
  expect(await enrolAs(twin, ca.clock, { user: 'root', invite })).toMatchObject({ code: 'name-reserved', by: 'there' })
  expect(await enrolAs(twin, ca.clock, { user: 'fred', invite })).toHaveProperty('certificate')
})
