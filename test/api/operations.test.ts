import { spawn } from 'node:child_process'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  type Client,
  compare,
  connect,
  desk,
  device,
  files,
  localClient,
  messages,
  people,
  rooms,
  transcripts,
} from 'lanyard'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { type Api, startApi } from '../../peer/api/api.ts'
import { openApiDocument } from '../../peer/api/openapi.ts'
import type { BytesOperation, Operation } from '../../peer/api/operation.ts'
import { BYTES_OPERATIONS, OPERATIONS } from '../../peer/api/operations.ts'
import { systemRandom } from '../../shared/random.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
let alice: Resident
let bob: Resident
let api: Api
let near: Client
let far: Client
beforeAll(async () => {
  world = await createWorld({ files: { accept: { maxBytes: 0, from: 'everybody' } } })
  alice = await world.settle('alice')
  bob = await world.settle('bob')
  api = await startApi({ home: world.folder, peer: alice.peer, command: 'run', random: systemRandom })
  near = localClient(alice.peer)
  far = await connect({ home: world.folder })
})
afterAll(async () => {
  await far[Symbol.asyncDispose]()
  await api.stop()
  await world[Symbol.asyncDispose]()
})

const called = new Set<string>()
/** What differs between two that are made one after the other: ids, times, and how far they have come. */
const masked = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value)
      .replace(/[0-9a-f]{64}/g, 'id')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time')
      .replace(/"devices":\d+/g, '"devices":0')
      .replace(/(near|far)\b/g, 'one'),
  )

/** Asks the device in this process and through its API; the answers are alike. @returns both */
const both = async <Input extends z.ZodObject, Output extends z.ZodType>(
  operation: Operation<Input, Output>,
  input: z.input<Input>,
  other: z.input<Input> = input,
): Promise<readonly [near: z.output<Output>, far: z.output<Output>]> => {
  called.add(operation.name)
  const [one, two] = [await near.call(operation, input), await far.call(operation, other)]
  expect({ [operation.name]: masked(two) }).toEqual({ [operation.name]: masked(one) })
  return [one, two]
}
/** Both refuse it in the same words. */
const refused = async <Input extends z.ZodObject>(operation: Operation<Input>, input: z.input<Input>, code: string) => {
  called.add(operation.name)
  const [one, two] = await Promise.all(
    [near, far].map((client) => client.call(operation, input).catch((error: unknown) => error)),
  )
  expect(one).toMatchObject({ name: 'LanyardError', code })
  expect(two).toMatchObject({ name: 'LanyardError', code, refusal: (one as { refusal: object }).refusal })
}

describe('all that may be asked of a device', () => {
  test('is answered alike in its own process and through its API', async () => {
    await alice.until((event) => event.kind === 'session' && event.change === 'began')
    // The device, and people
    expect((await both(device.status, {}))[0]).toMatchObject({ user: 'alice', peers: 1, users: 2 })
    await both(device.sightings, {})
    await both(device.meet, { address: bob.peer.addresses()[0] ?? '' })
    await refused(device.meet, { address: '/ip4/127.0.0.1/tcp/1' }, 'address-malformed')
    await refused(device.renew, {}, 'unreachable')
    await both(device.setPresence, { state: 'away' })
    await refused(device.setPresence, { state: 'asleep' as 'away' }, 'input-invalid')
    await both(people.block, { user: '@bob', on: true })
    expect((await both(people.users, {}))[1].users.find(({ user }) => user === 'bob')).toMatchObject({ blocked: true })
    await both(people.block, { user: 'bob', on: false })
    await refused(people.block, { user: 'nobody', on: true }, 'user-unknown')
    const [{ number, link }] = await both(compare.compare, { user: '@bob' })
    await both(compare.checkScanned, { user: 'bob', link })
    await refused(compare.checkScanned, { user: 'bob', link: `${link}x` }, 'compare-malformed')
    expect((await both(compare.markCompared, { user: 'bob', number }))[1]).toMatchObject({ state: 'yes' })
    expect((await both(compare.unmarkCompared, { user: 'bob' }))[1]).toMatchObject({ state: 'no' })

    // Rooms
    const [{ room: one }, { room: two }] = await both(rooms.createRoom, { name: '#near' }, { name: 'far' })
    const [a, b] = [{ room: one.id }, { room: two.id }]
    await both(rooms.getRoom, a)
    await both(rooms.getRoom, { room: '#near' }, { room: 'far' })
    await refused(rooms.getRoom, { room: '#nowhere' }, 'room-unknown')
    await both(rooms.getRoom, { room: '@bob' })
    await both(rooms.invite, { ...a, user: 'bob' }, { ...b, user: '@bob' })
    await refused(rooms.invite, { ...a, user: 'bob' }, 'already-a-member')
    await both(rooms.grant, { ...a, user: 'bob', admin: true }, { ...b, user: 'bob', admin: true })
    await both(rooms.changeRoom, { ...a, topic: 'what next' }, { ...b, topic: 'what next' })
    await both(rooms.rekeyRoom, a, b)
    await both(rooms.removeMember, { ...a, user: 'bob' }, { ...b, user: 'bob' })
    await both(rooms.leaveRoom, a, b)
    const open = { access: 'open', history: 'all' } as const
    for (const name of ['open-near', 'open-far']) await bob.peer.politics.found({ name, ...open })
    await expect
      .poll(async () => (await near.call(rooms.listRooms, {})).rooms.filter(({ access }) => access === 'open').length)
      .toBe(2)
    await both(rooms.joinRoom, { room: '#open-near' }, { room: '#open-far' })
    await both(rooms.listRooms, {})

    // What is said
    const general = { room: '#general' }
    const [{ id: mine }, { id: yours }] = await both(
      messages.say,
      { ...general, text: 'hello near' },
      { ...general, text: 'hello far' },
    )
    await bob.until(says('hello far'))
    await both(messages.say, { ...general, text: 'an answer', reply: mine })
    await refused(messages.say, { ...general, text: 'x'.repeat(17_000) }, 'message-too-long')
    await refused(messages.say, { ...general, text: 'x', reply: 'ab' }, 'input-invalid')
    await both(messages.react, { id: mine, emoji: '👍' }, { id: yours, emoji: '👍' })
    await both(messages.edit, { id: mine, text: 'hello, near' }, { id: yours, text: 'hello, far' })
    await both(messages.getMessage, { id: mine }, { id: yours })
    await refused(messages.getMessage, { id: '0'.repeat(64) }, 'message-unknown')
    const [page] = await both(messages.history, { ...general, limit: 2, after: mine })
    expect(page.messages.map(({ text }) => text)).toEqual(['hello, far', 'an answer'])
    expect((await both(messages.search, { words: 'from:alice hello', limit: 1 }))[1].hits).toHaveLength(1)
    await both(messages.takeBack, { id: mine }, { id: yours })
    await both(desk.markRead, { ...general, upTo: yours })
    await both(desk.typing, general)
    await both(desk.mute, { ...general, on: true })
    await both(desk.setDraft, { ...general, text: 'not yet' })
    expect((await both(desk.draft, general))[1]).toEqual({ text: 'not yet' })

    // Files
    const folder = join(world.folder, 'desk')
    await mkdir(folder)
    for (const name of ['near.txt', 'far.txt']) await writeFile(join(folder, name), `the content of ${name}`.padEnd(40))
    expect((await both(files.setFolder, { path: folder }))[1]).toEqual({ folder })
    await both(files.folder, {})
    await refused(files.setFolder, { path: join(folder, 'nowhere') }, 'file-unreadable')
    const [{ id: offer }, { id: other }] = await both(
      files.offerFile,
      { ...general, paths: ['near.txt'] },
      { ...general, paths: ['far.txt'] },
    )
    const theirs: string[] = []
    for (const name of ['near.txt', 'far.txt'])
      theirs.push((await bob.peer.files.offer(bob.peer.general, join(folder, name))).id)
    const [first = '', second = ''] = theirs
    await expect.poll(async () => (await near.call(files.listFiles, general)).files.length).toBe(4)
    await both(files.fetchFile, { file: first }, { file: second.slice(0, 12) })
    await expect
      .poll(async () => (await near.call(files.listFiles, {})).files.filter(({ state }) => state === 'held').length)
      .toBe(4)
    const [listed] = await both(files.listFiles, {})
    expect(JSON.stringify(listed)).not.toMatch(/key|manifest/)
    for (const what of [files.pauseFile, files.resumeFile]) await both(what, { file: offer }, { file: other })
    await both(files.cancelFile, { file: offer }, { file: other })
    await both(files.removeFile, { file: first }, { file: second })
    await refused(files.removeFile, { file: first }, 'file-not-held')
    expect(OPERATIONS.filter(({ name }) => !called.has(name)).map(({ name }) => name)).toEqual([])
  })

  test('what is answered in bytes comes alike, and its refusals too', async () => {
    const size = async (client: Client, one: BytesOperation, input: Record<string, unknown>): Promise<number> => {
      let bytes = 0
      for await (const piece of client.read(one, input)) bytes += piece.byteLength
      return bytes
    }
    for (const one of [transcripts.exportTranscript, transcripts.receipt]) {
      const sizes = [await size(near, one, { room: '#general' }), await size(far, one, { room: '#general' })]
      expect(sizes[0]).toBeGreaterThan(1_000)
      expect(sizes[1]).toBe(sizes[0])
      for (const client of [near, far]) {
        await expect(size(client, one, { room: '#nowhere' })).rejects.toMatchObject({ code: 'room-unknown' })
      }
    }
    const range = { room: '#general', to: '2020-01-01T00:00:00Z', withKeys: true }
    expect(await size(far, transcripts.exportTranscript, range)).toBe(
      await size(near, transcripts.exportTranscript, range),
    )
  })

  test('what happens is told alike; also what our user says at another screen', async () => {
    const heard: Record<'near' | 'far', unknown[]> = { near: [], far: [] }
    const ends = [near.on((event) => heard.near.push(event)), far.on((event) => heard.far.push(event))]
    await far.call(messages.say, { room: '@bob', text: 'from here' })
    await bob.peer.say(bob.peer.direct(alice.peer.self.user), 'and back')
    const isDone = (events: unknown[]): boolean => JSON.stringify(events).includes('and back')
    await expect.poll(() => isDone(heard.near) && isDone(heard.far)).toBe(true)
    const of = (events: unknown[]) => events.filter((event) => /"(said|message)"/.test(JSON.stringify(event)))
    expect(of(heard.far)).toEqual(of(heard.near))
    expect(of(heard.far)).toMatchObject([
      { event: 'said', room: '@bob', text: 'from here', own: true },
      { event: 'message', room: '@bob', text: 'and back', own: false },
    ])
    for (const end of ends) end()
  })

  test('is described by one OpenAPI document, whole and sound, which is served with a page', async () => {
    const document = openApiDocument()
    const served = await (await fetch(`${api.url}/v1/openapi.json`)).json()
    expect(served).toEqual(JSON.parse(JSON.stringify(document)))
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, one]) => ({ path, method, ...(one as Described) })),
    )
    expect(described.map(({ operationId }) => operationId ?? 'events').sort()).toEqual(
      [...OPERATIONS, ...BYTES_OPERATIONS]
        .map(({ name }) => name)
        .concat('events')
        .sort(),
    )
    for (const { path, method, parameters = [], requestBody, summary, responses } of described) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      expect({ path, names: parameters.filter((one) => one.in === 'path').map(({ name }) => name) }).toEqual({
        path,
        names: inPath,
      })
      expect(parameters.every(({ schema }) => schema !== undefined)).toBe(true)
      expect(summary).toMatch(/\S/)
      expect(Object.keys(responses)).toContain('default')
      if (method === 'get') expect(requestBody).toBeUndefined()
    }
    for (const [, name = ''] of JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)) {
      expect(
        name
          .slice(2)
          .split('/')
          .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document),
      ).toBeDefined()
    }
    const page = await fetch(`${api.url}/v1/docs/`)
    expect([page.status, page.headers.get('content-security-policy')]).toEqual([
      200,
      expect.stringContaining("default-src 'self'"),
    ])
    const text = await page.text()
    const assets = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(
      ([, at = '']) => new URL(at, `${api.url}/v1/docs/`),
    )
    expect(assets.length).toBeGreaterThan(3)
    for (const asset of assets) {
      expect(asset.origin).toBe(api.url)
      expect((await fetch(asset)).status).toBe(200)
    }
  })
})

type Described = {
  readonly operationId?: string
  readonly summary?: string
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: unknown }[]
  readonly requestBody?: unknown
  readonly responses: object
}

describe('the example bots', () => {
  const start = (name: string, ...args: string[]) => {
    const path = fileURLToPath(new URL(`../../peer/examples/${name}.ts`, import.meta.url))
    const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
    return { child, lines, ended: new Promise<number | null>((resolve) => child.once('close', resolve)) }
  }

  test('echo: answers who calls it; folder: offers what is new; both end with the device', async () => {
    const folder = join(world.folder, 'outbox')
    await mkdir(folder)
    await writeFile(join(folder, 'old.txt'), 'was there')
    const echo = start('echo-bot', '#general', world.folder)
    const postman = start('folder-bot', folder, '#general', world.folder)
    await expect.poll(() => echo.lines).toEqual(['alice listens in #general'])
    await expect.poll(() => postman.lines[0]).toMatch(/^watching/)
    await bob.peer.say(bob.peer.general, 'not for a bot')
    await bob.peer.say(bob.peer.general, '!echo is anybody there?')
    await bob.until(says('is anybody there?'))
    await writeFile(join(folder, '.new.txt'), 'new')
    await rename(join(folder, '.new.txt'), join(folder, 'new.txt'))
    const offered = await bob.until(
      (event) =>
        event.kind === 'message' && event.message.content?.kind === 'file' && event.message.content.name === 'new.txt',
    )
    expect(offered).toMatchObject({ message: { user: 'alice' } })
    expect(bob.seen(says('not for a bot'))).toBe(false)
    await api.stop()
    expect(await Promise.all([echo.ended, postman.ended])).toEqual([0, 0])
    await expect(connect({ home: world.folder })).rejects.toMatchObject({ code: 'api-not-running' })
    // As a process leaves it that was killed, and whose number another has by now.
    const socket = join(world.folder, 'api.sock')
    await writeFile(
      join(world.folder, 'running.json'),
      JSON.stringify({ pid: process.pid, command: 'run', port: null, socket }),
    )
    await writeFile(join(world.folder, 'api-token'), 'old')
    await expect(connect({ home: world.folder })).rejects.toMatchObject({ code: 'api-not-running' })
    await expect(far.call(device.status, {})).rejects.toMatchObject({ code: 'api-not-running' })
    expect(postman.lines.filter((line) => line.startsWith('offered'))).toEqual(['offered new.txt'])
  })
})
