import { randomBytes } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { connect as connectTcp } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type Api, startApi } from '../../peer/api/api.ts'
import { eventShape } from '../../peer/api/event-json.ts'
import { connect } from '../../peer/api/remote-client.ts'
import { readRunning } from '../../peer/api/running.ts'
import type { PeerEvent } from '../../peer/events.ts'
import type { Peer } from '../../peer/peer.ts'
import { API_BODY_MAX_BYTES, API_EVENTS_KEPT } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { createWorld, says } from '../support/world.ts'

type World = Awaited<ReturnType<typeof createWorld>>
type Resident = Awaited<ReturnType<World['settle']>>

let world: World
let alice: Resident
let bob: Resident
let api: Api
/** Tells the API of an event that nobody has caused. */
let emit: (event: PeerEvent) => void
let token: string
let port: number
beforeAll(async () => {
  world = await createWorld()
  alice = await world.settle('alice')
  bob = await world.settle('bob')
  const on: Peer['on'] = (listener) => {
    emit = listener
    return alice.peer.on(listener)
  }
  const peer = { ...alice.peer, on }
  api = await startApi({ home: world.folder, peer, command: 'run', random: systemRandom })
  token = await readFile(join(world.folder, 'api-token'), 'utf8')
  port = Number(new URL(api.url).port)
})
afterAll(async () => {
  await api.stop()
  await world[Symbol.asyncDispose]()
})

type Asked = {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
}
type Answer = { readonly status: number; readonly text: string; readonly json: Record<string, unknown> }

/** One request as it stands, by TCP or by the socket: fetch would mend the Host. */
const ask = (path: string, { method = 'GET', headers = {}, body }: Asked = {}, socketPath?: string): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const where = socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath }
    const asking = request({ ...where, path, method, headers }, (response) => {
      let text = ''
      response.on('data', (data) => {
        text += String(data)
      })
      response.on('end', () => {
        const json = text.startsWith('{') ? JSON.parse(text) : {}
        resolve({ status: response.statusCode ?? 0, text, json })
      })
      response.on('error', reject)
    })
    asking.on('error', reject)
    asking.end(body)
  })
const bearer = (text: string) => ({ authorization: `Bearer ${text}` })
const asJson = { 'content-type': 'application/json' }

/** A listener, with what it has heard. */
const listen = (cursor = '', headers: Record<string, string> = bearer(token)) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/events${cursor}`, { headers })
  const heard: (Record<string, unknown> & { event: string; cursor: string })[] = []
  const waiting = new Set<() => void>()
  const look = (): void => {
    for (const wake of waiting) wake()
  }
  let status = 0
  socket.on('unexpected-response', (_, response) => {
    status = response.statusCode ?? 0
    look()
  })
  socket.on('message', (data) => {
    heard.push(JSON.parse(String(data)))
    look()
  })
  socket.on('close', look)
  socket.on('error', look)
  const until = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!isSo()) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  return { socket, heard, until, status: () => status }
}

describe('the doors of the local API', () => {
  test('without the token, or with another one, nothing is answered; by the Unix socket neither', async () => {
    const socket = join(world.folder, 'api.sock')
    for (const path of ['/v1/status', '/v1/nothing', '/', '/v1/docs2', '/v1/openapi.json.txt']) {
      for (const headers of [
        {},
        bearer('wrong'),
        bearer(`${token}0`),
        bearer(''),
        { authorization: `Basic ${token}` },
      ]) {
        expect({ path, headers, ...(await ask(path, { headers })) }).toMatchObject({
          status: 401,
          json: { code: 'api-token-wrong', by: 'here', next: expect.stringContaining('api-token') },
        })
      }
      expect(await ask(path, {}, socket)).toMatchObject({ status: 401 })
    }
    expect(await ask('/v1/status', { headers: bearer(token) })).toMatchObject({ status: 200, json: { user: 'alice' } })
    expect(await ask('/v1/status', { headers: bearer(token) }, socket)).toMatchObject({ status: 200 })
    const stranger = listen('', {})
    await stranger.until(() => stranger.status() !== 0)
    expect(stranger.status()).toBe(401)
  })

  test('the token, the socket and the note of who runs are their owner’s alone, and of this start', async () => {
    for (const name of ['api-token', 'api.sock', 'running.json']) {
      expect({ name, mode: (await stat(join(world.folder, name))).mode & 0o777 }).toEqual({ name, mode: 0o600 })
    }
    expect(token).toMatch(/^[0-9a-f]{64}$/)
    expect(await readRunning(world.folder)).toMatchObject({ pid: process.pid, command: 'run', port })
  })

  test('a page of another site gets nothing, be it by its Origin or by a name that it points here', async () => {
    const mine = bearer(token)
    for (const origin of ['https://evil.example', 'http://127.0.0.1', 'null', `https://localhost:${port}`, 'file://']) {
      expect({ origin, ...(await ask('/v1/status', { headers: { ...mine, origin } })) }).toMatchObject({
        status: 403,
        json: { code: 'api-origin-foreign' },
      })
      const page = listen('', { ...mine, origin })
      await page.until(() => page.status() !== 0)
      expect(page.status()).toBe(403)
    }
    for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`]) {
      for (const path of ['/v1/status', '/v1/docs/', '/v1/openapi.json']) {
        expect({ host, ...(await ask(path, { headers: { ...mine, host } })) }).toMatchObject({
          status: 403,
          json: { code: 'api-host-foreign' },
        })
      }
    }
    for (const name of ['127.0.0.1', 'localhost', '[::1]']) {
      const headers = { ...mine, host: `${name}:${port}`, origin: `http://${name}:${port}` }
      expect(await ask('/v1/status', { headers })).toMatchObject({ status: 200 })
    }
    const { headers } = await fetch(`${api.url}/v1/status`, { headers: { ...mine, origin: api.url } })
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  })

  test('what is too large, or not understood, is refused in words and without a stack', async () => {
    const post = (body: string | Uint8Array, more = {}, path = '/v1/rooms/%23general/messages') =>
      ask(path, { method: 'POST', headers: { ...bearer(token), ...asJson, ...more }, body })
    const text = (length: number): string => JSON.stringify({ text: 'x'.repeat(length) })
    const refused = [
      [post(text(API_BODY_MAX_BYTES)), 413, 'api-too-large'],
      [post(text(17 * 1024)), 413, 'message-too-long'],
      [post('{"text":'), 400, 'input-invalid'],
      [post('{"__proto__":{"text":"x"}}'), 400, 'input-invalid'],
      [post('[]'), 400, 'input-invalid'],
      [post('"text"'), 400, 'input-invalid'],
      [post('{}'), 400, 'input-invalid'],
      [post('{"text":5}'), 400, 'input-invalid'],
      [post(text(1), { 'content-type': 'text/plain' }), 400, 'input-invalid'],
      [post(randomBytes(300)), 400, 'input-invalid'],
      [post(text(1), {}, '/v1/rooms/%23nowhere/messages'), 404, 'room-unknown'],
      [post(text(1), {}, '/v1/rooms/%ff/messages'), 400, 'input-invalid'],
      [post(text(1), {}, '/v1/rooms/../../etc/passwd'), 404, 'api-unknown'],
      [ask('/v1/messages/abc', { headers: bearer(token) }), 400, 'input-invalid'],
      [ask('/v1/rooms/%23general/messages?limit=many', { headers: bearer(token) }), 400, 'input-invalid'],
      [ask('/v1/events', { headers: bearer(token) }), 400, 'input-invalid'],
    ] as const
    for (const [answer, status, code] of refused) {
      const { text: words, ...given } = await answer
      expect({ code, ...given }).toMatchObject({
        status,
        json: { code, reason: expect.any(String), next: expect.any(String) },
      })
      expect(words).not.toMatch(/\n\s+at |node_modules|\.ts:\d/)
    }
    const raw = connectTcp(port, '127.0.0.1')
    raw.end(`GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX: ${'x'.repeat(64 * 1024)}\r\n\r\n`)
    const [first] = await raw.toArray().catch(() => [Buffer.from('HTTP/1.1 431')])
    expect(String(first)).toMatch(/^HTTP\/1\.1 431/)
    for (const place of [{ port, host: '127.0.0.1' }, { path: join(world.folder, 'api.sock') }]) {
      const line = connectTcp(place)
      line.end('what is this?\r\n\r\n')
      const [head = '', body = ''] = Buffer.concat(await line.toArray())
        .toString('utf8')
        .split('\r\n\r\n')
      expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
      expect(JSON.parse(body)).toMatchObject({ code: 'input-invalid', by: 'here', next: expect.any(String) })
    }
    expect(await ask('/v1/status', { headers: bearer(token) })).toMatchObject({ status: 200 })
  })

  test('nothing is reachable from another address of this machine', async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((some) => some ?? [])
      .filter((one) => !one.internal)
    for (const host of [
      '127.0.0.2',
      '::1',
      ...others.filter((one) => one.scopeid === undefined || one.scopeid === 0).map((one) => one.address),
    ]) {
      const answered = await new Promise<string>((resolve) => {
        const socket = connectTcp({ host, port })
        socket.once('connect', () => {
          socket.destroy()
          resolve('connected')
        })
        socket.once('error', () => resolve('refused'))
      })
      expect({ host, answered }).toEqual({ host, answered: 'refused' })
    }
  })

  test('200 programs hear each event, in its one shape, and are gone when they leave', async () => {
    const crowd = Array.from({ length: 200 }, () => listen())
    await Promise.all(crowd.map(({ heard, until }) => until(() => heard.length > 0)))
    expect(crowd[0]?.heard[0]).toMatchObject({ event: 'ready', user: 'alice', network: alice.peer.network.id })
    await bob.peer.say(bob.peer.general, 'to all of you')
    await Promise.all(crowd.map(({ heard, until }) => until(() => heard.some(({ text }) => text === 'to all of you'))))
    for (const one of crowd[7]?.heard ?? []) {
      const { cursor: _, ...event } = one
      expect(eventShape.parse(event)).toEqual(event)
    }
    for (const { socket } of crowd) socket.terminate()
  })

  test('who comes back with a cursor misses nothing, and is told when that is too old, or of another run', async () => {
    const first = listen()
    await first.until(() => first.heard.length > 0)
    await bob.peer.say(bob.peer.general, 'one')
    await first.until(() => first.heard.some(({ text }) => text === 'one'))
    const cursor = first.heard.find(({ text }) => text === 'one')?.cursor ?? ''
    first.socket.terminate()
    await bob.peer.say(bob.peer.general, 'two')
    await alice.until(says('two'))
    const again = listen(`?cursor=${cursor}`)
    await again.until(() => again.heard.some(({ text }) => text === 'two'))
    expect(again.heard[0]).toMatchObject({ event: 'ready', cursor })
    expect(again.heard.filter(({ event }) => event === 'message' || event === 'gap').map(({ text }) => text)).toEqual([
      'two',
    ])
    again.socket.terminate()
    for (const stale of ['00-5', `${cursor}000`, 'nonsense', `-${API_EVENTS_KEPT}`]) {
      const lost = listen(`?cursor=${stale}`)
      await lost.until(() => lost.heard.length > 1)
      expect(lost.heard.slice(0, 2).map(({ event }) => event)).toEqual(['ready', 'gap'])
      lost.socket.terminate()
    }
  })

  test('a program that never reads is dropped; the others hear on, and it may come back', async () => {
    const deaf = connectTcp(port, '127.0.0.1')
    await new Promise((resolve) => deaf.once('connect', resolve))
    deaf.pause()
    const key = randomBytes(16).toString('base64')
    deaf.write(
      `GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    )
    await using client = await connect({ home: world.folder })
    let last = ''
    client.on((event) => {
      if (event.event === 'message') last = event.text ?? last
    })
    await bob.peer.say(bob.peer.general, 'now')
    await expect.poll(() => last).toBe('now')
    const [message] = alice.peer.history(alice.peer.general, 1)
    if (message === undefined) throw new Error('nothing was said')
    const text = 'x'.repeat(16_000)
    // More than the 8 MiB that may wait here, and what the two ends of the system's connection hold.
    const told = 2_000 * text.length
    for (let number = 0; number < 2_000; number++) {
      emit({ kind: 'message', message: { ...message, content: { kind: 'text', text } } })
      if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    let read = 0
    deaf.on('data', (bytes) => {
      read += bytes.length
    })
    deaf.resume()
    await new Promise((resolve) => deaf.on('error', () => undefined).once('close', resolve))
    expect(read).toBeLessThan(told)
    await expect.poll(() => last).toBe(text)
    await bob.peer.say(bob.peer.general, 'the last')
    await expect.poll(() => last).toBe('the last')
  })
})
