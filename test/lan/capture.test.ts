import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { parseInvite } from '../../shared/invite.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Driven, type ProfileOptions, startDriver, writeDriverProfile } from '../support/drivers.ts'
import { enrolAs, newcomer, PASSPHRASE, PASSWORD, testCa } from '../support/enrolment.ts'
import { createLan, type Host } from '../support/lan.ts'
import { leaksIn } from '../support/leaks.ts'
import { type Capture, connectionsIn, startProxy, startTcpdump, testWithTcpdump } from '../support/tap.ts'
import { says } from '../support/world.ts'

const TEXT = 'the safe opens with 47-11-08'
const FILE_NAME = 'salaries of everybody.csv'
const FILE_LINE = 'Zuse, Konrad; 4711 marks a month\n'
// Beside the lines that repeat, some that no dictionary of a compressor holds.
const FILE_CONTENT = `${FILE_LINE.repeat(20_000)}${randomBytes(60_000).toString('base64')}\n${FILE_LINE.repeat(20_000)}`
const SECRETS = {
  text: TEXT,
  'file name': FILE_NAME,
  'line of the file': FILE_LINE.trim(),
  'end of the file': FILE_CONTENT.slice(-700_000, -699_900),
}

/** The conversation that is listened to. */
const talk = async (alice: Driven, bob: Driven, folder: string): Promise<void> => {
  await alice.do({ do: 'say', text: TEXT })
  await bob.until(says(TEXT))
  const path = join(folder, FILE_NAME)
  await writeFile(path, FILE_CONTENT)
  await alice.do({ do: 'send', path })
  const { event } = await bob.until((one) => one.kind === 'file' && one.progress.state === 'whole')
  const received = event.kind === 'file' ? (event.progress.path ?? '') : ''
  expect((await readFile(received, 'utf8')) === FILE_CONTENT).toBe(true)
}

/** It is traffic of ours, enough of it, and says nothing. */
const expectSilent = (
  capture: Capture,
  secrets: Readonly<Record<string, string | Uint8Array>>,
  bytes: number,
): void => {
  expect(capture.reduce((sum, run) => sum + run.byteLength, 0)).toBeGreaterThan(bytes)
  // libp2p says this in the clear, before Noise: so the search finds what is there to be found.
  expect(leaksIn(capture, { greeting: '/multistream/1.0.0' })).toEqual(['greeting, plain'])
  expect(leaksIn(capture, secrets)).toEqual([])
}

const pair = async (options: ProfileOptions) => {
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-capture-'))
  const network = testNetwork()
  const [alice, bob] = [
    await writeDriverProfile(network, folder, 'alice', options),
    await writeDriverProfile(network, folder, 'bob', options),
  ]
  return { folder, alice, bob, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) }
}

testWithTcpdump('who listens on the network of two peers reads no message, no file name and no file', async () => {
  await using profiles = await pair({ listen: ['/ip4/0.0.0.0/tcp/0'], mdns: true })
  await using lan = createLan(2)
  const [near, far] = lan.hosts
  if (near === undefined || far === undefined) throw new Error('two were asked for')
  const dump = await startTcpdump(far, 'eth0')
  const [alice, bob] = await Promise.all([startDriver(profiles.alice, near), startDriver(profiles.bob, far)])
  await talk(alice, bob, profiles.folder)
  const heard = await dump.stop()
  expectSilent([heard, ...connectionsIn(heard)], SECRETS, FILE_CONTENT.length)
})

test('who stands between two peers on loopback reads nothing either', async () => {
  await using profiles = await pair({})
  await using alice = await startDriver(profiles.alice)
  await using bob = await startDriver(profiles.bob)
  await using proxy = await startProxy(portOf(alice.ready.addresses))
  await bob.do({ do: 'meet', peer: alice.ready.peer, addresses: [addressAt(proxy.port, alice.ready.peer)] })
  await talk(alice, bob, profiles.folder)
  expectSilent(proxy.capture(), SECRETS, FILE_CONTENT.length)
})

testWithTcpdump('who listens while somebody joins reads neither the password nor the token', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lanyard-capture-'))
  await using lan = createLan(2)
  const [caHost, host] = lan.hosts
  if (caHost === undefined || host === undefined) throw new Error('two were asked for')
  try {
    const dump = await startTcpdump(host, 'eth0')
    const ca = run(caHost, 'ca-node/main.ts', ['--home', join(folder, 'ca'), '--json'], {
      LANYARD_CA_PASSPHRASE: PASSPHRASE,
    })
    const { invite } = JSON.parse(await ca.firstLine) as { invite: string }
    const joining = run(host, 'peer/main.ts', ['--home', join(folder, 'alice'), 'join', invite, '--user', 'alice'], {
      LANYARD_PASSPHRASE: PASSPHRASE,
      LANYARD_PASSWORD: PASSWORD,
    })
    expect(await joining.outcome).toEqual({ code: 0, complaints: '' })
    const heard = await dump.stop()
    expectSilent([heard, ...connectionsIn(heard)], joinSecrets(invite), 4_000)
  } finally {
    await lan[Symbol.asyncDispose]() // ends the CA, whose folder goes next
    await rm(folder, { recursive: true, force: true })
  }
})

test('who stands between a newcomer and the CA on loopback reads nothing either', async () => {
  await using ca = await testCa()
  await using proxy = await startProxy(portOf(ca.addresses))
  await using device = await newcomer()
  const invite = { ...(await ca.oneInvite()), addresses: [`/ip4/127.0.0.1/tcp/${proxy.port}`] }
  const enrolled = await enrolAs(device, systemClock, { user: 'alice', invite })
  expect(enrolled).toHaveProperty('certificate')
  expectSilent(proxy.capture(), { password: PASSWORD, token: invite.token }, 4_000)
})

const joinSecrets = (invite: string) => ({
  password: PASSWORD,
  passphrase: PASSPHRASE,
  token: orThrow(parseInvite(invite)).token,
})

const run = (host: Host, program: string, args: readonly string[], environment: Readonly<Record<string, string>>) => {
  const main = fileURLToPath(new URL(`../../${program}`, import.meta.url))
  const child = host.spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  const ended = once(child, 'close')
  let out = ''
  let complaints = ''
  child.stderr?.on('data', (data) => {
    complaints += String(data)
  })
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout?.on('data', (data) => {
      out += String(data)
      if (out.includes('\n')) resolve(out.slice(0, out.indexOf('\n')))
    })
    ended.then(() => reject(new Error(`${program} said nothing: ${complaints}`)), reject)
  })
  firstLine.catch(() => undefined) // of a program whose words nobody waits for
  return { firstLine, outcome: ended.then(([code]) => ({ code, complaints: code === 0 ? '' : complaints })) }
}

const portOf = (addresses: readonly string[]): number => Number(/\/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1])
const addressAt = (port: number, peer: string): string => `/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`
