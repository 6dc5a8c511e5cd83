import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { sealBox } from '../../peer/group/boxes.ts'
import {
  commitmentOf,
  messageCommitmentOf,
  type SenderKeyContext,
  sealMessage,
  startChain,
  stepChain,
} from '../../peer/group/sender-key.ts'
import { encodeRecord } from '../../peer/log/record.ts'
import { blob } from '../../peer/store/database.ts'
import { type Code, nextStepOf, orThrow, wordsOf } from '../../shared/errors.ts'
import { fromHex, type RoomId, roomIdOf, toEpoch, toIncarnation } from '../../shared/ids.ts'
import { DAY_MS, FRAME_MAX_BYTES, RECORD_MAX_BYTES } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import {
  deviceBodyCodec,
  messageContentCodec,
  type SenderKeyBody,
  senderKeyBodyCodec,
} from '../../shared/wire/bodies.ts'
import { keysReplyCodec, keysRequestCodec } from '../../shared/wire/keys.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import { syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { WORDS } from '../../shared/words.ts'
import { newKey } from '../support/certificates.ts'
import { type Admitted, createMallory, type Mallory } from '../support/mallory.ts'
import { queryCopy } from '../support/query.ts'
import { createPen, type PennedRecord, type Written, withFlippedBit } from '../support/records.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

// Alice and Bob are honest. Each test has a Mallory of its own, with a real certificate, who passed the hello.
let world: Awaited<ReturnType<typeof createWorld>>
let alice: Resident
let bob: Resident
let general: RoomId
let directory: RoomId
beforeAll(async () => {
  world = await createWorld()
  alice = await world.settle('alice')
  bob = await world.settle('bob')
  general = alice.peer.general
  directory = roomIdOf(world.network.network, '~directory')
  await bob.until((event) => event.kind === 'session')
  await alice.peer.say(general, 'so that Alice has a sender key')
})
afterAll(() => world[Symbol.asyncDispose]())

/** What Alice tells from the beginning of a test. */
let events: PeerEvent[] = []
let listening = new Set<() => void>()
beforeEach(() => {
  events = []
  listening = new Set()
  return alice.peer.on((event) => {
    events.push(event)
    for (const look of listening) look()
  })
})
const until = (fits: (event: PeerEvent) => boolean): Promise<PeerEvent> => {
  const { promise, resolve } = Promise.withResolvers<PeerEvent>()
  const look = (): void => {
    const found = events.find(fits)
    if (found !== undefined) resolve(found)
  }
  listening.add(look)
  look()
  return promise
}
/** Alice tells of a foul with this code, in words, and with the name of whom she can prove it of. */
const expectFoul = async (code: Code, user: string | null): Promise<void> => {
  const event = await until((event) => event.kind === 'foul' && event.refusal.code === code && event.user === user)
  if (event.kind !== 'foul') return
  expect(wordsOf(event.refusal)).toContain(WORDS[code].here)
  expect(nextStepOf(event.refusal)).not.toBe('')
}

let talks = 0
const stillServes = async (): Promise<void> => {
  const text = `talk ${talks++}`
  await bob.peer.say(general, text)
  await until(says(text))
}

const query = (sql: string, ...values: string[]): Record<string, unknown>[] =>
  queryCopy(alice.databasePath, sql, ...values)
/** The numbers of Mallory's records that Alice has stored in a room. */
const stored = (mallory: Mallory, room: RoomId = general): unknown[] =>
  query('SELECT seq FROM named_records WHERE device = ? AND room = ? ORDER BY seq', mallory.node.peerId, room).map(
    ({ seq }) => seq,
  )

const nonsense: Written['key'] = { epoch: 0, index: 0, commitment: new Uint8Array(32) }
/** A message that nobody has the key of: its form and signature are right. */
const sealedNote = (room = general): Written => ({
  room,
  kind: 'message',
  body: systemRandom.bytes(40),
  key: nonsense,
})

const withOtherTime = ({ wire }: PennedRecord): Uint8Array => {
  const header = orThrow(headerCodec.decode(wire.header))
  return encodeRecord({ ...wire, header: headerCodec.encode({ ...header, time: [header.time[0] - 1, 0] }) })
}

type Carrier = (mallory: Mallory, line: Admitted, room: RoomId, records: readonly Uint8Array[]) => Promise<void>
const CARRIERS: Record<string, Carrier> = {
  gossip: async (_, line, room, records) => {
    for (const record of records) line.gossip(room, record)
  },
  sync: async (mallory, line, room, records) => {
    mallory.serve(room, records)
    await line.beckon(room)
  },
}

/** A sender key with a box for Alice, and a message under it; each may be made false in one thing. */
type Lie = { readonly commitment?: Uint8Array; readonly box?: Uint8Array; readonly messageCommitment?: Uint8Array }
const speech = async (mallory: Mallory, { device }: Admitted, text: string, lie: Lie = {}) => {
  const secret = systemRandom.bytes(32)
  const incarnation = toIncarnation(mallory.pen.inc)
  const context: SenderKeyContext = { room: general, author: mallory.node.peerId, incarnation, epoch: toEpoch(0) }
  const to = alice.peer.self.peerId
  const { id, publicKey } = device.prekey
  const info = { network: world.network.network, ...context, recipient: to, prekey: id }
  const body: SenderKeyBody = {
    epoch: 0,
    members: new Uint8Array(32),
    commitment: lie.commitment ?? commitmentOf(secret, context),
    boxes: [{ to, prekey: id, box: lie.box ?? orThrow(await sealBox(publicKey, info, secret, systemRandom)) }],
  }
  const { messageKey } = stepChain(startChain(secret, context))
  const commitment = lie.messageCommitment ?? messageCommitmentOf(messageKey)
  const sealed = sealMessage(messageKey, messageContentCodec.encode({ kind: 'text', text }), fromHex(general))
  const records = await Promise.all([
    mallory.pen.write({ room: general, kind: 'sender-key', body: senderKeyBodyCodec.encode(body) }),
    mallory.pen.write({ room: general, kind: 'message', body: sealed, key: { epoch: 0, index: 0, commitment } }),
  ])
  return { records, bytes: records.map((record) => record.bytes), messageKey }
}

for (const [carrier, send] of Object.entries(CARRIERS)) {
  describe(`by ${carrier}`, () => {
    const carry = async (mallory: Mallory, room: RoomId, records: readonly Uint8Array[]): Promise<Admitted> => {
      const line = await mallory.join(alice.peer)
      await send(mallory, line, room, records)
      return line
    }
    const forged: Record<string, { code: Code; make: (record: PennedRecord) => Uint8Array }> = {
      'with another signature': { code: 'record-bad-signature', make: (record) => withFlippedBit(record, 'signature') },
      'whose header was tampered with': {
        code: 'record-bad-signature',
        make: withOtherTime,
      },
      'whose body was tampered with': { code: 'record-wrong-body', make: (record) => withFlippedBit(record, 'body') },
      'that is cut short': { code: 'record-malformed', make: ({ bytes }) => bytes.subarray(0, -1) },
      'that is no record': { code: 'record-malformed', make: () => new Uint8Array(100) },
    }
    test.for(Object.entries(forged))('a record %s is refused, and not stored', async ([, { code, make }]) => {
      await using mallory = await createMallory(world.network)
      const record = await mallory.pen.write(sealedNote())
      await carry(mallory, general, [make(record)])
      await expectFoul(code, code === 'record-bad-signature' ? null : mallory.name)
      await stillServes()
      expect(stored(mallory)).toEqual([])
    })

    test("a record in a member's name that another's key has signed is refused", async () => {
      await using mallory = await createMallory(world.network)
      const forger = createPen({ key: mallory.key, certificate: alice.peer.self.certificate })
      await carry(mallory, general, [(await forger.write(sealedNote())).bytes])
      await expectFoul('record-bad-signature', null)
      await stillServes()
      expect(query('SELECT 1 FROM named_records WHERE inc = ?', toIncarnation(forger.inc))).toEqual([])
    })

    test('a record of an author whom nobody knows is not stored; once his certificate comes, it is', async () => {
      await using mallory = await createMallory(world.network)
      const key = newKey()
      const certificate = world.network.issue({ user: 'newcomer', key })
      const pen = createPen({ key, certificate })
      const note = await pen.write(sealedNote())
      const inStore = () => query('SELECT seq FROM named_records WHERE inc = ?', toIncarnation(pen.inc))
      const line = await carry(mallory, general, [note.bytes])
      await stillServes()
      expect(inStore()).toEqual([])
      const prekey = { id: new Uint8Array(8), suite: 1, publicKey: systemRandom.bytes(32), created: Date.now() }
      const body = deviceBodyCodec.encode({ certificate, prekey })
      mallory.serve(directory, [(await pen.write({ room: directory, kind: 'device', body })).bytes])
      mallory.serve(general, [note.bytes])
      await line.beckon(directory)
      await expect.poll(() => inStore().length).toBeGreaterThan(0)
      await line.beckon(general)
      await expect.poll(() => inStore().length).toBe(2)
    })

    test('a record of another room than it came through is refused', async () => {
      await using mallory = await createMallory(world.network)
      await carry(mallory, directory, [(await mallory.pen.write(sealedNote(general))).bytes])
      await expectFoul('record-wrong-room', mallory.name)
      await stillServes()
      expect(stored(mallory)).toEqual([])
    })

    test('a message in the directory is refused', async () => {
      await using mallory = await createMallory(world.network)
      await carry(mallory, directory, [(await mallory.pen.write(sealedNote(directory))).bytes])
      await expectFoul('record-wrong-room', null)
      await stillServes()
      expect(stored(mallory, directory)).toEqual([])
    })

    test("a device record with another's certificate is refused, and changes nobody's prekey", async () => {
      await using mallory = await createMallory(world.network)
      const prekey = { id: new Uint8Array(8), suite: 1, publicKey: systemRandom.bytes(32), created: Date.now() + 1_000 }
      const stolen = { certificate: bob.peer.self.certificate, prekey }
      const draft: Written = { room: directory, kind: 'device', body: deviceBodyCodec.encode(stolen) }
      const asBob = createPen({ key: mallory.key, certificate: bob.peer.self.certificate })
      const records = [await mallory.pen.write(draft), await asBob.write(draft)]
      await carry(
        mallory,
        directory,
        records.map(({ bytes }) => bytes),
      )
      await expectFoul('record-wrong-author', null)
      await expectFoul('record-bad-signature', null)
      await stillServes()
      expect(stored(mallory, directory)).toEqual([])
      const [row] = query('SELECT public_key FROM prekeys WHERE peer = ?', bob.peer.self.peerId)
      expect(blob(row?.public_key)).not.toEqual(prekey.publicKey)
    })

    test('a record that does not follow the one before it is refused', async () => {
      await using mallory = await createMallory(world.network)
      const first = await mallory.pen.write(sealedNote())
      const second = await mallory.pen.write(sealedNote(), { prev: new Uint8Array(32).fill(7) })
      await carry(mallory, general, [first.bytes, second.bytes])
      await expectFoul('record-broken-chain', mallory.name)
      expect(stored(mallory)).toEqual([0])
      await stillServes()
    })

    test('a first record that claims one before it is refused', async () => {
      await using mallory = await createMallory(world.network)
      const first = await mallory.pen.write(sealedNote(), { prev: new Uint8Array(32).fill(7) })
      await carry(mallory, general, [first.bytes])
      await expectFoul('record-broken-chain', mallory.name)
      expect(stored(mallory)).toEqual([])
      await stillServes()
    })

    test('two records with one number convict their author: the first stays, one other is kept as proof', async () => {
      await using mallory = await createMallory(world.network)
      const honest = await mallory.pen.write(sealedNote(), {}, { aside: true })
      const other = await mallory.pen.write(sealedNote(), {}, { aside: true })
      const third = await mallory.pen.write(sealedNote(), {}, { aside: true })
      await carry(
        mallory,
        general,
        [honest, other, third].map(({ bytes }) => bytes),
      )
      await expectFoul('record-equivocation', mallory.name)
      await stillServes()
      expect(query('SELECT hash FROM named_records WHERE device = ?', mallory.node.peerId)).toEqual([
        { hash: honest.hash },
      ])
      const proof = query('SELECT wire FROM equivocations WHERE device = ?', mallory.node.peerId)
      expect(proof.map(({ wire }) => blob(wire))).toEqual([new Uint8Array(other.bytes)])
    })

    test('a record that is ahead waits for those before it, which are pulled; then all are there', async () => {
      await using mallory = await createMallory(world.network)
      const records = [0, 1, 2].map(() => mallory.pen.write(sealedNote()))
      const [first, second, third] = await Promise.all(records)
      if (first === undefined || second === undefined || third === undefined) throw new Error('three were written')
      const line = await carry(mallory, general, [third.bytes])
      await stillServes()
      expect(stored(mallory)).toEqual([])
      mallory.serve(general, [first.bytes, second.bytes])
      line.gossip(general, third.bytes)
      await line.beckon(general)
      await expect.poll(() => stored(mallory)).toEqual([0, 1, 2])
    })

    test('a record from next week is refused, and nobody else is dated by it', async () => {
      await using mallory = await createMallory(world.network)
      const record = await mallory.pen.write(sealedNote(), { time: [Date.now() + 7 * DAY_MS, 0] })
      const last = await mallory.pen.write(sealedNote(), { time: [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] })
      await carry(mallory, general, [record.bytes, last.bytes])
      await expectFoul('record-from-future', mallory.name)
      expect(stored(mallory)).toEqual([])
      await stillServes()
      await alice.peer.say(general, 'it is today')
      const said = alice.peer
        .history(general, 50)
        .find(({ content }) => content?.kind === 'text' && content.text === 'it is today')
      expect(said?.time).toBeLessThan(Date.now() + DAY_MS)
    })

    test('a repeated record is dropped: it is stored once, and told once', async () => {
      await using mallory = await createMallory(world.network)
      const text = `once only, by ${carrier}`
      const line = await mallory.join(alice.peer)
      const { bytes } = await speech(mallory, line, text)
      await send(mallory, line, general, bytes)
      await until(says(text))
      await send(mallory, line, general, bytes)
      // Gossip repeats by its nature; but in a pull Alice has said what she has.
      if (carrier === 'sync') await expectFoul('record-replayed', mallory.name)
      await stillServes()
      expect(stored(mallory)).toEqual([0, 1])
      expect(events.filter(says(text))).toHaveLength(1)
    })

    const lies: Record<string, { code: Code; lie: Lie }> = {
      'a key box that holds another secret than was committed to': {
        code: 'box-wrong',
        lie: { commitment: new Uint8Array(32) },
      },
      'a key box that does not open': { code: 'box-wrong', lie: { box: new Uint8Array(80) } },
      'a message that commits to another key than it was sealed with': {
        code: 'key-wrong',
        lie: { messageCommitment: new Uint8Array(32) },
      },
    }
    test.for(Object.entries(lies))('%s is told, and nothing of it is read', async ([, { code, lie }]) => {
      await using mallory = await createMallory(world.network)
      const line = await mallory.join(alice.peer)
      const { bytes } = await speech(mallory, line, 'a lie', lie)
      await send(mallory, line, general, bytes)
      await expectFoul(code, mallory.name)
      await stillServes()
      expect(query('SELECT sealed_key FROM named_records WHERE device = ?', mallory.node.peerId)).toEqual([
        { sealed_key: null },
        { sealed_key: null },
      ])
      expect(events.some(says('a lie'))).toBe(false)
    })
  })
}

/** Has Alice pull these records of #general. */
const offer = async (mallory: Mallory, line: Admitted, records: readonly Uint8Array[]): Promise<void> => {
  mallory.serve(general, records)
  await line.beckon(general)
}
describe('the key service', () => {
  test('is not believed when it lies: the commitment exposes it, and the right key opens the message later', async () => {
    await using mallory = await createMallory(world.network)
    const line = await mallory.join(alice.peer)
    // The box opens for nobody, so Alice has to ask.
    const { records, bytes, messageKey } = await speech(mallory, line, 'opened in the end', { box: new Uint8Array(80) })
    const record = fromHex(records[1]?.hash ?? '')
    mallory.serveKeys({ kind: 'keys', keys: [{ record, key: systemRandom.bytes(32) }] })
    mallory.serve(general, bytes)
    await line.beckon(general)
    await expectFoul('key-wrong', mallory.name)
    expect(events.some(says('opened in the end'))).toBe(false)
    // Who gave nothing that is of use is asked again after a while, or when there is a new session.
    await line.leave()
    mallory.serveKeys({ kind: 'keys', keys: [{ record, key: messageKey }] })
    await mallory.join(alice.peer)
    await until(says('opened in the end'))
    await stillServes()
  })

  test('that gives keys nobody asked for changes nothing', async () => {
    await using mallory = await createMallory(world.network)
    const line = await mallory.join(alice.peer)
    const { records, bytes } = await speech(mallory, line, 'kept as it was')
    await offer(mallory, line, bytes)
    await until(says('kept as it was'))
    const keyOf = () => query('SELECT sealed_key FROM named_records WHERE hash = ?', records[1]?.hash ?? '')
    const before = keyOf()
    const locked = await mallory.pen.write(sealedNote())
    mallory.serveKeys({
      kind: 'keys',
      keys: [{ record: fromHex(records[1]?.hash ?? ''), key: systemRandom.bytes(32) }],
    })
    await offer(mallory, line, [locked.bytes])
    await expect.poll(() => stored(mallory)).toEqual([0, 1, 2])
    await stillServes()
    expect(keyOf()).toEqual(before)
  })
})
describe('a key that comes with its record', () => {
  test('opens the message when it fits, and not when it lies: whoever sent it is told of', async () => {
    await using mallory = await createMallory(world.network)
    const line = await mallory.join(alice.peer)
    const speak = async (text: string) => {
      const messageKey = systemRandom.bytes(32)
      const sealed = sealMessage(messageKey, messageContentCodec.encode({ kind: 'text', text }), fromHex(general))
      const key = { epoch: 0, index: 0, commitment: messageCommitmentOf(messageKey) }
      const { bytes } = await mallory.pen.write({ room: general, kind: 'message', body: sealed, key })
      return { bytes, messageKey }
    }
    const first = await speak('told with a lie')
    mallory.serve(general, [first.bytes], { keys: [systemRandom.bytes(32)] })
    await line.beckon(general)
    await expectFoul('key-wrong', mallory.name)
    expect(events.some(says('told with a lie'))).toBe(false)
    // Something is closed here now: so the next pull asks for keys too.
    const second = await speak('told in truth')
    mallory.serve(general, [second.bytes], { keys: [second.messageKey] })
    await line.beckon(general)
    await until(says('told in truth'))
    expect(mallory.askedForKeys()).toBe(true)
    await stillServes()
    const keys = query('SELECT sealed_key FROM named_records WHERE device = ? ORDER BY seq', mallory.node.peerId)
    expect(keys.map(({ sealed_key }) => sealed_key !== null)).toEqual([false, true])
  })
})
describe('frames that are not in the protocol', () => {
  const malformed: Record<string, { code: Code; frame: Uint8Array }> = {
    'no CBOR': { code: 'frame-malformed', frame: Uint8Array.of(0xff, 0, 1) },
    'of another shape': { code: 'frame-malformed', frame: Uint8Array.of(0xa0) },
    'over the limit': { code: 'frame-too-large', frame: new Uint8Array(FRAME_MAX_BYTES + 1) },
  }
  const replies = { sync: syncReplyCodec, keys: keysReplyCodec }

  for (const protocol of ['sync', 'keys'] as const) {
    test.for(Object.entries(malformed))(`asked of ${protocol}, and %s, are refused, and told so`, async ([, bad]) => {
      await using mallory = await createMallory(world.network)
      const line = await mallory.join(alice.peer)
      const answer = await line.ask(protocol, bad.frame)
      expect(answer instanceof Uint8Array ? replies[protocol].decode(answer) : answer).toEqual({
        kind: 'refused',
        code: bad.code,
      })
      await expectFoul(bad.code, mallory.name)
      await stillServes()
    })

    test(`about a room that is nobody's, asked of ${protocol}, are refused`, async () => {
      await using mallory = await createMallory(world.network)
      const line = await mallory.join(alice.peer)
      const room = new Uint8Array(32)
      const frame =
        protocol === 'sync'
          ? syncRequestCodec.encode({ kind: 'heads', room, heads: [], left: 0 })
          : keysRequestCodec.encode({ kind: 'want', room, records: [] })
      const answer = await line.ask(protocol, frame)
      expect(answer instanceof Uint8Array ? replies[protocol].decode(answer) : answer).toEqual({
        kind: 'refused',
        code: 'not-a-member',
      })
    })
  }

  test.for(Object.entries(malformed))(
    'answered to a pull, and %s, are told, and the next pull goes well',
    async ([, bad]) => {
      await using mallory = await createMallory(world.network)
      mallory.blurtToPullers(bad.frame)
      const line = await mallory.join(alice.peer)
      await expectFoul(bad.code, mallory.name)
      mallory.blurtToPullers(null)
      await offer(mallory, line, [(await mallory.pen.write(sealedNote())).bytes])
      await expect.poll(() => stored(mallory)).toEqual([0])
      await stillServes()
    },
  )

  test.for(Object.entries(malformed))('answered by a key service, and %s, are told', async ([, bad]) => {
    await using mallory = await createMallory(world.network)
    mallory.serveKeys(bad.frame)
    const line = await mallory.join(alice.peer)
    await offer(mallory, line, [(await mallory.pen.write(sealedNote())).bytes])
    await expectFoul(bad.code, mallory.name)
    await stillServes()
  })

  test('in gossip end nothing', async () => {
    await using mallory = await createMallory(world.network)
    const line = await mallory.join(alice.peer)
    line.gossip(general, new Uint8Array())
    line.gossip(general, new Uint8Array(RECORD_MAX_BYTES + 1))
    await expectFoul('record-malformed', mallory.name)
    line.gossip(general, (await mallory.pen.write(sealedNote())).bytes)
    await expect.poll(() => stored(mallory)).toEqual([0])
    await stillServes()
  })
})
