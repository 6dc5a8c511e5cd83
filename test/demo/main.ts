import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Line, Player } from '../support/player.ts'
import { openStage } from './stage.ts'

// The main job of Lanyard, by real processes: a CA, three people and two rogues. `--json`: the last line is the result.
// `--keep`: all goes on running, and it says how to join in.

const json = process.argv.includes('--json')
const keep = process.argv.includes('--keep')
const unknown = process.argv.slice(2).find((word) => word !== '--json' && word !== '--keep')
if (unknown !== undefined) {
  process.stderr.write(`there is no option ${unknown}\nnext: npm run demo -- [--json] [--keep]\n`)
  process.exit(1)
}

const NAMES = ['alice', 'bob', 'carol'] as const
const FILE_BYTES = 50_000_000
const PATIENCE_MS = 60_000

const root = fileURLToPath(new URL('../..', import.meta.url))
const script = (path: string): string => join(root, path)
const began = performance.now()
const seconds: Record<string, number> = {}
const say = (text: string): void => void process.stdout.write(`${text}\n`)

/** Tells what happens, and takes its time. */
const step = async <T>(name: string, text: string, work: () => Promise<T>): Promise<T> => {
  const start = performance.now()
  const result = await work()
  seconds[name] = Math.round(performance.now() - start) / 1000
  say(`✓ ${text} (${seconds[name]} s)`)
  return result
}

const folder = await mkdtemp(join(tmpdir(), 'lanyard-demo-'))
const stage = openStage(['ca', ...NAMES, 'rogue', 'you'])
const players = new Set<Player>()
let closing: Promise<void> | null = null
const close = (): Promise<void> => {
  closing ??= (async () => {
    await Promise.all([...players].map((player) => player.end()))
    await stage.close()
    await rm(folder, { recursive: true, force: true })
  })()
  return closing
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void close().then(() => process.exit(130)))

const node = (
  host: string,
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Player => {
  const player = stage.start(host, { file: process.execPath, args: [script(file), ...args], env })
  players.add(player)
  void player.over.then(() => players.delete(player))
  return player
}
const within = async <T>(what: string, promise: Promise<T>): Promise<T> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new Error(`${what}: nothing happened for ${PATIENCE_MS / 1000} s`)),
    PATIENCE_MS,
  )
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
const finish = async (player: Player): Promise<void> => {
  const code = await within(player.name, player.over)
  if (code !== 0) throw new Error(`${player.name} ended with ${code}: ${JSON.stringify(player.lines().at(-1))}`)
}
const fits = (wanted: Line) => (line: Line) => Object.entries(wanted).every(([key, value]) => line[key] === value)

const CA_ENV = { LANYARD_CA_PASSPHRASE: 'the demo of lanyard' }
const PEER_ENV = { LANYARD_PASSPHRASE: 'the demo of lanyard', LANYARD_PASSWORD: 'the demo of lanyard' }
const homeOf = (name: string): string => join(folder, name)
const multicast = stage.discovery === 'mdns' ? [] : ['--no-mdns']
const peerArgs = (name: string): string[] => [
  '--home',
  homeOf(name),
  '--listen',
  stage.listen(name),
  '--json',
  ...multicast,
]

const startCa = async (): Promise<Line> => {
  const args = ['--home', homeOf('ca'), '--listen', stage.listen('ca'), '--network', 'demo', '--json']
  return await within(
    'the CA',
    node('ca', 'ca-node/main.ts', args, CA_ENV).until((line) => 'invite' in line),
  )
}
const invites = async (count: number): Promise<string[]> => {
  const player = node(
    'ca',
    'ca-node/main.ts',
    ['--home', homeOf('ca'), '--json', 'invite', '--count', String(count)],
    CA_ENV,
  )
  const line = await within(
    'an invite',
    player.until((line) => 'invites' in line),
  )
  await finish(player)
  return (line.invites as { invite: string }[]).map(({ invite }) => invite)
}
/** The address under which a device enrols would let the others find it without multicast: so there it gives none of use. */
const joinArgs = (name: string): string[] =>
  stage.discovery === 'mdns'
    ? ['--home', homeOf(name), '--listen', '/ip4/127.0.0.1/tcp/0', '--json']
    : ['--home', homeOf(name), '--json']

const enrol = async (name: string, invite: string): Promise<void> => {
  const args = [...joinArgs(name), 'join', invite, '--user', name]
  const player = node(name, 'peer/main.ts', args, PEER_ENV)
  await within(`${name} joins`, player.until(fits({ event: 'joined' })))
  await finish(player)
}

const cast = new Map<string, Player>()
const addressOf = new Map<string, string>()
const open = async (name: string): Promise<Player> => {
  const known = stage.discovery === 'mdns' ? [] : [...addressOf.values()].flatMap((address) => ['--peer', address])
  const player = node(name, 'peer/main.ts', [...peerArgs(name), ...known], PEER_ENV)
  const ready = await within(`${name} starts`, player.until(fits({ event: 'ready' })))
  addressOf.set(name, String((ready.addresses as string[])[0]))
  cast.set(name, player)
  return player
}
const actor = (name: string): Player => {
  const player = cast.get(name)
  if (player === undefined) throw new Error(`${name} is not on`)
  return player
}
const meets = (name: string, other: string): Promise<Line> =>
  within(`${name} finds ${other}`, actor(name).until(fits({ event: 'session', change: 'began', user: other })))
const hears = (name: string, text: string): Promise<Line> =>
  within(`${name} hears “${text}”`, actor(name).until(fits({ event: 'message', text })))
const others = (name: string): string[] => NAMES.filter((one) => one !== name)

const messages = { sent: 0, delivered: 0, syncedAfterReturn: 0 }
const speak = async (name: string, text: string, to: readonly string[] = others(name)): Promise<void> => {
  actor(name).write(text)
  messages.sent++
  await Promise.all(to.map((other) => hears(other, text).then(() => messages.delivered++)))
}
const hashOf = async (path: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array)
  return hash.digest('hex')
}

/** How each found the others: by multicast only if every pair did. */
const foundBy = async (): Promise<'mdns' | 'addresses'> => {
  const pairs = new Map<string, Set<unknown>>()
  for (const name of NAMES) {
    actor(name).write('/users')
    const { users } = await within(`${name} lists users`, actor(name).until(fits({ event: 'users' })))
    for (const { user, devices } of users as { user: string; devices: { found: unknown }[] }[]) {
      if (user === name) continue
      const pair = [name, user].sort().join(' ')
      pairs.set(pair, new Set([...(pairs.get(pair) ?? []), ...devices.map(({ found }) => found)]))
    }
  }
  return [...pairs.values()].every((found) => found.has('mdns')) ? 'mdns' : 'addresses'
}

const fileStep = async (): Promise<{ bytes: number; sha256Equal: boolean; mbPerSecond: number }> => {
  const path = join(folder, 'plans.bin')
  await writeFile(path, randomBytes(FILE_BYTES))
  const start = performance.now()
  actor('alice').write(`/send ${path}`)
  const [landed] = await Promise.all(
    ['bob', 'carol'].map((name) =>
      within(`${name} fetches`, actor(name).until(fits({ event: 'file', state: 'whole' }))),
    ),
  )
  const took = (performance.now() - start) / 1000
  const sha256Equal = (await hashOf(path)) === (await hashOf(String(landed?.path)))
  if (!sha256Equal) throw new Error('the file that arrived is another')
  return { bytes: FILE_BYTES, sha256Equal, mbPerSecond: Math.round((FILE_BYTES / took / 1e6) * 10) / 10 }
}

/** A rogue process tells the code with which it was refused, or the peer does. */
const rogue = async (act: string, args: readonly string[]): Promise<string> => {
  const player = node('rogue', 'test/demo/rogue.ts', [act, ...args], PEER_ENV)
  const line = await within(
    `the ${act}`,
    player.until((line) => 'code' in line),
  )
  await finish(player)
  return String(line.code)
}

const removeCarol = async (): Promise<void> => {
  const args = ['--home', homeOf('ca'), '--json', 'revoke', 'carol', '--reason', 'keyCompromise', '--yes']
  await finish(node('ca', 'ca-node/main.ts', args, CA_ENV))
  const cutsCarol = (line: Line): boolean => line.event === 'revocations' && (line.cut as string[]).includes('carol')
  await Promise.all(['alice', 'bob'].map((name) => within(`${name} cuts carol off`, actor(name).until(cutsCarol))))
  await speak('alice', 'only for bob', ['bob'])
  if (
    actor('carol')
      .lines()
      .some(fits({ text: 'only for bob' }))
  )
    throw new Error('carol reads on')
}

const play = async (): Promise<Record<string, unknown>> => {
  say(`Lanyard, shown by real processes ${stage.where}.`)
  const ca = await step('ca', 'a CA makes the root of a new network', startCa)
  const [forAlice = '', forBob = '', forCarol = '', forRogue = ''] = await invites(4)
  await step('enrol', 'alice, bob and carol enrol, each with an invite', async () => {
    await Promise.all([enrol('alice', forAlice), enrol('bob', forBob), enrol('carol', forCarol)])
  })
  await step('discover', 'they find each other, with certificates on both sides', async () => {
    if (stage.discovery === 'mdns') await Promise.all(NAMES.map(open))
    else for (const name of NAMES) await open(name) // each is told the addresses of those before it
    await Promise.all(NAMES.flatMap((name) => others(name).map((other) => meets(name, other))))
  })
  const discovery = await foundBy()
  await step('chat', 'they chat both ways', async () => {
    await speak('alice', 'good morning')
    await speak('bob', 'good morning, alice')
    await speak('carol', 'and to both of you')
  })
  await step('return', 'bob goes off, misses five messages, returns and has them all', async () => {
    await actor('bob').end()
    cast.delete('bob')
    const missed = Array.from({ length: 5 }, (_, at) => `bob misses this: ${at + 1}`)
    for (const [at, text] of missed.entries())
      await speak(at % 2 === 0 ? 'alice' : 'carol', text, [at % 2 === 0 ? 'carol' : 'alice'])
    await open('bob')
    for (const text of missed) {
      await hears('bob', text)
      messages.delivered++
      messages.syncedAfterReturn++
    }
  })
  const file = await step('file', 'a file of 50 MB arrives, with an equal SHA-256', fileStep)
  say(`  ${file.mbPerSecond} MB/s, to two at once`)
  const alice = addressOf.get('alice') ?? ''
  const refused = await step('refuse', 'a stranger, a replayed and a tampered record are refused', async () => ({
    stranger: await rogue('stranger', [alice, String(ca.network)]),
    ...(await hostileMember(alice, forRogue)),
  }))
  for (const [what, code] of Object.entries(refused)) say(`  ${what}: ${code}`)
  await speak('bob', 'all is well')
  await step(
    'remove',
    'the operator revokes carol: she is cut off, and what is said from then on is not sealed to her',
    removeCarol,
  )
  return {
    ok: discovery === stage.discovery,
    enrolled: NAMES,
    discovery,
    messages,
    file,
    refused,
    removed: ['carol'],
    seconds: { ...seconds, total: Math.round(performance.now() - began) / 1000 },
  }
}

/** A member with a real certificate, who sends alice what it may not; alice tells what she thinks of it. */
const hostileMember = async (alice: string, invite: string): Promise<{ replay: string; tampered: string }> => {
  const player = node('rogue', 'test/demo/rogue.ts', ['member', alice, invite], PEER_ENV)
  const told = (code: string): Promise<Line> =>
    within(`alice refuses: ${code}`, actor('alice').until(fits({ event: 'foul', code })))
  await within('the hostile member', player.until(fits({ did: 'replay' })))
  const replay = String((await told('record-replayed')).code)
  await within('the hostile member', player.until(fits({ did: 'tamper' })))
  const tampered = String((await told('record-bad-signature')).code)
  await finish(player)
  return { replay, tampered }
}

try {
  const result = await play()
  say(`\n${NAMES.length} people, ${messages.sent} messages, a file, three refusals, a removal: all as it should be.`)
  if (keep) {
    const [invite] = await invites(1)
    const you = `${stage.prefix('you')}npm run peer -- ${['--home', join(folder, 'you'), ...multicast].join(' ')}`
    say(`\nAll goes on running, in ${folder}. To join in, from the folder of this program:`)
    say(`  ${you} join '${invite}'`)
    say(`  ${you}`)
    say('Stop all with Ctrl-C.')
  }
  if (json) say(JSON.stringify(result))
  if (keep) await new Promise(() => undefined)
  await close()
  process.exitCode = result.ok === true ? 0 : 1
} catch (error) {
  const reason = error instanceof Error ? error.message : String(error)
  process.stderr.write(`✗ ${reason}\n`)
  if (json) say(JSON.stringify({ ok: false, reason, seconds }))
  await close()
  process.exitCode = 1
}
