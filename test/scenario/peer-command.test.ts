import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openBesideCa } from '../../ca-node/beside.ts'
import { setTerms, type Terms } from '../../ca-node/terms.ts'
import { openKeystore, readProfile } from '../../peer/identity/keystore.ts'
import { formatInvite } from '../../shared/invite.ts'
import { HOUR_MS } from '../../shared/limits.ts'
import { PASSPHRASE, type TestCa, testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'
import { type PeerCommand, peerCommand, type Running } from '../support/peer-command.ts'

let ca: TestCa
let onEnrolled: () => void = () => undefined
let homes: Awaited<ReturnType<typeof openHomes>>
const commands: PeerCommand[] = []
beforeAll(async () => {
  ca = await testCa({ onLog: (event) => event === 'enrolled' && onEnrolled() })
  homes = await openHomes(ca)
})
afterAll(async () => {
  for (const command of commands) command.stop()
  await homes[Symbol.asyncDispose]()
  await ca.stop()
})

const pathOf = (home: string): string => join(homes.folder, home)
const commandIn = (home: string): PeerCommand => {
  const command = peerCommand(pathOf(home))
  commands.push(command)
  return command
}
/** The commands of a home whose user has joined. */
const joined = async (name: string): Promise<PeerCommand> => {
  await homes.settle(name)
  return commandIn(name)
}
const invite = async () => formatInvite(await ca.oneInvite())
const devicesOf = async (name: string) => (await ca.users()).find((user) => user.name === name)?.devices ?? []
const states = async (name: string) => (await devicesOf(name)).map(({ revoked }) => (revoked ? 'out' : 'good')).sort()

/** What the operator does at another terminal. */
const operator = async (changes: Partial<Terms>): Promise<void> => {
  const store = await openBesideCa(ca.home, ca.clock.now())
  await setTerms(store.database, changes, ca.clock.now())
  await store.close()
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

/** The texts that a chat shows, after it has said some. */
const chatIn = async (home: PeerCommand, ...lines: readonly string[]): Promise<unknown[]> => {
  const chat = home.start(['--json'])
  for (const line of lines) {
    chat.child.stdin?.write(`${line}\n`)
    await heard(chat, '"stored"')
  }
  chat.child.stdin?.end('/history\n/quit\n')
  const { out } = await chat.ended
  const told = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return told.flatMap(({ event, text }) => (event === 'message' ? [text] : []))
}

describe('npm run peer --', () => {
  test('renew: says until when the certificate was good, and until when it is now', async () => {
    const home = await joined('rene')
    await operator({ lifetimeMs: 1_000 * HOUR_MS })
    const renewed = await home.json(['renew'])
    expect(renewed).toMatchObject({ exit: 0, event: 'renewed' })
    const [before, until] = [Date.parse(String(renewed.before)), Date.parse(String(renewed.until))]
    expect((until - before) / HOUR_MS).toBeCloseTo(1_000 - 336, 0)
    expect((await home.run(['renew'])).out).toMatch(/was good until .*UTC, and is now good until .*UTC/)
    await operator({ lifetimeMs: 336 * HOUR_MS })
  })

  test('login <invite>: makes a second home a further device of the user; the invite stays unspent', async () => {
    await joined('lola')
    const text = await invite()
    const facts = { exit: 0, event: 'joined', user: 'lola', network: 'test' }
    expect(await commandIn('phone of lola').json(['login', text, '--user', 'lola'])).toMatchObject(facts)
    expect(await states('lola')).toEqual(['good', 'good'])
    expect(await commandIn('friend').json(['join', text, '--user', 'friend'])).toMatchObject({ exit: 0 })
    expect(await states('friend')).toEqual(['good'])
  })

  test('join, killed as the CA had written the user down: the next one says what to do, and that works', async () => {
    const home = commandIn('unlucky')
    const text = await invite()
    const first = home.start(['join', text, '--user', 'unlucky'])
    onEnrolled = () => first.child.kill('SIGKILL') // before the CA can say so
    expect(await first.ended).toMatchObject({ code: null, out: '' })
    onEnrolled = () => undefined
    expect(await states('unlucky')).toEqual(['good'])
    await expect(readProfile(pathOf('unlucky'))).rejects.toMatchObject({ code: 'no-profile' })
    const refused = { exit: 1, code: 'join-cut-off', next: expect.stringContaining("login '<invite>'") }
    expect(await home.json(['join', text, '--user', 'unlucky'])).toMatchObject(refused)
    expect(await home.json(['join', await invite(), '--user', 'unlucky'])).toMatchObject(refused)
    expect(await home.json(['join', text, '--user', 'somebody'])).toMatchObject({ exit: 1, code: 'token-used' })
    expect(await home.json(['login', text, '--user', 'unlucky'])).toMatchObject({ exit: 0, user: 'unlucky' })
    expect(await states('unlucky')).toEqual(['good', 'good']) // the one that nobody has the key of is for the operator
  })

  test('login: with a wrong password, or as nobody, is refused in the same words, with exit code 1', async () => {
    await joined('wendy')
    const home = commandIn('thief')
    const wrong = { LANYARD_PASSWORD: 'a wrong password' }
    const refused = await home.json(['login', await invite(), '--user', 'wendy'], wrong)
    expect(refused).toMatchObject({ exit: 1, event: 'error', code: 'password-wrong' })
    expect(await home.json(['login', await invite(), '--user', 'nobody'], wrong)).toEqual(refused)
    await expect(readProfile(pathOf('thief'))).rejects.toMatchObject({ code: 'no-profile' })
  })

  test('passwd: the old password no longer lets a device in, the new one does', async () => {
    const home = await joined('paula')
    const change = { LANYARD_NEW_PASSWORD: 'an even better password' }
    const wrong = await home.json(['passwd'], { ...change, LANYARD_PASSWORD: 'not it' })
    expect(wrong).toMatchObject({ exit: 1, code: 'password-wrong' })
    expect(await home.json(['passwd'], change)).toEqual({ exit: 0, event: 'password-changed', user: 'paula' })
    const phone = commandIn('phone of paula')
    const login = ['login', await invite(), '--user', 'paula']
    expect(await phone.json(login)).toMatchObject({ exit: 1, code: 'password-wrong' })
    const [file, next] = [pathOf('password'), pathOf('next')]
    await writeFile(file, 'an even better password\n')
    await writeFile(next, 'the best password so far\n')
    expect(await phone.json([...login, '--password-file', file])).toMatchObject({ exit: 0 })
    const files = ['--password-file', file, '--new-password-file', next]
    expect(await phone.json(['passwd', ...files])).toMatchObject({ exit: 0, event: 'password-changed' })
  })

  test('passwd --passphrase: the key opens with the new one alone, and is the same key', async () => {
    const home = await joined('frank')
    const before = await openKeystore(pathOf('frank'), PASSPHRASE)
    const change = ['passwd', '--passphrase']
    const short = await home.json(change, { LANYARD_NEW_PASSPHRASE: 'short' })
    expect(short).toMatchObject({ exit: 1, code: 'password-too-short' })
    const changed = await home.json(change, { LANYARD_NEW_PASSPHRASE: 'another passphrase' })
    expect(changed).toEqual({ exit: 0, event: 'passphrase-changed' })
    expect(await home.json(['renew'])).toMatchObject({ exit: 1, code: 'passphrase-wrong' })
    const after = await openKeystore(pathOf('frank'), 'another passphrase')
    expect(after.key.equals(before.key)).toBe(true)
    expect(after.storeKey).toEqual(before.storeKey)
  })

  test('rekey: is another device to everybody, the old one is out, and what was said can still be read', async () => {
    const home = await joined('kim')
    const [old] = await devicesOf('kim')
    expect(await chatIn(home, 'before the change')).toEqual(['before the change'])
    const rekeyed = await home.json(['rekey', '--key-bits', '3072'])
    expect(rekeyed).toMatchObject({ exit: 0, event: 'rekeyed', user: 'kim', before: old?.peerId })
    const [revoked, good] = [old?.peerId, rekeyed.device].map((peerId, at) => ({ peerId, revoked: at === 0 }))
    expect(await devicesOf('kim')).toEqual(
      expect.arrayContaining([expect.objectContaining(revoked), expect.objectContaining(good)]),
    )
    const { key } = await openKeystore(pathOf('kim'), PASSPHRASE)
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(3072)
    expect(await chatIn(home, 'after the change')).toEqual(['before the change', 'after the change'])
  })

  test('login --new-key: brings a device back that the operator revoked, with its history', async () => {
    const home = await joined('rudi')
    expect(await chatIn(home, 'as I was')).toEqual(['as I was'])
    await ca.revoke({ user: 'rudi' }, 'unspecified')
    const out = { exit: 1, code: 'certificate-revoked', next: expect.stringContaining('login --new-key') }
    expect(await home.json(['login'])).toMatchObject(out)
    expect(await home.json(['login', '--new-key'])).toMatchObject({ exit: 0, event: 'rekeyed', user: 'rudi' })
    expect(await states('rudi')).toEqual(['good', 'out'])
    expect(await chatIn(home)).toEqual(['as I was'])
  })

  test('nothing changes the key of a home in which another lanyard runs, which renews by itself, and when it is told to', async () => {
    const home = await joined('busy')
    const chat = home.start(['--json'])
    await heard(chat, '"ready"')
    const detail = `process ${chat.child.pid}: lanyard chat`
    expect(await home.json(['rekey'])).toMatchObject({ exit: 1, code: 'profile-in-use', detail })
    expect(await home.json(['renew'])).toMatchObject({ exit: 0, event: 'renewed' })
    chat.child.stdin?.write('/renew\n')
    await heard(chat, '"event":"renewed"')
    chat.child.stdin?.end('/quit\n')
    expect((await chat.ended).code).toBe(0)
    expect(await states('busy')).toEqual(['good'])
  })

  test('in an empty home a command says what to do, in a line, with exit code 1', async () => {
    const home = commandIn('empty')
    const mistakes = [
      [['renew'], 'there is no profile in this home yet'],
      [['login'], 'there is no profile in this home yet'],
      [['login', 'lanyard://join/1#nonsense'], 'that is not a whole lanyard invite'],
      [['login', await invite(), '--new-key'], 'what was given cannot be used'],
      [['join', await invite(), '--key-bits', '1024'], 'what was given cannot be used'],
    ] as const
    for (const [command, words] of mistakes) {
      const { code, out, err } = await home.run(command)
      expect({ command, code, out }).toEqual({ command, code: 1, out: '' })
      expect(err).toMatch(new RegExp(`^lanyard: ${words}.*\nnext: .+\n$`))
    }
  })

  test('config strict: stays from one start to the next', async () => {
    const home = await joined('stefan')
    expect(await home.json(['config', 'strict', 'on'])).toEqual({ exit: 0, strict: true })
    expect((await home.run(['users', '--wait', '0'])).code).toBe(0)
    expect(await home.json(['config'])).toEqual({ exit: 0, strict: true })
    expect((await home.json(['config', 'strict', 'maybe'])).code).toBe('input-invalid')
    await writeFile(join(pathOf('stefan'), 'settings.json'), '{"strict":')
    expect(await home.json(['users', '--wait', '0'])).toMatchObject({ exit: 1, code: 'profile-damaged' })
  })

  test('join and rekey make a longer key by themselves where the operator asks for one', async () => {
    const before = await joined('short')
    await operator({ keyBits: 3072 })
    expect(await commandIn('long').json(['join', await invite(), '--user', 'long'])).toMatchObject({ exit: 0 })
    const { key } = await openKeystore(pathOf('long'), PASSPHRASE)
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(3072)
    const refused = { exit: 1, code: 'key-too-weak', next: expect.stringContaining('rekey') }
    expect(await before.json(['renew'])).toMatchObject(refused)
    expect(await before.json(['rekey'])).toMatchObject({ exit: 0, event: 'rekeyed' })
    await operator({ keyBits: 2048 })
  })
})
