import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBesideCa } from '../../ca-node/beside.ts'
import { setTerms } from '../../ca-node/terms.ts'
import { openKeystore } from '../../peer/identity/keystore.ts'
import { formatInvite } from '../../shared/invite.ts'
import { HOUR_MS } from '../../shared/limits.ts'
import { PASSPHRASE, type TestCa, temporaryFolder, testCa } from '../support/enrolment.ts'
import { type PeerCommand, peerCommand, type Running } from '../support/peer-command.ts'

let ca: TestCa
let folder: Awaited<ReturnType<typeof temporaryFolder>>
const homes: PeerCommand[] = []
beforeAll(async () => {
  ca = await testCa()
  folder = await temporaryFolder()
}, 60_000)
afterAll(async () => {
  for (const home of homes) home.stop()
  await ca.stop()
  await folder.remove()
})

const homeOf = (name: string): PeerCommand => {
  const command = peerCommand(join(folder.path, name))
  homes.push(command)
  return command
}
const invite = async () => formatInvite(await ca.oneInvite())
const joined = async (name: string): Promise<PeerCommand> => {
  const home = homeOf(name)
  expect(await home.json(['join', await invite(), '--user', name])).toMatchObject({ exit: 0, event: 'joined' })
  return home
}
/** Waits until a command has printed that. */
const heard = ({ child }: Running, text: string): Promise<void> =>
  new Promise((resolve) => {
    let out = ''
    child.stdout?.on('data', (data) => {
      out += String(data)
      if (out.includes(text)) resolve()
    })
  })
const devicesOf = async (name: string) => (await ca.users()).find((user) => user.name === name)?.devices ?? []
const states = async (name: string) => (await devicesOf(name)).map(({ revoked }) => (revoked ? 'out' : 'good')).sort()

describe('npm run peer --', { timeout: 120_000 }, () => {
  test('renew: says until when the certificate was good, and until when it is now', async () => {
    const home = await joined('rene')
    const store = await openBesideCa(ca.home, ca.clock.now())
    await setTerms(store.database, { lifetimeMs: 1_000 * HOUR_MS }, ca.clock.now())
    const renewed = await home.json(['renew'])
    expect(renewed).toMatchObject({ exit: 0, event: 'renewed' })
    const [before, until] = [Date.parse(String(renewed.before)), Date.parse(String(renewed.until))]
    expect((until - before) / HOUR_MS).toBeCloseTo(1_000 - 336, 0)
    expect((await home.run(['renew'])).out).toMatch(/was good until .*UTC, and is now good until .*UTC/)
    expect(await home.json(['renew'])).toMatchObject({ before: renewed.until })
    await setTerms(store.database, { lifetimeMs: 336 * HOUR_MS }, ca.clock.now())
    await store.close()
  })

  test('login <invite>: makes a second home a further device of the user; the invite stays unspent', async () => {
    await joined('lola')
    const text = await invite()
    const phone = homeOf('phone of lola')
    expect(await phone.json(['login', text, '--user', 'lola'])).toMatchObject({
      exit: 0,
      event: 'joined',
      user: 'lola',
      network: 'test',
    })
    expect(await states('lola')).toEqual(['good', 'good'])
    expect(await homeOf('new friend').json(['join', text, '--user', 'friend'])).toMatchObject({ exit: 0 })
    expect(await states('friend')).toEqual(['good'])
  })

  test('login: with a wrong password, or as nobody, is refused in the same words, with exit code 1', async () => {
    await joined('wendy')
    const home = homeOf('thief')
    const wrong = { LANYARD_PASSWORD: 'a wrong password' }
    const refused = await home.json(['login', await invite(), '--user', 'wendy'], wrong)
    expect(refused).toMatchObject({ exit: 1, event: 'error', code: 'password-wrong' })
    expect(refused.next).toContain('15 minutes')
    expect(await home.json(['login', await invite(), '--user', 'nobody'], wrong)).toEqual(refused)
    expect((await home.json(['renew'])).code).toBe('no-profile') // nothing was left behind
  })

  test('passwd: the old password no longer lets a device in, the new one does', async () => {
    const home = await joined('paula')
    const change = { LANYARD_NEW_PASSWORD: 'an even better password' }
    expect(await home.json(['passwd'], { ...change, LANYARD_PASSWORD: 'not it' })).toMatchObject({
      exit: 1,
      code: 'password-wrong',
    })
    expect(await home.json(['passwd'], { LANYARD_NEW_PASSWORD: '1234567' })).toMatchObject({
      exit: 1,
      code: 'password-too-short',
    })
    expect(await home.json(['passwd'], change)).toEqual({ exit: 0, event: 'password-changed', user: 'paula' })
    const phone = homeOf('phone of paula')
    const login = ['login', await invite(), '--user', 'paula']
    expect(await phone.json(login)).toMatchObject({ exit: 1, code: 'password-wrong' })
    const [file, next] = [join(folder.path, 'password'), join(folder.path, 'next')]
    await writeFile(file, 'an even better password\n')
    await writeFile(next, 'the best password so far\n')
    expect(await phone.json([...login, '--password-file', file])).toMatchObject({ exit: 0 })
    const files = ['--password-file', file, '--new-password-file', next]
    expect(await phone.json(['passwd', ...files])).toMatchObject({ exit: 0, event: 'password-changed' })
  })

  test('passwd --passphrase: the key opens with the new one alone, and is the same key', async () => {
    const home = await joined('frank')
    const before = await openKeystore(join(folder.path, 'frank'), PASSPHRASE)
    const next = 'another passphrase'
    expect(await home.json(['passwd', '--passphrase'], { LANYARD_NEW_PASSPHRASE: 'short' })).toMatchObject({
      exit: 1,
      code: 'password-too-short',
    })
    expect(await home.json(['passwd', '--passphrase'], { LANYARD_NEW_PASSPHRASE: next })).toEqual({
      exit: 0,
      event: 'passphrase-changed',
    })
    expect(await home.json(['renew'])).toMatchObject({ exit: 1, code: 'passphrase-wrong' })
    const after = await openKeystore(join(folder.path, 'frank'), next)
    expect(after.key.equals(before.key)).toBe(true)
    expect(after.storeKey).toEqual(before.storeKey)
  })

  test('rekey: is another device to everybody, the old one is out, and what was said can still be read', async () => {
    const home = await joined('kim')
    const [old] = await devicesOf('kim')
    expect((await home.json(['say', 'before the change', '--wait', '0'])).exit).toBe(0)
    const rekeyed = await home.json(['rekey', '--key-bits', '3072'])
    expect(rekeyed).toMatchObject({ exit: 0, event: 'rekeyed', user: 'kim', before: old?.peerId })
    expect(await devicesOf('kim')).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ peerId: old?.peerId, revoked: true }),
        expect.objectContaining({ peerId: rekeyed.device, revoked: false }),
      ]),
    )
    const { key } = await openKeystore(join(folder.path, 'kim'), PASSPHRASE)
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(3072)
    const chat = home.start(['--json'])
    chat.child.stdin?.write('after the change\n')
    await heard(chat, '"stored"')
    chat.child.stdin?.end('/history\n/quit\n')
    const { out } = await chat.ended
    const texts = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .flatMap(({ event, text }) => (event === 'message' ? [text] : []))
    expect(texts).toEqual(['before the change', 'after the change'])
  })

  test('login --new-key: brings a device back that the operator revoked, with its history', async () => {
    const home = await joined('rudi')
    expect((await home.json(['say', 'as I was', '--wait', '0'])).exit).toBe(0)
    await ca.revoke({ user: 'rudi' }, 'unspecified')
    expect(await home.json(['renew'])).toMatchObject({ exit: 1, code: 'certificate-revoked' })
    expect(await home.json(['login'])).toMatchObject({ exit: 1, code: 'certificate-revoked' })
    expect(await home.json(['rekey'])).toMatchObject({ exit: 1, code: 'certificate-revoked' })
    const wrong = await home.json(['login', '--new-key'], { LANYARD_PASSWORD: 'a wrong password' })
    expect(wrong).toMatchObject({ exit: 1, code: 'password-wrong' })
    expect(await home.json(['login', '--new-key'])).toMatchObject({ exit: 0, event: 'rekeyed', user: 'rudi' })
    expect(await states('rudi')).toEqual(['good', 'out'])
    const chat = home.start(['--json'])
    chat.child.stdin?.end('/history\n/quit\n')
    expect((await chat.ended).out).toContain('as I was')
  })

  test('nothing changes the key of a home in which another lanyard runs', async () => {
    const home = await joined('busy')
    const chat = home.start(['--json'])
    await heard(chat, '"ready"')
    for (const command of [['rekey'], ['renew'], ['passwd', '--passphrase']]) {
      const refused = await home.json(command, { LANYARD_NEW_PASSPHRASE: 'another passphrase' })
      expect(refused).toMatchObject({ exit: 1, code: 'profile-in-use' })
    }
    chat.child.stdin?.write('/renew\n/quit\n')
    expect((await chat.ended).out).toContain('"event":"renewed"')
    expect(await states('busy')).toEqual(['good'])
  })

  test('in an empty home every command says what to do, in a line, with exit code 1', async () => {
    const commands = [['renew'], ['rekey'], ['passwd'], ['login'], ['config'], ['login', 'lanyard://join/1#nonsense']]
    const home = homeOf('empty')
    for (const command of commands) {
      const { code, out, err } = await home.run(command)
      expect({ command, code, out }).toEqual({ command, code: 1, out: '' })
      const words = command.length > 1 ? 'that is not a whole lanyard invite' : 'there is no profile in this home yet'
      expect(err).toMatch(new RegExp(`^lanyard: ${words} .*\nnext: .+\n$`))
    }
    const mistaken = [
      ['join', '--key-bits', '1024'],
      ['login', '--new-key'],
    ]
    for (const [command = '', ...rest] of mistaken) {
      expect((await home.run([command, await invite(), ...rest])).err).toContain(rest[0])
    }
  })

  test('config strict: stays from one start to the next', async () => {
    const home = await joined('stefan')
    expect(await home.json(['config'])).toEqual({ exit: 0, strict: false })
    expect(await home.json(['config', 'strict', 'on'])).toEqual({ exit: 0, strict: true })
    expect((await home.run(['users', '--wait', '0'])).code).toBe(0)
    expect(await home.json(['config'])).toEqual({ exit: 0, strict: true })
    expect((await home.json(['config', 'strict', 'maybe'])).code).toBe('input-invalid')
    expect((await home.json(['config', 'colour', 'on'])).code).toBe('input-invalid')
    await writeFile(join(folder.path, 'stefan', 'settings.json'), '{"strict":')
    expect(await home.json(['users', '--wait', '0'])).toMatchObject({ exit: 1, code: 'profile-damaged' })
  })

  test('join, login and rekey make a longer key by themselves where the operator asks for one', async () => {
    const store = await openBesideCa(ca.home, ca.clock.now())
    const before = await joined('short')
    await setTerms(store.database, { keyBits: 3072 }, ca.clock.now())
    await joined('long')
    const { key } = await openKeystore(join(folder.path, 'long'), PASSPHRASE)
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(3072)
    expect(await before.json(['renew'])).toMatchObject({
      exit: 1,
      code: 'key-too-weak',
      next: expect.stringContaining('rekey'),
    })
    expect(await before.json(['rekey'])).toMatchObject({ exit: 0, event: 'rekeyed' })
    expect(await before.json(['renew'])).toMatchObject({ exit: 0 })
    await setTerms(store.database, { keyBits: 2048 }, ca.clock.now())
    await store.close()
  })
})
