import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { isRefusal, nextStepOf, orThrow, wordsOf } from '../../shared/errors.ts'
import { foundedRoomIdOf, fromHex, type RoomId } from '../../shared/ids.ts'
import {
  ALLOWANCES,
  FRAME_MAX_BYTES,
  GOSSIP_MAX_RECORDS,
  LOGS_PER_DEVICE,
  RECORD_MAX_BYTES,
  STRANGE_ROOMS_MAX,
  STREAMS_PER_PROTOCOL,
} from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { systemRandom } from '../../shared/random.ts'
import { encodeMembership } from '../../shared/wire/membership.ts'
import { pushProtocol } from '../../shared/wire/push.ts'
import { syncProtocol, syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { WORDS } from '../../shared/words.ts'
import { user } from '../support/certificates.ts'
import { createMallory } from '../support/mallory.ts'
import { queryCopy } from '../support/query.ts'
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

test('who begins one log after another is told of once, and keeps no two others from holding the same', async () => {
  await using mallory = await createMallory(world.network)
  const lines = [await mallory.join(alice.peer), await mallory.join(bob.peer)]
  const begun = await Promise.all(
    Array.from({ length: 2 * LOGS_PER_DEVICE }, () =>
      mallory.pen.write(
        {
          room: general,
          kind: 'message',
          body: systemRandom.bytes(40),
          key: { epoch: 0, index: 0, commitment: new Uint8Array(32) },
        },
        { inc: systemRandom.bytes(8), seq: 0, prev: new Uint8Array(32) },
        { aside: true },
      ),
    ),
  )
  const logsAt = (one: Resident): unknown[] =>
    queryCopy(
      one.databasePath,
      'SELECT inc FROM named_records WHERE device = ? AND room = ?',
      mallory.node.peerId,
      general,
    )
  // Each hears them in another order: of so many, each takes others.
  for (const [at, line] of lines.entries()) {
    const records = at === 0 ? begun : begun.toReversed()
    for (let from = 0; from < records.length; from += GOSSIP_MAX_RECORDS) {
      line.gossip(general, Buffer.concat(records.slice(from, from + GOSSIP_MAX_RECORDS).map(({ bytes }) => bytes)))
    }
  }
  const isTold = (event: PeerEvent): boolean =>
    event.kind === 'foul' && event.refusal.code === 'too-many-logs' && event.user === mallory.name
  for (const one of [alice, bob]) {
    await one.until(isTold)
    await vi.waitFor(() => expect(logsAt(one)).toHaveLength(LOGS_PER_DEVICE))
  }
  await talk(3)
  await bob.leave()
  await alice.peer.say(general, 'while Bob was off')
  await bob.comeBack()
  await bob.until(says('while Bob was off'))
  expect([logsAt(alice), logsAt(bob)].map(({ length }) => length)).toEqual([LOGS_PER_DEVICE, LOGS_PER_DEVICE])
})

test('who founds one room after another does not fill the list for the others', async () => {
  await using mallory = await createMallory(world.network)
  await mallory.join(alice.peer)
  const founded = await Promise.all(
    Array.from({ length: STRANGE_ROOMS_MAX + 10 }, (_, at) => {
      const nonce = systemRandom.bytes(16)
      const order = { name: `room ${at}`, access: 'invite', history: 'all' } as const
      const body = encodeMembership({ kind: 'room', nonce, creator: user(mallory.name), ...order })
      return mallory.pen.write({ room: foundedRoomIdOf(world.network.network, body), kind: 'room', body })
    }),
  )
  const [connection] = mallory.node.connections()
  if (connection === undefined) throw new Error('a connection')
  const stream = await mallory.node.open(connection, pushProtocol(world.network.network))
  const frames = openFrames(stream, { maxFrameBytes: RECORD_MAX_BYTES })
  for (const { bytes } of founded) await frames.send(bytes)
  const known = () => queryCopy(alice.databasePath, "SELECT room FROM rooms WHERE kind = 'founded'").length
  await vi.waitFor(() => expect(known()).toBe(STRANGE_ROOMS_MAX), 60_000)
  const room = await bob.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await bob.peer.politics.invite(room, user('alice'))
  await vi.waitFor(() => expect(alice.peer.rooms().map(({ id }) => id)).toContain(room), 60_000)
  expect(known()).toBe(STRANGE_ROOMS_MAX + 1)
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
