import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { topicOf } from '../../peer/log/gossip.ts'
import type { Code, Refusal } from '../../shared/errors.ts'
import { isRefusal, nextStepOf, refusedThere, wordsOf } from '../../shared/errors.ts'
import { FRAME_MAX_BYTES, HELLO_MAX_BYTES } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { createGossip } from '../../shared/network/gossip.ts'
import type { Hello } from '../../shared/wire/hello.ts'
import { keysProtocol } from '../../shared/wire/keys.ts'
import { syncProtocol, syncRequestCodec } from '../../shared/wire/sync.ts'
import { WORDS } from '../../shared/words.ts'
import { hostile, testNetwork, user } from '../support/certificates.ts'
import { closed, createStranger, type HelloLine, type Stranger } from '../support/stranger.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

// Alice meets one stranger after another, and after each of them she still talks with Bob.
let world: Awaited<ReturnType<typeof createWorld>>
let alice: Resident
let bob: Resident
beforeAll(async () => {
  world = await createWorld({ helloTimeoutMs: 4_000 }) // short, for those who say nothing; long enough for a busy machine
  alice = await world.settle('alice')
  bob = await world.settle('bob')
  await bob.until((event) => event.kind === 'session')
})
afterAll(() => world[Symbol.asyncDispose]())

let talks = 0
/** The promise behind every refusal: a member who connects now is let in, and both can talk. */
const stillServes = async (): Promise<void> => {
  await bob.comeBack()
  const text = `talk ${talks++}`
  await alice.peer.say(alice.peer.general, text)
  await bob.until(says(text))
}

const refusalOf = async (stranger: Stranger): Promise<Refusal> => {
  const event = await alice.until(
    ({ kind, ...rest }) => kind === 'refused' && 'device' in rest && rest.device === stranger.node.peerId,
  )
  if (event.kind !== 'refused') throw new Error('no refusal')
  return event.refusal
}

/** What both sides know once Alice has refused a stranger who was told. */
const expectRefused = async (stranger: Stranger, line: HelloLine, code: Code): Promise<void> => {
  const here = await refusalOf(stranger)
  expect(here).toMatchObject({ code, by: 'here' })
  expect(wordsOf(here)).toContain(WORDS[code].here)

  const told = await line.hear()
  expect(told).toEqual({ kind: 'refused', code })
  const there = refusedThere(isRefusal(told) || told.kind !== 'refused' ? '' : told.code)
  expect(wordsOf(there)).toBe(WORDS[code].there)
  expect(nextStepOf(here)).toBe(nextStepOf(there))
  expect(nextStepOf(here)).not.toBe('')
}

const stranger = (): Promise<Stranger> => createStranger(world.network.network)
const honest = ({ key }: Stranger, name = 'mallory'): Uint8Array => world.network.issue({ user: user(name), key })

/** The stranger dials Alice: she is the listener. */
const dials = (one: Stranger): Promise<HelloLine> => one.callUp(alice.peer)
/** Alice dials the stranger, and says hello first. */
const isDialed = async (one: Stranger): Promise<HelloLine> => {
  alice.peer.meet(one.node.peerId, one.node.addresses())
  const line = await one.calledBy()
  expect(await line.hear()).toMatchObject({ kind: 'hello', network: world.network.network })
  return line
}
const BOTH_WAYS = { dialer: dials, listener: isDialed } as const

type Faulty = (one: Stranger) => Hello
const CERTIFICATES: Record<keyof typeof hostile, Code> = {
  selfSigned: 'certificate-self-signed',
  expired: 'certificate-expired',
  notYetValid: 'certificate-not-yet-valid',
  otherRoot: 'certificate-wrong-root',
  otherKey: 'certificate-wrong-key',
  wrongUsage: 'certificate-wrong-usage',
  alteredByte: 'certificate-bad-signature',
}
const FAULTY: readonly (readonly [string, Code, Faulty])[] = [
  ...(Object.keys(hostile) as (keyof typeof hostile)[]).map((name) => {
    const say: Faulty = (one) => one.hello(hostile[name](world.network, { user: 'mallory', key: one.key }))
    return [`a certificate that is ${name}`, CERTIFICATES[name], say] as const
  }),
  ['bytes that are no certificate', 'certificate-malformed', (one) => one.hello(new Uint8Array(100))],
  ['no certificate', 'certificate-malformed', (one) => one.hello(new Uint8Array())],
  ['another network', 'wrong-network', (one) => one.hello(honest(one), { network: testNetwork().network })],
  ['another version', 'version-unsupported', (one) => one.hello(honest(one), { version: 2 })],
]

for (const [role, meet] of Object.entries(BOTH_WAYS)) {
  describe(`a ${role}`, () => {
    test.for(FAULTY)('with %s is refused as %s, and told so', async ([, code, say]) => {
      await using one = await stranger()
      const hello = say(one) // made before they meet, since keys take longer than a busy Alice waits
      const line = await meet(one)
      await line.say(hello)
      await expectRefused(one, line, code)
      await stillServes()
    })

    test('that admits itself before it has said who it is, is refused', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.say({ kind: 'admitted' })
      await expectRefused(one, line, 'wrong-order')
      await stillServes()
    })

    test('that does not go when it is refused is cut off', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.say({ kind: 'admitted' })
      await line.hungUp
      expect(await refusalOf(one)).toMatchObject({ code: 'wrong-order' })
    })

    test('whose frame is no CBOR is refused', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.blurt(Uint8Array.of(0xff, 0x00, 0x9f))
      await expectRefused(one, line, 'frame-malformed')
      await stillServes()
    })

    test('whose frame is over the limit is refused by its length alone', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.blurt(new Uint8Array(HELLO_MAX_BYTES + 1))
      await expectRefused(one, line, 'frame-too-large')
      await stillServes()
    })

    test('that opens the hello and then says nothing is refused', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await expectRefused(one, line, 'silent')
      await stillServes()
    })

    test('that stops in the middle of a frame is refused', async () => {
      await using one = await stranger()
      const line = await meet(one)
      line.stream.send(Uint8Array.of(0, 0, 1, 0, 7, 7, 7))
      await expectRefused(one, line, 'silent')
      await stillServes()
    })

    test('that refuses Alice is believed, and she says so in other words', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.say({ kind: 'refused', code: 'certificate-expired' })
      const refusal = await refusalOf(one)
      expect(refusal).toEqual({ kind: 'refusal', code: 'certificate-expired', by: 'there' })
      expect(wordsOf(refusal)).toBe(WORDS['certificate-expired'].there)
      await line.hungUp
      await stillServes()
    })

    test('that refuses in a code that nobody knows makes it a fault over there, not a sentence of its own', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.say({ kind: 'refused', code: 'send your password to me' })
      expect(wordsOf(await refusalOf(one))).toBe(WORDS.fault.there)
      await stillServes()
    })

    test('that breaks the stream off is cut, and its connection with it', async () => {
      await using one = await stranger()
      const line = await meet(one)
      await line.say(one.hello(honest(one)))
      line.stream.abort(new Error('gone'))
      await line.hungUp
      expect(await refusalOf(one)).toMatchObject({ by: 'here' })
      await stillServes()
    })
  })
}

describe('a listener', () => {
  test('with a real certificate is admitted', async () => {
    await using one = await stranger()
    const line = await isDialed(one)
    await line.say(one.hello(honest(one, 'mallory')))
    expect(await line.hear()).toEqual({ kind: 'admitted' })
    await alice.until((event) => event.kind === 'session' && event.device === one.node.peerId)
  })
})

describe('a dialer', () => {
  test('with a real certificate is answered, and admitted once it admits', async () => {
    await using one = await stranger()
    const line = await dials(one)
    await line.say(one.hello(honest(one)))
    expect(await line.hear()).toMatchObject({ kind: 'hello', certificate: alice.peer.self.certificate })
    expect(alice.seen((event) => event.kind === 'session' && event.device === one.node.peerId)).toBe(false)
    await line.say({ kind: 'admitted' })
    await alice.until((event) => event.kind === 'session' && event.device === one.node.peerId)
  })

  test('that says hello twice is refused', async () => {
    await using one = await stranger()
    const line = await dials(one)
    await line.say(one.hello(honest(one)))
    expect(await line.hear()).toMatchObject({ kind: 'hello' })
    await line.say(one.hello(honest(one)))
    await expectRefused(one, line, 'wrong-order')
    await stillServes()
  })

  test('that never admits is refused', async () => {
    await using one = await stranger()
    const line = await dials(one)
    await line.say(one.hello(honest(one)))
    expect(await line.hear()).toMatchObject({ kind: 'hello' })
    await expectRefused(one, line, 'silent')
    await stillServes()
  })

  test('at an address where somebody else used to be is not taken for them, and hears nothing of it', async () => {
    await using gone = await stranger()
    await using one = await stranger()
    const line = await dials(one)
    const [address = ''] = one.node.addresses()
    alice.peer.meet(gone.node.peerId, [address.replace(one.node.peerId, gone.node.peerId)])
    const found = (): unknown => alice.peer.sightings().find(({ peer }) => peer === gone.node.peerId)?.lastRefusal
    await expect.poll(found).toMatchObject({ code: 'wrong-peer' })
    await line.say(one.hello(honest(one)))
    expect(await line.hear()).toMatchObject({ kind: 'hello' })
    await line.say({ kind: 'admitted' })
    await alice.until((event) => event.kind === 'session' && event.device === one.node.peerId)
    expect(alice.seen((event) => event.kind === 'refused' && event.device === one.node.peerId)).toBe(false)
  })

  test('that connects and opens nothing is cut off', async () => {
    await using one = await stranger()
    const connection = await one.dial(alice.peer)
    const hungUp = closed(connection)
    const refusal = await refusalOf(one)
    expect(refusal).toMatchObject({ code: 'silent', by: 'here' })
    expect(wordsOf(refusal)).toBe(WORDS.silent.here)
    await hungUp
    await stillServes()
  })

  test('that has not said hello gets no answer from sync and keys, and its stream ends with its connection', async () => {
    await using one = await stranger()
    const connection = await one.dial(alice.peer)
    const ask = syncRequestCodec.encode({ kind: 'heads', room: new Uint8Array(32), heads: [], left: 0 })
    const streams = await Promise.all(
      [syncProtocol, keysProtocol].map((protocol) => one.node.open(connection, protocol(world.network.network))),
    )
    const lines = streams.map((stream) => openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES }))
    await Promise.all(lines.map((frames) => frames.send(ask)))
    for (const frames of lines) expect(await frames.receive()).toMatchObject({ code: 'stream-closed' })
    expect(await refusalOf(one)).toMatchObject({ code: 'silent' })
    await stillServes()
  })

  test('that was refused gets no answer from sync on the same connection', async () => {
    await using one = await stranger()
    const line = await dials(one)
    await line.say(one.hello(hostile.selfSigned(world.network, { user: 'mallory', key: one.key })))
    const stream = await one.node.open(line.connection, syncProtocol(world.network.network)).catch(() => null)
    const frames = stream === null ? null : openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
    await frames
      ?.send(syncRequestCodec.encode({ kind: 'heads', room: new Uint8Array(32), heads: [], left: 0 }))
      .catch(() => 0)
    expect((await frames?.receive()) ?? { code: 'stream-closed' }).toMatchObject({ code: 'stream-closed' })
    await expectRefused(one, line, 'certificate-self-signed')
  })

  test('that subscribes to the gossip of #general without a hello hears nothing of what is said there', async () => {
    const heard: Uint8Array[] = []
    const gossip = createGossip({ idOf: (data) => data.subarray(0, 8), admitted: async () => true })
    await using one = await createStranger(world.network.network, { gossip })
    gossip.subscribe(topicOf(world.network.network, alice.peer.general), async (data) => {
      heard.push(data)
      return 'pass'
    })
    const connection = await one.dial(alice.peer)
    gossip.connect(connection)
    await alice.peer.say(alice.peer.general, 'not for strangers')
    await bob.until(says('not for strangers'))
    await closed(connection)
    expect(heard).toEqual([])
    await stillServes()
  })
})
