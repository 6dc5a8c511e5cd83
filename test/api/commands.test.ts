import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Peer } from '../../peer/peer.ts'
import { type TestCa, testCa } from '../support/enrolment.ts'
import { next, openHomes } from '../support/homes.ts'
import { expectDocumented, type PeerCommand, peerCommand, type Running } from '../support/peer-command.ts'
import { says } from '../support/world.ts'

let ca: TestCa
let homes: Awaited<ReturnType<typeof openHomes>>
let ann: PeerCommand
let ben: Peer
/** `lanyard run` in the home of ann. */
let device: Running
beforeAll(async () => {
  ca = await testCa()
  homes = await openHomes(ca)
  ann = peerCommand(await homes.settle('ann'))
  ben = await homes.start(await homes.settle('ben'))
  device = ann.start(['run', '--json', '--peer', ben.addresses()[0] ?? ''])
  const told: unknown[] = []
  if (device.child.stdout === null) throw new Error('no output')
  createInterface({ input: device.child.stdout }).on('line', (line) => {
    expectDocumented(['run'], line)
    told.push(JSON.parse(line).event)
  })
  await vi.waitFor(() => expect(told).toEqual(expect.arrayContaining(['ready', 'session'])), { timeout: 150_000 })
})
afterAll(async () => {
  ann.stop()
  await homes[Symbol.asyncDispose]()
  await ca.stop()
})

/** Runs it with this on its standard input. */
const fed = (args: readonly string[], input: string): Running['ended'] => {
  const running = ann.start(args)
  running.child.stdin?.on('error', () => undefined) // it may have refused before it had read all
  running.child.stdin?.end(input)
  return running.ended
}
/** Waits until a command has printed that. */
const printed = ({ child }: Running, text: string): Promise<void> =>
  new Promise((resolve) => {
    let out = ''
    child.stdout?.on('data', (data) => {
      out += String(data)
      if (out.includes(text)) resolve()
    })
  })
const linesOf = (out: string): Record<string, unknown>[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

test('commands say how the device that runs is, and need no passphrase; a second one is told which process has the home', async () => {
  expect(await ann.run(['users', '--nonsense'])).toMatchObject({ code: 2, out: '' })
  expect(await ann.run(['nonsense'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('no command') })
  const { pid } = device.child

  // No passphrase is needed any more: the device is open.
  const locked = { LANYARD_PASSPHRASE: '' }
  const [status, devices, users, rooms, second, rekey] = await Promise.all([
    ann.json(['status'], locked),
    ann.json(['devices'], locked),
    ann.json(['users'], locked),
    ann.json(['rooms'], locked),
    ann.json(['run']),
    ann.json(['rekey']),
  ])
  expect(status).toMatchObject({ exit: 0, user: 'ann', peers: 1, running: { pid, command: 'run' } })
  expect(devices).toMatchObject({ exit: 0, user: 'ann', devices: [{ present: true }] })
  expect(users).toMatchObject({ exit: 0, users: expect.arrayContaining([expect.objectContaining({ user: 'ben' })]) })
  expect(rooms).toMatchObject({ exit: 0, rooms: [expect.objectContaining({ place: '#general' })] })
  for (const refused of [second, rekey]) {
    expect(refused).toMatchObject({ exit: 1, code: 'profile-in-use', detail: `process ${pid}: lanyard run` })
  }
})

test('rooms are made and changed, and something is said there, by words or by what another program prints', async () => {
  expect(await ann.json(['room', 'create', 'build', '--open'])).toMatchObject({ exit: 0, room: { place: '#build' } })
  const [topic, invited] = await Promise.all([
    ann.json(['room', 'topic', '#build', 'what', 'breaks']),
    ann.json(['room', 'invite', '#build', '@ben']),
  ])
  expect(topic).toMatchObject({ exit: 0, room: { topic: 'what breaks' } })
  expect(invited).toMatchObject({ exit: 0, room: { members: expect.arrayContaining([{ name: 'ben', admin: false }]) } })
  const build = () => ben.rooms().find(({ name }) => name === 'build')
  await expect.poll(() => build()?.topic).toBe('what breaks')
  const heard = next(ben, says('it is red'))
  expect(await ann.json(['say', '#build', 'it', 'is', 'red'])).toMatchObject({
    exit: 0,
    event: 'stored',
    room: '#build',
  })
  await heard

  // What a program prints, in several messages when it is long.
  const output = Array.from({ length: 900 }, (_, at) => `\u001b[31m${at}\u001b[0m: ${'x'.repeat(20)}`).join('\n')
  const last = next(ben, (event) => event.kind === 'message' && JSON.stringify(event).includes('899: '))
  const piped = await fed(['say', '#build', '--code', '--json'], `${output}\n`)
  expect(piped.code).toBe(0)
  expect(linesOf(piped.out)).toHaveLength(2)
  await last
  const [nothing, tooLong, noRoom] = await Promise.all([
    fed(['say', '#build', '--json'], '\n'),
    fed(['say', '--json'], `${'x'.repeat(1_000)}\n`.repeat(1_000)),
    fed(['say', '#nowhere', '--json'], 'hello'),
  ])
  expect([nothing, tooLong, noRoom].map(({ out }) => linesOf(out)[0]?.code)).toEqual([
    'input-missing',
    'message-too-long',
    'room-unknown',
  ])
})

test('what was said is shown, found and signed for; a file is offered; the device is looked at', async () => {
  const file = join(homes.folder, 'note.txt')
  await writeFile(file, 'for the record')
  const [history, search, receipt] = await Promise.all([
    ann.run(['history', '#build', '--json', '--count', '2']),
    ann.run(['search', 'red', 'in:#build', '--json', '--limit', '500', '--strict']),
    ann.json(['transcript', 'receipt', '#build', '--out', join(homes.folder, 'build.receipt')]),
  ])
  for (const line of history.out.trim().split('\n')) expectDocumented(['history'], line)
  expect(linesOf(history.out).map(({ text }) => String(text).split('\n')[0])).toEqual(['```', '```'])
  expect(linesOf(search.out)).toMatchObject([{ event: 'found', text: 'it is red', snippet: 'it is red' }, { found: 1 }])
  expect(search.err).toMatch(
    /^note: a device is running here; .*--limit, --no-mdns and --strict are set where it was started\n$/,
  )
  expect(receipt).toMatchObject({ exit: 0, event: 'receipt', room: '#build' })
  const [first] = linesOf(history.out)
  const before = ann.json(['history', '#build', '--before', String(first?.id).slice(0, 10), '--count', '1'])
  const offer = ann.start(['send', file, '--to', '#build', '--json'])
  expect(await before).toMatchObject({ exit: 0, event: 'message', text: 'it is red' })
  const { code, out } = await offer.ended // ben takes it unasked
  expect({ code, last: linesOf(out).at(-1) }).toMatchObject({ code: 0, last: { event: 'served' } })
  const { id } = linesOf(out).find(({ event }) => event === 'stored') ?? {}
  const [files, renewed, doctor] = await Promise.all([
    ann.json(['files', '--to', '#build']),
    ann.json(['renew']),
    ann.json(['doctor']),
  ])
  expect(files).toMatchObject({ exit: 0, files: [{ id, room: '#build', state: 'held' }] })
  expect(renewed).toMatchObject({ exit: 0, event: 'renewed' })
  const verdicts = Object.fromEntries(
    (doctor.findings as { check: string; verdict: string }[]).map(({ check, verdict }) => [check, verdict]),
  )
  expect(verdicts).toMatchObject({ certificate: 'good', clock: 'good', CA: 'good', peers: 'good', port: 'good' })
  expect(await ann.json(['cancel', String(id).slice(0, 8)])).toMatchObject({ exit: 0, event: 'cancel' })
  expect(await ann.json(['room', 'leave', '#build'])).toMatchObject({ exit: 0, event: 'left', room: '#build' })
})

test('the chat attaches to the device that runs; leaving it stops nothing, and when the device ends it says so', async () => {
  const locked = { LANYARD_PASSPHRASE: '' }
  const [chat, other] = [ann.start(['chat', '--plain'], locked), ann.start(['chat', '--json'], locked)]
  const heard = next(ben, says('said in a chat'))
  chat.child.stdin?.write('/create attic open\nup here\n/room #general\nsaid in a chat\n')
  await Promise.all([heard, printed(other, '"ready"')])
  const answered = printed(chat, 'ben: an answer')
  await ben.say(ben.general, 'an answer')
  await answered
  // What another program says through the device is shown to whoever looks; what was typed here stands here already.
  const beside = printed(chat, 'ann: from a script')
  expect(await ann.json(['say', 'from', 'a', 'script'])).toMatchObject({ exit: 0, event: 'stored' })
  await beside
  chat.child.stdin?.write('/room #attic\n/msg @ben between us\n/why\n/pwd\n/react zzz 👍\n/quit\n')
  const { code, out } = await chat.ended
  expect(code).toBe(0)
  expect(out).toMatch(/^ann in the network “.*”\. \/help lists the commands\.\n/)
  for (const line of ['* #attic', '* #general', 'to @ben: between us', 'connected', 'downloads', 'next: '])
    expect(out).toContain(line)
  expect(out).toMatch(/\* #attic\n.*ann: up here\n/) // each line went to where the one before had led
  expect(out).not.toContain('ann: said in a chat')
  expect(await ann.json(['status'])).toMatchObject({ exit: 0, peers: 1, running: { command: 'run' } })

  device.child.kill('SIGINT')
  expect((await device.ended).code).toBe(130)
  const ended = await other.ended
  expect(ended.code).toBe(1)
  expect(linesOf(ended.out).slice(-2)).toMatchObject([{ event: 'ended' }, { event: 'error', code: 'api-not-running' }])
  const alone = await ann.json(['status', '--wait', '0'])
  expect(alone).toMatchObject({ exit: 0, user: 'ann', running: null })
})
