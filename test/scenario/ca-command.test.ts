import { type ChildProcess, spawn } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { parseNetworkCode } from '../../shared/network-code.ts'
import { enrolAs, newcomer, PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'

const MAIN = fileURLToPath(new URL('../../ca-node/main.ts', import.meta.url))

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let home: string
const children = new Set<ChildProcess>()
beforeAll(async () => {
  folder = await temporaryFolder()
  home = join(folder.path, 'ca')
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await folder.remove()
})

const launch = (args: readonly string[], environment: Record<string, string> = {}) => {
  const { LANYARD_CA_PASSPHRASE: _, ...inherited } = process.env
  const child = spawn(process.execPath, [MAIN, '--home', home, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, ...environment },
  })
  children.add(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (data) => {
    out += String(data)
  })
  child.stderr.on('data', (data) => {
    err += String(data)
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve)).finally(() =>
    children.delete(child),
  )
  return { child, ended, out: () => out, err: () => err }
}

const run = async (args: readonly string[], environment?: Record<string, string>) => {
  const process = launch(args, environment)
  const code = await process.ended
  return { code, out: process.out(), err: process.err() }
}

const SERVE = ['--listen', '/ip4/127.0.0.1/tcp/0', '--network', 'Büro 7']
const KEY = { LANYARD_CA_PASSPHRASE: PASSPHRASE }

/** Serves, and waits until it says where. */
const serve = async (args: readonly string[], environment: Record<string, string> = {}) => {
  const process = launch([...SERVE, ...args], environment)
  await expect.poll(() => process.out()).toMatch(/Ctrl-C|"invite":/)
  return process
}

const enrolWith = async (name: string, text: string) => {
  await using device = await newcomer()
  return await enrolAs(device, systemClock, { user: name, invite: orThrow(parseInvite(text)) })
}

// One life of a CA, in order.
describe('npm run ca', () => {
  test('without a passphrase, and without anybody to ask, makes nothing', async () => {
    const { code, err, out } = await run(SERVE)
    expect(code).toBe(1)
    expect(err).toContain('LANYARD_CA_PASSPHRASE')
    expect(out).toBe('')
    await expect(stat(join(home, 'keys'))).rejects.toThrow(/ENOENT/)
  })

  test('takes no passphrase of 7 characters for a new root', async () => {
    expect(await run(SERVE, { LANYARD_CA_PASSPHRASE: '1234567' })).toMatchObject({ code: 1 })
  })

  test('has no invites to give before its first start', async () => {
    const { code, err } = await run(['invite'])
    expect(code).toBe(1)
    expect(err).toContain('there is no CA in this home yet')
  })

  test('makes a network at its first start, shows how to join it, and lets the invited in', async () => {
    const ca = await serve([], KEY)
    expect(ca.out()).toContain('Büro 7')
    const [invite = ''] = /lanyard:\/\/\S+/.exec(ca.out()) ?? []
    const parsed = orThrow(parseInvite(invite))
    const [code = ''] = /([a-z2-7]{4}-){13}[a-z2-7]{4}/.exec(ca.out()) ?? []
    expect(parseNetworkCode(code)).toEqual(parsed.pin)
    for (const address of parsed.addresses) expect(ca.out()).toContain(address)
    expect(ca.out()).toMatch(/█▀▀▀▀▀█/)
    expect(await enrolWith('alice', invite)).toHaveProperty('certificate')
    expect(await enrolWith('mallory', invite)).toMatchObject({ code: 'token-used' })
    expect(ca.err()).toContain('"enrolled"')
    expect(ca.err()).not.toContain('correct horse')
    ca.child.kill('SIGTERM')
    expect(await ca.ended).toBe(0)
  })

  test('keeps its keys sealed and its folder shut', async () => {
    expect((await stat(home)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(join(home, 'keys'))) {
      expect((await stat(join(home, 'keys', name))).mode & 0o777).toBe(0o600)
    }
    for (const name of ['root-key.pem', 'ca-key.pem']) {
      expect(await readFile(join(home, 'keys', name), 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    }
  })

  test('does not start with another passphrase', async () => {
    const { code, err } = await run(SERVE, { LANYARD_CA_PASSPHRASE: 'another passphrase' })
    expect(code).toBe(1)
    expect(err).toContain('passphrase')
  })

  test('serves the same network after a restart, with invites made beside it, and lists who has joined', async () => {
    const file = join(folder.path, 'passphrase')
    await writeFile(file, `${PASSPHRASE}\nand a line that does not count\n`)
    const ca = await serve(['--json', '--passphrase-file', file])
    const announced = JSON.parse(ca.out())
    expect(Object.keys(announced)).toEqual(['network', 'networkName', 'networkCode', 'peerId', 'addresses', 'invite'])
    expect(await enrolWith('bob', announced.invite)).toHaveProperty('certificate')

    const made = await run(['invite', '--count', '2', '--ttl', '1', '--json'])
    const invites: { invite: string; expires: string }[] = JSON.parse(made.out).invites
    expect(invites).toHaveLength(2)
    const hours = (Date.parse(invites[0]?.expires ?? '') - systemClock.now()) / 3_600_000
    expect(hours).toBeGreaterThan(0.9)
    expect(hours).toBeLessThanOrEqual(1)
    expect(await enrolWith('carol', invites[0]?.invite ?? '')).toHaveProperty('certificate')
    expect(await enrolWith('dave', invites[1]?.invite ?? '')).toHaveProperty('certificate')

    const { users } = JSON.parse((await run(['users', '--json'])).out)
    expect(users.map((one: { name: string }) => one.name)).toEqual(['alice', 'bob', 'carol', 'dave'])
    expect((await run(['users'])).out).toMatch(/^USER .*\nalice .*\nbob .*\ncarol .*\ndave /)

    const second = await run([...SERVE.slice(2), '--listen', announced.addresses[0], '--json'], KEY)
    expect(second.code).toBe(1)
    expect(second.err).toContain('the port is taken')
    ca.child.kill('SIGINT')
    expect(await ca.ended).toBe(0)
  })

  test.each([
    ['--count', '0'],
    ['--count', 'many'],
    ['--count', '1001'],
    ['--ttl', '-1'],
    ['--ttl', 'soon'],
  ])('makes no invites with %s %s', async (...option) => {
    const { code, out } = await run(['invite', ...option])
    expect(code).toBe(1)
    expect(out).toBe('')
  })
})
