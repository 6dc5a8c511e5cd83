import { afterEach, describe, expect, test, vi } from 'vitest'
import { openMemberStream } from '../../peer/network/guard.ts'
import { type LiveParts, startLive } from '../../peer/network/live-handler.ts'
import type { Refusal } from '../../shared/errors.ts'
import { fromHex, roomIdOf } from '../../shared/ids.ts'
import { HELD_HEADS_MAX, LIVE_MAX_BYTES, TYPING_LASTS_MS } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { systemRandom } from '../../shared/random.ts'
import { type LiveMessage, liveCodec, liveProtocol } from '../../shared/wire/live.ts'
import { testNetwork } from '../support/certificates.ts'
import { type Authors, createHolder, type Holder } from '../support/holder.ts'

// The live stream over real connections.

const network = testNetwork()
const general = roomIdOf(network.network, 'general')
const secret = roomIdOf(network.network, 'secret')
const authors: Authors = new Map()
const made: { stop(): void; readonly holder: Holder }[] = []
afterEach(async () => {
  for (const { stop } of made) stop()
  await Promise.all(made.splice(0).map(({ holder }) => holder[Symbol.asyncDispose]()))
})

/** Everybody is in #general; in the secret room are those of whom it is said. */
const join = async (user: string, changes: Partial<LiveParts> = {}) => {
  const holder = await createHolder(network, user, authors)
  const told: string[] = []
  const fouls: Refusal[] = []
  const clock = { now: () => 1_000 }
  const live = await startLive({
    node: holder.node,
    network: network.network,
    sessions: holder.sessions,
    clock,
    random: systemRandom,
    allowance: { spend: () => 0 },
    shares: (room) => room === general,
    reaches: (room) => room === general,
    onPresence: ({ device }, state) => told.push(`${device.user} is ${state}`),
    onTyping: ({ device }, room, until) => told.push(`${device.user} types in ${room.slice(0, 4)} until ${until}`),
    onChanged: (peer, room) => told.push(`${peer} says that ${room.slice(0, 4)} has changed`),
    onHeld: (peer, _room, heads) => told.push(`${peer} holds ${heads.map(({ device, seq }) => `${device} ${seq}`)}`),
    onFoul: (refusal) => fouls.push(refusal),
    ...changes,
  })
  const one = { ...holder, live, told, fouls, holder, stop: live.stop }
  made.push(one)
  return one
}
type Joined = Awaited<ReturnType<typeof join>>
const hears = (who: Joined, what: string): Promise<void> => vi.waitFor(() => expect(who.told).toContain(what), 10_000)
const nameOf = (room: string): string => room.slice(0, 4)
const head = (seq: number) => ({ device: 'someone', inc: new Uint8Array(8), seq })
/** So that all that was said before on this stream has been heard. */
const saidAll = async (speaker: Joined, listener: Joined): Promise<void> => {
  speaker.live.setPresence('away')
  speaker.live.setPresence('active')
  speaker.live.setPresence('away')
  await hears(listener, `${speaker.device.user} is away`)
}

describe('presence', () => {
  test('is told when a session begins, and when it changes, once each', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    alice.live.setPresence('away')
    await alice.meet(bob)
    await hears(alice, 'bob is active')
    await hears(bob, 'alice is away')
    alice.live.setPresence('away')
    alice.live.setPresence('active')
    await hears(bob, 'alice is active')
    expect(bob.told).toEqual(['alice is away', 'alice is active'])
    expect(bob.live.presenceOf(alice.device.peerId)).toBe('active')
  })

  test('ends with the session', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    await alice.meet(bob)
    await hears(bob, 'alice is active')
    await alice.node.stop()
    await vi.waitFor(() => expect(bob.live.presenceOf(alice.device.peerId)).toBeNull())
  })
})

describe('typing', () => {
  test('is told to the members of the room, with the time at which it ends', async () => {
    const alice = await join('alice', { reaches: (room, { device }) => room === secret && device.user === 'bob' })
    const [bob, carol] = [await join('bob', { shares: () => true }), await join('carol', { shares: () => true })]
    for (const other of [bob, carol]) await alice.meet(other)
    alice.live.typing(secret)
    await hears(bob, `alice types in ${nameOf(secret)} until ${1_000 + TYPING_LASTS_MS}`)
    await saidAll(alice, carol)
    expect(carol.told.filter((line) => line.includes('types'))).toEqual([])
  })

  test('is told again only after a while, however often it is called', async () => {
    let now = 1_000
    const [alice, bob] = [await join('alice', { clock: { now: () => now } }), await join('bob')]
    await alice.meet(bob)
    for (; now < 1_000 + TYPING_LASTS_MS; now += 100) alice.live.typing(general)
    await saidAll(alice, bob)
    expect(bob.told.filter((line) => line.includes('types'))).toHaveLength(2)
  })

  test('of somebody who is not in the room is nobody’s business', async () => {
    const [alice, bob] = [await join('alice', { reaches: () => true }), await join('bob')]
    await alice.meet(bob)
    alice.live.typing(secret)
    await saidAll(alice, bob)
    expect(bob.told.filter((line) => line.includes('types'))).toEqual([])
  })
})

describe('what is where', () => {
  test('comes as it was told', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    await alice.meet(bob)
    alice.live.held(bob.device.peerId, general, [head(3), head(4)])
    await hears(bob, `${alice.device.peerId} holds someone 3,someone 4`)
    alice.live.changed(general)
    await hears(bob, `${alice.device.peerId} says that ${nameOf(general)} has changed`)
  })

  test('of too many logs, or of a room that we know nothing of, is a hint to ask', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    await alice.meet(bob)
    alice.live.held(
      bob.device.peerId,
      general,
      Array.from({ length: HELD_HEADS_MAX + 1 }, (_, seq) => head(seq)),
    )
    await hears(bob, `${alice.device.peerId} says that ${nameOf(general)} has changed`)
    alice.live.held(bob.device.peerId, secret, [head(1)])
    await hears(bob, `${alice.device.peerId} says that ${nameOf(secret)} has changed`)
  })

  test('fits into one message as long as it is told so', () => {
    const longest = { device: 'x'.repeat(64), inc: new Uint8Array(8), seq: Number.MAX_SAFE_INTEGER }
    const heads = Array.from({ length: HELD_HEADS_MAX }, () => longest)
    expect(liveCodec.encode({ kind: 'held', room: fromHex(general), heads }).byteLength).toBeLessThan(LIVE_MAX_BYTES)
  })
})

describe('a stream', () => {
  const openTo = async (speaker: Joined, listener: Joined) => {
    const stream = await openMemberStream(
      speaker.node,
      speaker.sessions,
      listener.device.peerId,
      liveProtocol(network.network),
    )
    return { stream, frames: openFrames(stream, { maxFrameBytes: LIVE_MAX_BYTES }) }
  }

  test('that the other side ended is opened anew', async () => {
    const [alice, bob] = [await join('alice'), await join('bob')]
    await alice.meet(bob)
    await hears(bob, 'alice is active')
    const [session] = bob.sessions.list()
    for (const stream of session?.connection.streams ?? [])
      if (stream.protocol === liveProtocol(network.network)) stream.abort(new Error('lost'))
    // What is said into a stream that is gone may be lost, and is said again one time or other.
    await vi.waitFor(() => {
      alice.live.changed(general)
      expect(bob.told).toContain(`${alice.device.peerId} says that ${nameOf(general)} has changed`)
    }, 10_000)
  })

  test.for<[string, Uint8Array]>([
    ['no message', Uint8Array.of(1, 2, 3)],
    ['too long', new Uint8Array(LIVE_MAX_BYTES + 1)],
  ])('with a frame that is %s ends, and is told; another goes on', async ([, frame]) => {
    const [mallory, bob] = [await join('mallory'), await join('bob')]
    await mallory.meet(bob)
    await hears(bob, 'mallory is active')
    const { stream } = await openTo(mallory, bob)
    const ended = new Promise((resolve) => stream.addEventListener('close', resolve))
    const prefix = Buffer.alloc(4)
    prefix.writeUInt32BE(frame.byteLength)
    stream.send(Buffer.concat([prefix, frame]))
    await ended
    expect(bob.fouls).toHaveLength(1)
    mallory.live.setPresence('away')
    await hears(bob, 'mallory is away')
  })

  test('of who says too much is read slowly, and nobody else waits', async () => {
    const left = new Map<string, number>()
    const bob = await join('bob', {
      allowance: {
        spend: (peer) => {
          const tokens = (left.get(peer) ?? 10) - 1
          left.set(peer, tokens)
          return tokens >= 0 ? 0 : 3_600_000
        },
      },
    })
    const [mallory, alice] = [await join('mallory'), await join('alice')]
    await mallory.meet(bob)
    const { frames } = await openTo(mallory, bob)
    const typing: LiveMessage = { kind: 'typing', room: fromHex(general) }
    for (let message = 0; message < 5_000; message++) await frames.send(liveCodec.encode(typing))
    await alice.meet(bob)
    await hears(bob, 'alice is active')
    alice.live.typing(general)
    await hears(bob, `alice types in ${nameOf(general)} until ${1_000 + TYPING_LASTS_MS}`)
    expect(bob.told.filter((line) => line.startsWith('mallory types')).length).toBeLessThanOrEqual(10)
  })
})
