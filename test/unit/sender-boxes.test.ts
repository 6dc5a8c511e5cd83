import { afterEach, beforeEach, expect, test } from 'vitest'
import { generatePrekeyPair, SUITE } from '../../peer/group/boxes.ts'
import { createGroup, type Group, type Opened } from '../../peer/group/group.ts'
import { prekeyIdOf } from '../../peer/group/prekeys.ts'
import { parseRecord } from '../../peer/log/record.ts'
import { createSenderBoxes } from '../../peer/log/sender-boxes.ts'
import { type Database, openDatabase } from '../../peer/store/database.ts'
import { openStores, type Stores } from '../../peer/store/stores.ts'
import { type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { fromHex, type PeerId, roomIdOf, toEpoch, toIncarnation } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { type SenderKeyBody, senderKeyBodyCodec } from '../../shared/wire/bodies.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { createPen } from '../support/records.ts'

const network = testNetwork()
const room = roomIdOf(network.network, 'general')
const bob = 'bob' as PeerId
const key = newKey()
const certificate = network.issue({ user: 'alice', key })
const alice: VerifiedDevice = orThrow(verifyDevice(certificate, { anchor: network.anchor, now: systemClock.now() }))

let databases: Database[]
beforeEach(() => {
  databases = []
})
afterEach(() => {
  for (const database of databases) database.close()
})

const open = (device: PeerId): Stores => {
  const database = openDatabase(':memory:')
  databases.push(database)
  return openStores(database, { storeKey: new Uint8Array(32), device }, systemRandom)
}
const groupOf = (self: PeerId, { keys, incarnation }: Stores): Group =>
  createGroup({ network: network.network, self, incarnation, keys, clock: systemClock, random: systemRandom })

/** Alice writes to bob, and bob has taken her records in, but has not opened his boxes yet. */
const story = async () => {
  const [hers, his] = [open(alice.peerId), open(bob)]
  const writer = groupOf(alice.peerId, hers)
  const reader = groupOf(bob, his)
  const pair = await generatePrekeyPair(systemRandom)
  const id = prekeyIdOf(pair.publicKey)
  his.keys.rotatePrekey({ id, publicKey: pair.publicKey, secret: pair.secretKey, created: systemClock.now() }, 0)
  const pen = createPen({ key, certificate })
  const log = { room, device: alice.peerId, incarnation: hers.incarnation }
  const changes = { inc: fromHex(hers.incarnation) }
  const prekey = { peer: bob, id, suite: SUITE, publicKey: pair.publicKey, published: { ms: 0, count: 0 } }
  const audience = { list: [{ peer: bob, user: alice.user, prekey }], pastIsOpen: true }
  const announce = async (rekey: boolean) => {
    const prepared = await writer.prepare(room, audience, { rekey })
    const body: SenderKeyBody | undefined = prepared?.bodies[0]
    if (prepared === null || body === undefined) throw new Error('no boxes')
    writer.use(prepared)
    const sealed = senderKeyBodyCodec.encode(body)
    const { bytes } = await pen.write({ room, kind: 'sender-key', body: sealed }, changes)
    const record = orThrow(parseRecord(bytes))
    his.records.append(log, record, null)
    return { hash: record.hash, sealed, author: alice, log }
  }
  /** A message; its key came along, or not. */
  const say = async (keyCame: boolean) => {
    const { header, body, messageKey, next } = writer.seal(room, new Uint8Array([1, 2, 3]))
    writer.used({ header, body, messageKey, next })
    const { bytes } = await pen.write({ room, kind: 'message', body, key: header }, changes)
    his.records.append(log, orThrow(parseRecord(bytes)), keyCame ? messageKey : null)
    return { header, body }
  }
  const opened: number[] = []
  const boxes = createSenderBoxes({
    database: his.database,
    records: his.records,
    directory: { resolve: () => alice } as never,
    group: reader,
    self: bob,
    note: () => undefined,
    onOpened: ({ seq }) => void opened.push(seq),
    onFoul: (refusal) => expect.fail(refusal.code),
  })
  /** What a thief of the store could open by the ratchet. */
  const byRatchet = ({ header, body }: Awaited<ReturnType<typeof say>>): Opened | 'nothing' => {
    const message = groupOf(bob, his).open(log, header, body)
    return isRefusal(message) ? 'nothing' : message
  }
  const indexOf = (epoch: number) =>
    his.keys.chain(room, alice.peerId, toIncarnation(fromHex(hers.incarnation)), toEpoch(epoch))?.nextIndex
  return { announce, say, boxes, opened, byRatchet, indexOf }
}

test('what was read by a key that came along is not opened again by the sender key whose box is opened after it', async () => {
  const { announce, say, boxes, opened, byRatchet, indexOf } = await story()
  const sealed = await announce(false)
  const first = await say(true)
  const second = await say(true)
  await boxes.accept(sealed)
  expect([first, second].map(byRatchet)).toEqual(['nothing', 'nothing'])
  expect(indexOf(0)).toBe(2)
  expect(byRatchet(await say(false))).toMatchObject({ plaintext: new Uint8Array([1, 2, 3]) })
  expect(opened).toEqual([])
})

test('… and what came without one is, first', async () => {
  const { announce, say, boxes, opened, byRatchet } = await story()
  const sealed = await announce(false)
  const said = [await say(true), await say(false), await say(true)]
  await boxes.accept(sealed)
  expect(opened).toEqual([2])
  expect(said.map(byRatchet)).toEqual(['nothing', 'nothing', 'nothing'])
})

test('a sender key after which its author has used another is spent at once', async () => {
  const { announce, say, boxes, opened, byRatchet } = await story()
  const [before, old] = [await announce(false), await say(true)]
  const [after, present] = [await announce(true), await say(false)]
  await boxes.accept(before)
  await boxes.accept(after)
  expect([old, present].map(byRatchet)).toEqual(['nothing', 'nothing'])
  expect(opened).toEqual([3])
  expect(byRatchet(await say(false))).not.toBe('nothing')
})
