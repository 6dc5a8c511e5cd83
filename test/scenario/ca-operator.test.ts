import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { type CaCommand, caCommand, type Serving } from '../support/ca-command.ts'
import { enrolAs, newcomer, PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let ca: CaCommand
let serving: Serving
beforeAll(async () => {
  folder = await temporaryFolder()
  ca = caCommand(join(folder.path, 'ca'))
  serving = await ca.serve()
})
afterAll(async () => {
  ca.stop()
  await folder.remove()
})

const KEY = { LANYARD_CA_PASSPHRASE: PASSPHRASE }

const json = async (args: readonly string[], environment?: Record<string, string>) => {
  const { code, out, err } = await ca.run([...args, '--json'], environment)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out)
}

const invited = async () => orThrow(parseInvite((await json(['invite'])).invites[0].invite))

/** The PeerId of a new device of a new user. */
const enrolled = async (name: string): Promise<string> => {
  await using device = await newcomer()
  orThrow(await enrolAs(device, systemClock, { user: name, invite: await invited() }))
  return device.node.peerId
}

const login = async (name: string, password?: string) => {
  await using device = await newcomer()
  const parts = { user: name, invite: await invited(), door: { kind: 'login' } } as const
  return await enrolAs(device, systemClock, password === undefined ? parts : { ...parts, password })
}

const stateOf = async (peerId: string): Promise<string | undefined> =>
  (await json(['devices'])).devices.find((device: { peerId: string }) => device.peerId === peerId)?.state

// One life of a CA that serves, in order.
describe('beside a CA that serves, its operator', () => {
  test('is asked before a revocation; where nobody can be asked, nothing is done without --yes', async () => {
    const peerId = await enrolled('careful')
    const { code, err } = await ca.run(['revoke', 'careful'])
    expect(code).toBe(1)
    expect(err).toContain('--yes')
    expect(await stateOf(peerId)).toBe('good')
  })

  test('revokes one device without the passphrase: the CA that serves signs the next list', async () => {
    const peerId = await enrolled('alice')
    const before = (await json(['status'])).crl.number
    const revoked = await json(['revoke', peerId, '--reason', 'keyCompromise', '--yes'])
    expect(revoked).toMatchObject({
      user: 'alice',
      devices: [{ peerId, serials: [expect.any(String)] }],
      crl: before + 1,
    })
    expect(await stateOf(peerId)).toBe('revoked')
    expect(await json(['status'])).toMatchObject({ unsignedRevocations: false, crl: { number: before + 1 } })
  })

  test('disables a user, who then can neither log in nor is told anything without the password, and enables again', async () => {
    const peerId = await enrolled('bob')
    expect(await json(['disable', 'bob', '--yes'])).toMatchObject({ user: 'bob', devices: [{ peerId }] })
    expect(await login('bob')).toMatchObject({ code: 'user-disabled', by: 'there' })
    expect(await login('bob', 'a wrong password')).toMatchObject({ code: 'password-wrong', by: 'there' })
    expect(await json(['enable', 'bob'])).toEqual({ enabled: 'bob' })
    expect(await login('bob')).toHaveProperty('certificate')
    expect(await stateOf(peerId)).toBe('revoked')
  })

  test('gives a user another password', async () => {
    await enrolled('carol')
    const environment = { ...KEY, LANYARD_PASSWORD: 'another good password' }
    expect(await json(['passwd', 'carol', '--yes'], environment)).toEqual({ password: 'carol' })
    expect(await login('carol')).toMatchObject({ code: 'password-wrong' })
    expect(await login('carol', 'another good password')).toHaveProperty('certificate')
  })

  test.each([
    [['revoke', 'ghost', '--yes'], 'there is no such user or device'],
    [['disable', 'ghost', '--yes'], 'there is no such user'],
    [['enable', 'ghost'], 'there is no such user'],
    [['passwd', 'ghost', '--yes'], 'there is no such user'],
    [['revoke', 'alice', '--yes', '--reason', 'whim'], 'keyCompromise'],
    [['invitee'], 'there is no command'],
  ])('is told of a mistake: %j', async (args, words) => {
    const { code, out, err } = await ca.run(args)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(words)
  })

  test('sees it all, as tables and as JSON', async () => {
    expect((await ca.run(['users'])).out).toMatch(/^USER +JOINED.*\nalice +\d{4}-.* 0 of 1\nbob .* 1 of 2\n/)
    expect((await ca.run(['devices'])).out).toMatch(/^USER +STATE.*\nalice +revoked .*Qm/)
    expect((await ca.run(['invites'])).out).toMatch(/^INVITE .*\n[0-9a-f]{8} +(open|used) /)
    expect((await ca.run(['status'])).out).toMatch(/network code +([a-z2-7]{4}-){13}/)
    const { invites } = await json(['invites'])
    expect(invites.filter((one: { state: string }) => one.state === 'used').length).toBe(4)
    expect(await json(['status'])).toMatchObject({ users: 4, disabled: 0, devices: 4, revoked: 2 })
  })

  test('reads who did what in the audit, refusals too, and can prove that no row was changed', async () => {
    const { out } = await ca.run(['audit', '--json', '--lines', '1000'])
    const events = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).event)
    expect(events).toEqual(
      expect.arrayContaining([
        'served',
        'invited',
        'enrolled',
        'refused',
        'revoked',
        'disabled',
        'enabled',
        'password',
        'crl',
      ]),
    )
    expect(await json(['audit', 'verify'])).toMatchObject({ kind: 'intact', rows: events.length })
  })

  test('follows the audit: rows come as they are written, until Ctrl-C', async () => {
    const following = ca.start(['audit', '--follow', '--json', '--lines', '1'])
    await following.until('\n', 'out')
    const [invite] = await ca.invites(1)
    await following.until('"event":"invited"', 'out')
    await using device = await newcomer()
    orThrow(await enrolAs(device, systemClock, { user: 'followed', invite: orThrow(parseInvite(invite ?? '')) }))
    await following.until('"event":"enrolled","subject":"followed"', 'out')
    following.child.kill('SIGINT')
    expect(await following.ended).toBe(0)
    const rows = following.said.out.trimEnd().split('\n')
    const ids: number[] = rows.map((row) => JSON.parse(row).id)
    expect(ids).toEqual(ids.map((_, at) => (ids[0] ?? 0) + at)) // none is left out, none comes twice
  })

  test('ends the audit without a word when nobody reads on', async () => {
    const following = ca.start(['audit', '--follow'])
    await following.until('\n', 'out')
    following.child.stdout?.destroy()
    await ca.invites(1)
    expect(await following.ended).toBe(0)
    expect(following.said.err).toBe('')
  })

  testWithOpenssl('exports papers that openssl reads, and that refuse the revoked one', async () => {
    const out = join(folder.path, 'papers')
    await json(['export', '--out', out])
    const read = (name: string) => readFile(join(out, name), 'utf8')
    const files = {
      'root.pem': await read('root.pem'),
      'ca.pem': await read('ca.pem'),
      'crl.pem': await read('crl.pem'),
    }
    const verdict = ['verify', '-x509_strict', '-crl_check', '-CAfile', 'root.pem', '-CRLfile', 'crl.pem', 'ca.pem']
    expect(openssl(verdict, files)).toContain('OK')
    const text = openssl(['crl', '-in', 'crl.pem', '-noout', '-text'], files)
    expect(text).toContain('Key Compromise')
    expect(text).toContain('Cessation Of Operation')
  })
})

describe('without a CA that serves, its operator', () => {
  test('signs the list with the passphrase; without one the revocation is kept for the next start', async () => {
    const peerId = await enrolled('dave')
    serving.child.kill('SIGTERM')
    expect(await serving.ended).toBe(0)
    const before = (await json(['status'])).crl.number
    const { code, err } = await ca.run(['revoke', 'dave', '--yes'])
    expect(code).toBe(1)
    expect(err).toContain('LANYARD_CA_PASSPHRASE')
    expect(await json(['status'])).toMatchObject({ unsignedRevocations: true, crl: { number: before } })
    expect(await json(['revoke', 'carol', '--yes'], KEY)).toMatchObject({ crl: before + 1 })
    expect(await stateOf(peerId)).toBe('revoked')
    expect(await json(['status'])).toMatchObject({ unsignedRevocations: false })
  })

  test('backs all of it up in one sealed file, and restores it in a place of its own', async () => {
    const file = join(folder.path, 'ca.backup')
    const { crl } = await json(['backup', file], KEY)
    const content = await readFile(file)
    for (const secret of ['carol', 'PRIVATE KEY', 'SQLite format']) expect(content.includes(secret)).toBe(false)
    const elsewhere = caCommand(join(folder.path, 'elsewhere'))
    const missing = await elsewhere.run(['restore', `${file}.not`, '--yes'], KEY)
    expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('no such file') })
    const wrong = await elsewhere.run(['restore', file, '--yes'], { LANYARD_CA_PASSPHRASE: 'a wrong passphrase' })
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('passphrase') })
    expect(await elsewhere.run(['restore', file, '--yes'], KEY)).toMatchObject({ code: 0, err: '' })
    const restored = await elsewhere.serve()
    await restored.until('no device answered') // and what to do is said with it
    expect(restored.said.err).toContain('next: revoke it again')
    const { out } = await elsewhere.run(['status', '--json'])
    expect(JSON.parse(out)).toMatchObject({ users: 6, crl: { number: crl + 1_001 } })
    restored.child.kill('SIGTERM')
    expect(await restored.ended).toBe(0)
  })

  test('cannot lift a revocation, or go back in the number of the list, by restoring an older backup', async () => {
    const file = join(folder.path, 'older.backup')
    const { crl } = await json(['backup', file], KEY)
    const { devices } = await json(['revoke', 'bob', '--yes'], KEY)
    expect(await json(['restore', file, '--yes'], KEY)).toMatchObject({ revocationsKept: 1, crlAtLeast: crl + 2 })
    expect(await stateOf(devices[0].peerId)).toBe('revoked')
    serving = await ca.serve()
    expect((await json(['status'])).crl.number).toBe(crl + 2)
    expect(await json(['audit', 'verify'])).toMatchObject({ kind: 'intact' })
    const { code, err } = await ca.run(['restore', file, '--yes'], KEY)
    expect(code).toBe(1)
    expect(err).toContain('another lanyard runs on this home')
    serving.child.kill('SIGTERM')
    expect(await serving.ended).toBe(0)
  })
})
