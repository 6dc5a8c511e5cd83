import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { isRefusal, nextStepOf, orThrow, wordsOf } from '../../shared/errors.ts'
import { fromHex, type RoomId } from '../../shared/ids.ts'
import { ALLOWANCES, FRAME_MAX_BYTES, STREAMS_PER_PROTOCOL } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { systemRandom } from '../../shared/random.ts'
import { syncProtocol, syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { WORDS } from '../../shared/words.ts'
import { createMallory } from '../support/mallory.ts'
import { withFlippedBit } from '../support/records.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

// A member with a real certificate who does too much of something, while Alice and Bob go on talking.

let world: Awaited<ReturnType<typeof createWorld>>
let alice: Resident
let bob: Resident
let general: RoomId
beforeAll(async () => {
  world = await createWorld()
  alice = await world.settle('alice')
  bob = await world.settle('bob')
  general = alice.peer.general
  await bob.until((event) => event.kind === 'session')
})
afterAll(() => world[Symbol.asyncDispose]())

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

let talks = 0
/** Bob says something, and Alice hears it; as often as asked. */
const talk = async (times: number): Promise<void> => {
  for (let time = 0; time < times; time++) {
    const text = `talk ${talks++}`
    await bob.peer.say(general, text)
    await alice.until(says(text))
  }
}

test('who sends garbage without end is barred, in words, and comes in no more for a while', async () => {
  await using mallory = await createMallory(world.network)
  const line = await mallory.join(alice.peer)
  const record = await mallory.pen.write({
    room: general,
    kind: 'message',
    body: systemRandom.bytes(40),
    key: { epoch: 0, index: 0, commitment: new Uint8Array(32) },
  })
  // Each spoilt in its own way: equal messages are one to gossip.
  for (let sent = 0; sent < 3 * ALLOWANCES.fouls.burst; sent++) {
    const wire = { ...record.wire, signature: systemRandom.bytes(256) }
    line.gossip(general, withFlippedBit({ ...record, wire }, 'signature'))
  }
  const barred = await alice.until(
    (event) => event.kind === 'refused' && event.refusal.code === 'flooding' && event.device === mallory.node.peerId,
  )
  if (barred.kind === 'refused') {
    expect(wordsOf(barred.refusal)).toBe(WORDS.flooding.here)
    expect(nextStepOf(barred.refusal)).not.toBe('')
  }
  await vi.waitFor(() => expect(mallory.node.connections()).toEqual([]))
  await talk(1)
  const call = await mallory.callUp(alice.peer)
  await call.say(mallory.hello(mallory.certificate))
  expect(await call.hear()).toEqual({ kind: 'refused', code: 'flooding' })
})

test('who asks for everything again and again, on all the streams it may have, delays nobody', async () => {
  await using mallory = await createMallory(world.network)
  await talk(20)
  await mallory.join(alice.peer)
  const [connection] = mallory.node.connections()
  if (connection === undefined) throw new Error('a connection')
  const everything = syncRequestCodec.encode({ kind: 'heads', room: fromHex(general), heads: [], left: 0 })
  let answers = 0
  let going = true
  /** Asks, reads the first frame of the answer, and throws the rest away. */
  const ask = async (): Promise<void> => {
    const stream = await mallory.node.open(connection, syncProtocol(world.network.network))
    const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
    await frames.send(everything)
    const answer = await frames.receive()
    if (!isRefusal(answer) && orThrow(syncReplyCodec.decode(answer)).kind === 'records') answers++
    frames.abort('enough')
  }
  const asker = async (): Promise<void> => {
    while (going) await ask().catch(() => later(10)) // no stream is free
  }
  const askers = Promise.all(Array.from({ length: STREAMS_PER_PROTOCOL - 4 }, asker))
  await vi.waitFor(() => expect(answers).toBeGreaterThan(100), 30_000)
  const before = answers
  await talk(20)
  await vi.waitFor(() => expect(answers).toBeGreaterThan(before))
  going = false
  await askers
})
