import { type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { describe, expect, test, vi } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { openTlsFrames } from '../../peer/files/bulk/tls-frames.ts'
import { isRefusal, orThrow, type Refusal } from '../../shared/errors.ts'
import { toHex } from '../../shared/ids.ts'
import { BULK_HANDSHAKES_MAX, BULK_TICKET_MS, FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { type BulkReply, bulkProtocol, bulkReplyCodec, bulkRequestCodec } from '../../shared/wire/bulk.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { createRoadEnd, type RoadEnd } from '../support/road-end.ts'
import { createWorld, type Resident } from '../support/world.ts'

type Door = Extract<BulkReply, { kind: 'door' }>
const never = new AbortController().signal
const HOST = '127.0.0.1'

/** Alice holds, Bob fetches; they have a session. */
const pair = async (options: { readonly handshakeMs?: number } = {}) => {
  const network = testNetwork()
  await using ends = new AsyncDisposableStack()
  const alice = ends.use(await createRoadEnd(network, 'alice', options))
  const bob = ends.use(await createRoadEnd(network, 'bob'))
  await bob.meet(alice)
  const all = ends.move()
  return { network, alice, bob, [Symbol.asyncDispose]: () => all.disposeAsync() }
}
const sessionWith = (end: RoadEnd, other: RoadEnd) => {
  const session = end.sessions.of(other.device.peerId)
  if (session === undefined) throw new Error('no session')
  return session
}
const openRoad = (end: RoadEnd, other: RoadEnd): Promise<Frames | Refusal> =>
  end.roads.openFileRoad(sessionWith(end, other), never)

/** What a fetcher asks, by hand. */
const ask = async (fetcher: RoadEnd, holder: RoadEnd, address = HOST): Promise<BulkReply> => {
  const network = holder.device.network
  const stream = await fetcher.node.open(sessionWith(fetcher, holder).connection, bulkProtocol(network))
  const channel = openChannel(
    stream,
    { incoming: bulkReplyCodec, outgoing: bulkRequestCodec },
    { maxFrameBytes: FRAME_MAX_BYTES },
  )
  await channel.send({ kind: 'ask', address })
  return orThrow(await channel.receive())
}
const doorOf = async (fetcher: RoadEnd, holder: RoadEnd): Promise<Door> => {
  const reply = await ask(fetcher, holder)
  if (reply.kind !== 'door') throw new Error(reply.kind)
  return reply
}

const pems = (key: KeyObject, certificate: Uint8Array) => ({
  key: String(key.export({ type: 'pkcs8', format: 'pem' })),
  cert: new X509Certificate(certificate).toString(),
})
/** Connects to a door as anybody might. @returns the socket once its handshake is done, or null when there was none */
const handshake = async (door: Door, options: ConnectionOptions): Promise<TLSSocket | null> => {
  const socket = connect({
    host: HOST,
    port: door.port,
    servername: toHex(door.door),
    rejectUnauthorized: false,
    ALPNProtocols: ['lanyard-file/1'],
    ...options,
  })
  socket.on('error', () => undefined)
  const secure = await new Promise<boolean>((resolve) => {
    socket.once('secureConnect', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
  return secure ? socket : null
}
/** Goes in with a ticket. @returns the answer, or null when the door just closes */
const enter = async (socket: TLSSocket, ticket: Uint8Array): Promise<BulkReply | null> => {
  const frames = openTlsFrames(socket, { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: 20_000 })
  await frames.send(bulkRequestCodec.encode({ kind: 'enter', ticket })).catch(() => undefined)
  const frame = await frames.receive()
  return isRefusal(frame) ? null : orThrow(bulkReplyCodec.decode(frame))
}
const codes = (end: RoadEnd) => end.turnedAway.map(({ code }) => code)

test('frames go there and back by TLS', async () => {
  await using all = await pair()
  const { alice, bob } = all
  const frames = orThrow(await openRoad(bob, alice))
  expect(bob.taken).toEqual([{ road: 'tls' }])
  const large = new Uint8Array(1_000_000).map((_, at) => at % 251)
  for (const frame of [Uint8Array.of(1, 2, 3), large, Uint8Array.of(4)]) {
    await frames.send(frame)
    expect(Buffer.compare(orThrow(await frames.receive()), frame)).toBe(0)
  }
  await frames.close()
  expect(codes(alice)).toEqual([])
})

describe('the door', () => {
  test('opens for its ticket, once', async () => {
    await using all = await pair()
    const { alice, bob } = all
    const door = await doorOf(bob, alice)
    const mine = pems(bob.key, bob.device.certificate)
    const socket = await handshake(door, mine)
    expect(socket).not.toBeNull()
    if (socket === null) return
    expect(await enter(socket, door.ticket)).toEqual({ kind: 'open' })
    socket.destroy()
    expect(await handshake(door, mine)).toBeNull()
    expect(codes(alice)).toEqual(['road-ticket-unknown'])
  })

  test('shows no certificate to who does not name it', async () => {
    await using all = await pair()
    const { alice, bob } = all
    const door = await doorOf(bob, alice)
    const mine = pems(bob.key, bob.device.certificate)
    expect(await handshake(door, { ...mine, servername: '' })).toBeNull()
    expect(await handshake(door, { ...mine, servername: toHex(new Uint8Array(16)) })).toBeNull()
    expect(codes(alice)).toEqual(['road-ticket-unknown'])
    expect(await handshake(door, mine)).not.toBeNull()
  })

  test('closes for a wrong ticket, and its own does not open it any more', async () => {
    await using all = await pair()
    const { alice, bob } = all
    const [door, other] = [await doorOf(bob, alice), await doorOf(bob, alice)]
    const mine = pems(bob.key, bob.device.certificate)
    const socket = await handshake(door, mine)
    if (socket === null) throw new Error('no handshake')
    expect(await enter(socket, other.ticket)).toEqual({ kind: 'refused', code: 'road-ticket-unknown' })
    expect(await handshake(door, mine)).toBeNull()
    expect(codes(alice)).toEqual(['road-ticket-unknown', 'road-ticket-unknown'])
  })

  test('closes when the ticket comes late', async () => {
    await using all = await pair()
    const { alice, bob } = all
    const [first, second] = [await doorOf(bob, alice), await doorOf(bob, alice)]
    const mine = pems(bob.key, bob.device.certificate)
    const socket = await handshake(first, mine)
    if (socket === null) throw new Error('no handshake')
    alice.ahead = BULK_TICKET_MS + 1_000
    expect(await enter(socket, first.ticket)).toEqual({ kind: 'refused', code: 'road-ticket-late' })
    expect(await handshake(second, mine)).toBeNull()
    expect(codes(alice)).toEqual(['road-ticket-late', 'road-ticket-late'])
  })

  test.each(['none', "another member's", 'another of the same key'])('closes for a certificate: %s', async (which) => {
    await using all = await pair()
    const { network, alice, bob } = all
    const carol = newKey()
    const shown = {
      none: {},
      "another member's": pems(carol, network.issue({ user: 'carol', key: carol })),
      'another of the same key': pems(bob.key, network.issue({ user: 'bob', key: bob.key })),
    }[which]
    const door = await doorOf(bob, alice)
    const socket = await handshake(door, shown ?? {})
    // In TLS 1.3 the client is done before the server has looked at its certificate.
    if (socket !== null) expect(await enter(socket, door.ticket)).toBeNull()
    await vi.waitFor(() => expect(codes(alice)).toEqual(['road-wrong-certificate']), { timeout: 10_000 })
  })

  test('closes for a certificate that was revoked meanwhile, on both sides', async () => {
    await using all = await pair()
    const { alice, bob } = all
    const door = await doorOf(bob, alice)
    alice.revoked.add(bob.device.serial)
    const socket = await handshake(door, pems(bob.key, bob.device.certificate))
    if (socket !== null) expect(await enter(socket, door.ticket)).toBeNull()
    await vi.waitFor(() => expect(codes(alice)).toEqual(['certificate-revoked']), { timeout: 10_000 })
    alice.revoked.clear()
    bob.revoked.add(alice.device.serial)
    orThrow(await openRoad(bob, alice)).abort('done')
    expect(bob.taken).toMatchObject([{ road: 'stream', refusal: { code: 'certificate-revoked' } }])
  })

  test('does not speak TLS 1.2', async () => {
    await using all = await pair()
    const { alice, bob } = all
    const door = await doorOf(bob, alice)
    const mine = pems(bob.key, bob.device.certificate)
    expect(await handshake(door, { ...mine, maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' })).toBeNull()
  })

  test('is at an address of ours only, and silent for other addresses', async () => {
    await using all = await pair()
    const { alice, bob } = all
    for (const address of ['192.0.2.1', '0.0.0.0', '::', 'localhost', '']) {
      expect(await ask(bob, alice, address)).toEqual({ kind: 'refused', code: 'road-not-here' })
    }
    const door = await doorOf(bob, alice)
    const mine = pems(bob.key, bob.device.certificate)
    expect(await handshake(door, { ...mine, localAddress: '127.0.0.2' } as ConnectionOptions)).toBeNull()
    expect(codes(alice)).toEqual([])
    expect(await handshake(door, mine)).not.toBeNull()
  })

  test('is shut when no ticket is out', { timeout: 60_000 }, async () => {
    await using all = await pair()
    const { alice, bob } = all
    const { port } = await doorOf(bob, alice)
    const refused = async (): Promise<unknown> => {
      const socket = connectTcp({ host: HOST, port })
      const [first] = await Promise.race([once(socket, 'connect'), once(socket, 'error')]).catch((error) => [error])
      socket.destroy()
      return first
    }
    await vi.waitFor(async () => expect(await refused()).toMatchObject({ code: 'ECONNREFUSED' }), {
      timeout: 40_000,
      interval: 500,
    })
  })

  test('gives one session only so many tickets', async () => {
    await using all = await pair()
    const { alice, bob } = all
    for (let at = 0; at < 8; at++) await doorOf(bob, alice)
    expect(await ask(bob, alice)).toEqual({ kind: 'refused', code: 'busy' })
  })
})

test('a thousand connections that say nothing keep nobody out', { timeout: 60_000 }, async () => {
  await using all = await pair({ handshakeMs: 120_000 }) // nobody is cut for being slow
  const { alice, bob } = all
  const { port } = await doorOf(bob, alice)
  const open = new Set<Socket>()
  const crowd = Array.from({ length: 1_000 }, () => {
    const socket = connectTcp({ host: HOST, port })
    socket.on('error', () => undefined)
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.resume()
    return socket
  })
  await vi.waitFor(() => expect(open.size).toBeLessThanOrEqual(BULK_HANDSHAKES_MAX), { timeout: 30_000 })
  const frames = orThrow(await openRoad(bob, alice))
  expect(bob.taken).toEqual([{ road: 'tls' }])
  await frames.send(Uint8Array.of(7))
  expect(orThrow(await frames.receive())).toEqual(new Uint8Array([7]))
  frames.abort('done')
  for (const socket of crowd) socket.destroy()
})

test('who is slow with its handshake or its ticket is cut', { timeout: 60_000 }, async () => {
  await using all = await pair()
  const { alice, bob } = all
  const door = await doorOf(bob, alice)
  const half = connectTcp({ host: HOST, port: door.port })
  half.on('error', () => undefined)
  half.write(Uint8Array.of(22, 3, 1, 2, 0)) // of a ClientHello the first five bytes
  const socket = await handshake(door, pems(bob.key, bob.device.certificate))
  if (socket === null) throw new Error('no handshake')
  const dripping = setInterval(() => socket.write(Uint8Array.of(0)), 1_000)
  await Promise.all([once(half.resume(), 'close'), once(socket.resume(), 'close')])
  clearInterval(dripping)
})

test('a session that ends takes its roads with it', async () => {
  await using all = await pair()
  const { alice, bob } = all
  const frames = orThrow(await openRoad(bob, alice))
  const waiting = frames.receive()
  expect(alice.sessions.cut(() => true)).toHaveLength(1)
  expect(await waiting).toMatchObject({ code: 'stream-closed' })
})

describe('where TLS finds no way, the stream carries the same', () => {
  /** What Bob gets from a holder whose doors lead to a port of the test's. */
  const misled = async (server: Server): Promise<{ taken: readonly unknown[]; echoed: Uint8Array }> => {
    server.listen(0, HOST)
    await once(server, 'listening')
    const at = server.address()
    const port = typeof at === 'object' && at !== null ? at.port : 0
    const network = testNetwork()
    const door = { kind: 'door', port, door: new Uint8Array(16), ticket: new Uint8Array(32) } as const
    await using alice = await createRoadEnd(network, 'alice', { misleads: door })
    await using bob = await createRoadEnd(network, 'bob')
    await bob.meet(alice)
    const frames = orThrow(await openRoad(bob, alice))
    await frames.send(Uint8Array.of(1, 2, 3))
    const echoed = orThrow(await frames.receive())
    await frames.close()
    // It is not tried again at once, and works all the same.
    orThrow(await openRoad(bob, alice)).abort('done')
    server.close()
    return { taken: bob.taken, echoed }
  }
  const byStream = (code: string) => ({ road: 'stream', refusal: { code } })

  test('a port that resets', async () => {
    let tries = 0
    const resets = createServer((socket) => {
      tries++
      socket.resetAndDestroy()
    })
    const { taken, echoed } = await misled(resets)
    expect(taken).toMatchObject([byStream('road-blocked'), byStream('road-blocked')])
    expect(echoed).toEqual(new Uint8Array([1, 2, 3]))
    expect(tries).toBe(1)
  })

  test('a port that never answers', async () => {
    const sockets: Socket[] = []
    const { taken } = await misled(createServer((socket) => sockets.push(socket.on('error', () => undefined))))
    for (const socket of sockets) socket.destroy()
    expect(taken).toMatchObject([byStream('road-blocked'), byStream('road-blocked')])
  })

  test("a port with another member's certificate behind it", async () => {
    const network = testNetwork()
    const carol = newKey()
    const heard: unknown[] = []
    const options = { ...pems(carol, network.issue({ user: 'carol', key: carol })), ALPNProtocols: ['lanyard-file/1'] }
    const impostor = createTlsServer({ ...options, requestCert: true, rejectUnauthorized: false }, (socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => heard.push(bytes))
    })
    impostor.on('tlsClientError', () => undefined)
    const { taken } = await misled(impostor)
    expect(taken).toMatchObject([byStream('road-wrong-certificate'), byStream('road-wrong-certificate')])
    expect(heard).toEqual([]) // no ticket for it
  })
})

describe('between two peers', () => {
  const whole = (event: PeerEvent): boolean => event.kind === 'file' && event.progress.state === 'whole'
  const roadsOf = (events: readonly PeerEvent[]) =>
    events.flatMap((event) => (event.kind === 'road' ? [event.refusal ? event.refusal.code : event.road] : []))
  /** Alice offers, Bob fetches; `onSocket` sees each TCP connection that one of them takes, but for libp2p's. */
  const fetched = async (onSocket: (socket: Socket, bob: Resident) => void) => {
    await using world = await createWorld()
    const alice = await world.settle('alice')
    const bob = await world.settle('bob')
    const events: PeerEvent[] = []
    bob.peer.on((event) => events.push(event))
    await bob.until((event) => event.kind === 'session')
    const known = new Set(
      [alice, bob].flatMap(({ peer }) => peer.addresses().map((text) => Number(text.split('/')[4]))),
    )
    const watch = (message: unknown): void => {
      const { socket } = message as { socket: Socket }
      if (!known.has(socket.localPort ?? 0)) onSocket(socket, bob)
    }
    subscribe('net.server.socket', watch)
    try {
      const content = randomBytes(24 * 1024 * 1024 + 123)
      const path = join(world.folder, 'plan.bin')
      await writeFile(path, content)
      await alice.peer.sendFile(alice.peer.general, path)
      const done = await bob.until(whole)
      const landed = done.kind === 'file' ? (done.progress.path ?? '') : ''
      expect(Buffer.compare(await readFile(landed), content)).toBe(0)
    } finally {
      unsubscribe('net.server.socket', watch)
    }
    return events
  }

  test('a file comes by TLS', async () => {
    expect(roadsOf(await fetched(() => undefined))).toEqual(['tls'])
  })

  test('a file comes by the stream where a firewall resets TLS', async () => {
    const events = await fetched((socket) => socket.resetAndDestroy())
    expect(roadsOf(events)).toEqual(['road-blocked'])
  })

  test('a file whose TLS road is cut in the middle goes on by the stream', async () => {
    let sockets = 0
    const events = await fetched((socket, bob) => {
      sockets++
      const end = bob.peer.on((event) => {
        if (event.kind !== 'file' || event.progress.state !== 'fetching' || event.progress.bytes < 1) return
        end()
        socket.resetAndDestroy()
      })
    })
    expect(sockets).toBe(1)
    expect(roadsOf(events)).toEqual(['tls', 'road-blocked'])
    // What had come stays.
    const again = events.findIndex((event) => event.kind === 'road' && event.road === 'stream')
    const after = events.slice(again).find((event) => event.kind === 'file' && event.progress.bytes > 0)
    expect(after).toBeDefined()
  })
})
