import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coveredUntil } from '../../peer/rooms/coverage.ts'
import { type Company, receiptDue, tellsReads } from '../../peer/rooms/receipts.ts'
import type { LogMark } from '../../peer/store/receipts.ts'
import { fromHex, type RecordHash, type RoomId, toIncarnation } from '../../shared/ids.ts'
import {
  DAY_MS,
  HOUR_MS,
  RECEIPT_CALM_DEVICES,
  RECEIPT_GRACE_MS,
  RECEIPT_HEADS_AT_ONCE,
  RECEIPT_HELD_MS,
  RECEIPT_READ_MS,
  RECEIPT_READERS_MAX,
  RECEIPT_SOON_MS,
  RECEIPT_WITNESSES,
  RECORD_MAX_BYTES,
} from '../../shared/limits.ts'
import { type ReceiptBody, receiptBodyCodec } from '../../shared/wire/receipt.ts'
import { listener, react, type Said, type Speaker, START, speakers, text } from '../support/talk.ts'

const room = 'aa'.repeat(32) as RoomId
const few: Company = { devices: 4, ours: 1 }

describe('a receipt is due', () => {
  test('soon after something was read, and not so soon after another', () => {
    expect(receiptDue({ readSince: 1_000, heldSince: null }, few, null, 0)).toBe(1_000 + RECEIPT_SOON_MS)
    expect(receiptDue({ readSince: 1_000, heldSince: null }, few, 900, 0)).toBe(900 + RECEIPT_READ_MS)
  })

  test('late for what is merely held, and with what was read if that comes first', () => {
    expect(receiptDue({ readSince: null, heldSince: 1_000 }, few, null, 0)).toBe(1_000 + RECEIPT_HELD_MS)
    expect(receiptDue({ readSince: 2_000, heldSince: 1_000 }, few, null, 0)).toBe(2_000 + RECEIPT_SOON_MS)
  })

  test('never when nothing is new', () => {
    expect(receiptDue({ readSince: null, heldSince: null }, few, 900, 0)).toBe(null)
  })

  test('the more rarely the more devices there are: all of theirs together do not grow', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (devices, chance) => {
        const company = { devices, ours: 1 }
        const gap = (receiptDue({ readSince: 0, heldSince: null }, company, 0, chance) ?? 0) / 1_000
        expect(devices / gap).toBeLessThanOrEqual(RECEIPT_CALM_DEVICES / (RECEIPT_READ_MS / 1_000) + 1e-9)
      }),
    )
  })
})

test('what is read is told to few, and among many to our other devices only', () => {
  expect(tellsReads({ devices: RECEIPT_READERS_MAX, ours: 1 })).toBe(true)
  expect(tellsReads({ devices: RECEIPT_READERS_MAX + 1, ours: 1 })).toBe(false)
  expect(tellsReads({ devices: RECEIPT_READERS_MAX + 1, ours: 2 })).toBe(true)
})

test('the largest receipt that we write fits into a record', () => {
  const device = 'Q'.repeat(52)
  const head = { device, inc: new Uint8Array(8), seq: 2 ** 40 }
  const body: ReceiptBody = {
    held: Array(RECEIPT_HEADS_AT_ONCE).fill({ ...head, hash: new Uint8Array(32) }),
    read: Array(RECEIPT_HEADS_AT_ONCE).fill(head),
  }
  expect(receiptBodyCodec.encode(body).byteLength).toBeLessThan(RECORD_MAX_BYTES - 4_096)
})

const everybody = speakers('alice', 'bob', 'carol', 'carol')
const [alice, bob, carol, carolsPhone] = everybody as [Speaker, Speaker, Speaker, Speaker]
let clock = 0
const now = (): [number, number] => [START + 2 * HOUR_MS + clock++, 0]
const pointOf = ({ record, log }: Said) => ({ device: log.device, inc: record.header.inc, seq: record.header.seq })
const headOf = (said: Said) => ({ ...pointOf(said), hash: fromHex(said.record.hash) })
/** Lets time pass, and whatever is due happen. */
const wait = async (at: ReturnType<typeof listener>, ms: number): Promise<void> => {
  const then = at.clock.now() + ms
  at.clock = { now: () => then }
  await at.conversation.beat()
}

describe('a device', () => {
  test('tells what it holds once, after a while', async () => {
    const carols = listener(carol, everybody)
    const said = [alice.say(room, text('one'), now()), alice.say(room, text('two'), now())] as const
    for (const one of said) carols.hear(one)
    await wait(carols, RECEIPT_HELD_MS - 1)
    expect(carols.written).toEqual([])
    await wait(carols, 1)
    expect(carols.written).toEqual([{ room, body: { held: [headOf(said[1])], read: [] } }])
    await wait(carols, HOUR_MS)
    expect(carols.written).toHaveLength(1)
  })

  test('tells what its user has read soon, up to where, and what it holds with it', async () => {
    const carols = listener(carol, everybody)
    const one = alice.say(room, text('one'), now())
    const two = bob.say(room, text('two'), now())
    const three = alice.say(room, text('three'), now())
    for (const said of [one, two, three]) carols.hear(said)
    const { unread } = carols.conversation
    expect(unread.of(room)).toEqual({ count: 3, mentions: 0, first: one.record.hash })
    await unread.markRead(room, { ...positionOf(two) })
    expect(unread.of(room)).toEqual({ count: 1, mentions: 0, first: three.record.hash })
    await wait(carols, RECEIPT_SOON_MS)
    const [receipt] = carols.written
    expect(receipt?.body.held).toEqual(expect.arrayContaining([headOf(three), headOf(two)]))
    expect(receipt?.body.read).toEqual(expect.arrayContaining([pointOf(one), pointOf(two)]))
    expect(receipt?.body.read).toHaveLength(2)
  })

  test('says nothing for the receipt of another', async () => {
    const carols = listener(carol, everybody)
    const said = carol.say(room, text('hello'), now())
    carols.hear(said)
    carols.hear(bob.receipt(room, { held: [headOf(said)], read: [pointOf(said)] }, now()))
    await wait(carols, HOUR_MS)
    expect(carols.written).toEqual([])
  })

  test('says nothing after a restart for what others told meanwhile', async () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    await wait(carols, RECEIPT_HELD_MS)
    carols.hear(alice.receipt(room, { held: [], read: [] }, now()))
    carols.hear(bob.receipt(room, { held: [headOf(said)], read: [] }, now()))
    carols.conversation.resume()
    await wait(carols, HOUR_MS)
    expect(carols.written).toHaveLength(1)
  })

  test('of a small room tells what it holds, whoever told it before', async () => {
    const crowd = speakers('alice', ...Array.from({ length: RECEIPT_WITNESSES }, (_, at) => `user${at}`), 'zoe')
    const [author, ...others] = crowd as [Speaker, ...Speaker[]]
    const zoes = listener(others.pop() as Speaker, crowd)
    const said = author.say(room, text('hello'), now())
    zoes.hear(said)
    for (const other of others) zoes.hear(other.receipt(room, { held: [headOf(said)], read: [] }, now()))
    await wait(zoes, RECEIPT_HELD_MS)
    expect(zoes.written[0]?.body.held).toEqual([headOf(said)])
  })

  test('tells after a restart what it had not told, and nothing twice', async () => {
    const carols = listener(carol, everybody)
    const one = alice.say(room, text('one'), now())
    carols.hear(one)
    await wait(carols, RECEIPT_HELD_MS)
    carols.conversation.resume()
    await wait(carols, HOUR_MS)
    expect(carols.written).toHaveLength(1)
    const two = alice.say(room, text('two'), now())
    carols.hear(two)
    await carols.conversation.unread.markRead(room, positionOf(two))
    carols.conversation.resume()
    await wait(carols, RECEIPT_READ_MS)
    expect(carols.written[1]?.body).toEqual({ held: [headOf(two)], read: [pointOf(two)] })
    carols.conversation.resume()
    await wait(carols, HOUR_MS)
    expect(carols.written).toHaveLength(2)
  })

  test('of a large room leaves it to the first witnesses to tell what all hold', async () => {
    const crowd = speakers('alice', ...Array.from({ length: RECEIPT_WITNESSES }, (_, at) => `user${at}`), 'zoe')
    const [author, ...others] = crowd as [Speaker, ...Speaker[]]
    const zoe = others.pop() as Speaker
    const zoes = listener(zoe, crowd)
    zoes.company = 100
    const one = author.say(room, text('one'), now())
    zoes.hear(one)
    for (const other of others) zoes.hear(other.receipt(room, { held: [headOf(one)], read: [] }, now()))
    await wait(zoes, 24 * HOUR_MS)
    expect(zoes.written).toEqual([])
    const two = author.say(room, text('two'), now())
    zoes.hear(two)
    zoes.hear((others[0] as Speaker).receipt(room, { held: [headOf(two)], read: [] }, now()))
    await wait(zoes, 24 * HOUR_MS)
    expect(zoes.written[0]?.body.held).toEqual([headOf(two)])
  })

  test('in more receipts than one, when it has much to tell', async () => {
    const carols = listener(carol, everybody)
    const { device } = alice
    // One device with so many lives: its certificate is the same, its logs are not.
    for (let at = 0; at < RECEIPT_HEADS_AT_ONCE + 5; at++) {
      const inc = Buffer.alloc(8)
      inc.writeUInt32BE(at)
      const said = alice.say(room, text(`${at}`), now())
      const log = { room, device: device.peerId, incarnation: toIncarnation(inc) }
      const header = { ...said.record.header, inc, seq: 0 }
      carols.hear({ ...said, log, record: { ...said.record, header, incarnation: log.incarnation } })
    }
    await wait(carols, RECEIPT_HELD_MS)
    expect(carols.written.map(({ body }) => body.held.length)).toEqual([RECEIPT_HEADS_AT_ONCE, 5])
  })
})

describe('the receipts of others', () => {
  test('tell how far a message has come, once for each device and user, and it is still known later', () => {
    const alices = listener(alice, everybody)
    const said = alice.say(room, text('hello'), now())
    const before = alice.say(room, text('later'), now())
    alices.hear(said)
    alices.hear(before)
    alices.hear(bob.receipt(room, { held: [headOf(said)], read: [] }, now()))
    alices.hear(carol.receipt(room, { held: [headOf(said)], read: [pointOf(said)] }, now()))
    alices.hear(carolsPhone.receipt(room, { held: [headOf(before)], read: [pointOf(said)] }, now()))
    const stateOf = ({ record }: Said) => alices.conversation.inbox.get(record.hash)?.state
    expect(stateOf(said)).toEqual({ devices: 3, readBy: ['carol'] })
    expect(stateOf(before)).toEqual({ devices: 1, readBy: [] })
    expect(alices.events.filter(({ kind }) => kind === 'read')).toEqual([{ kind: 'read', room, user: 'carol' }])
    expect(alices.events.filter(({ kind }) => kind === 'delivered')).toHaveLength(3)
  })

  test('by another device of our user move our marks, and are not told again', async () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    carols.hear(carolsPhone.receipt(room, { held: [headOf(said)], read: [pointOf(said)] }, now()))
    expect(carols.conversation.unread.of(room).count).toBe(0)
    carols.conversation.resume()
    await wait(carols, HOUR_MS)
    expect(carols.written.map(({ body }) => body.read)).toEqual([[]])
    // And one that comes only now was read there already.
    const phone = listener(carol, everybody)
    phone.hear(carolsPhone.receipt(room, { held: [], read: [pointOf(said)] }, now()))
    phone.hear(said)
    expect(phone.conversation.unread.of(room).count).toBe(0)
  })
})

test('a mark that comes late moves none back', () => {
  const carols = listener(carol, everybody)
  const [one, two] = [alice.say(room, text('one'), now()), alice.say(room, text('two'), now())] as const
  const [early, late] = [
    carolsPhone.receipt(room, { held: [], read: [pointOf(one)] }, now()),
    carolsPhone.receipt(room, { held: [], read: [pointOf(two)] }, now()),
  ]
  for (const record of [late, early, one, two]) carols.hear(record)
  expect(carols.conversation.unread.of(room).count).toBe(0)
})

test('that a device holds what it wrote itself is no news', () => {
  const carols = listener(carol, everybody)
  const said = carolsPhone.say(room, text('hello'), now())
  carols.hear(said)
  const { delivery, inbox } = carols.conversation
  expect(delivery.heard(carolsPhone.device.peerId, room, [pointOf(said)])).toBe(false)
  expect(inbox.get(said.record.hash)?.state).toEqual({ devices: 0, readBy: [] })
  expect(delivery.heard(bob.device.peerId, room, [pointOf(said)])).toBe(true)
  expect(inbox.get(said.record.hash)?.state).toEqual({ devices: 1, readBy: [] })
})

describe('what receipts cover', () => {
  test('is what another device held by then, that is not revoked, of this very chain', () => {
    const carols = listener(carol, everybody)
    const [one, two, three] = ['one', 'two', 'three'].map((words) => alice.say(room, text(words), now())) as [
      Said,
      Said,
      Said,
    ]
    for (const said of [one, two, three]) carols.hear(said)
    // A day later, so that what was said lies well before a revocation at that time.
    const tomorrow = (): ReturnType<typeof now> => {
      const [ms, count] = now()
      return [ms + DAY_MS, count]
    }
    const first = tomorrow()
    carols.hear(bob.receipt(room, { held: [headOf(one)], read: [] }, first))
    const second = tomorrow()
    carols.hear(carolsPhone.receipt(room, { held: [headOf(two)], read: [] }, second))
    carols.hear(alice.receipt(room, { held: [headOf(three)], read: [] }, tomorrow())) // nobody is a witness for itself
    const forged = { ...headOf(three), hash: new Uint8Array(32) }
    carols.hear(bob.receipt(room, { held: [forged], read: [] }, tomorrow()))
    const until = (ms: number): number =>
      carols.conversation.coveredUntil(alice.logIn(room), ms - RECEIPT_GRACE_MS, () => true)
    const base = one.record.header.seq
    expect(until(first[0] - 1)).toBe(-1)
    expect(until(first[0])).toBe(base)
    expect(until(second[0])).toBe(base + 1)
    expect(until(second[0] + HOUR_MS)).toBe(base + 1)
    // What is later than the revocation itself is covered by nobody.
    expect(carols.conversation.coveredUntil(alice.logIn(room), one.record.header.time[0] - HOUR_MS, () => true)).toBe(
      -1,
    )
  })

  test('counts our own receipts as those of others', async () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    await wait(carols, RECEIPT_HELD_MS)
    expect(carols.conversation.coveredUntil(alice.logIn(room), said.record.header.time[0], () => true)).toBe(
      said.record.header.seq,
    )
  })

  test('is the highest fit one, whatever the others are', () => {
    const log = alice.logIn(room)
    const device = fc.constantFrom(alice, bob, carol).map((one) => one.device.peerId)
    const cover = fc.record({ seq: fc.nat(9), device, right: fc.boolean() })
    fc.assert(
      fc.property(fc.array(cover), fc.option(fc.nat(9)), (covers, fork) => {
        const hash = (seq: number) => `${seq}`.padStart(64, '0') as RecordHash
        const highestFirst = covers
          .sort((a, b) => b.seq - a.seq)
          .map(({ seq, device, right }) => ({
            seq,
            by: { log: { ...log, device }, seq: 0 },
            hash: fromHex(hash(right ? seq : 99)),
          }))
        const fit = covers
          .filter(({ seq, device, right }) => (right || seq >= (fork ?? 10)) && device === bob.device.peerId)
          .map(({ seq }) => Math.min(seq, (fork ?? 10) - 1))
        const isWitness = ({ log }: LogMark): boolean => log.device !== carol.device.peerId
        expect(coveredUntil(log, fork, highestFirst, hash, isWitness)).toBe(Math.max(-1, ...fit))
      }),
    )
  })
})

describe('unread', () => {
  test('are entries of others that are shown, with those that call us', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    const called = alice.say(room, text('lunch, @carol?'), now())
    for (const one of [said, called, alice.say(room, text('@all now'), now())]) carols.hear(one)
    carols.hear(carolsPhone.say(room, text('@carol to myself'), now()))
    carols.hear(bob.say(room, react(said, '👍'), now()))
    carols.hear(bob.say(room, text('hidden'), now()), { hidden: true })
    carols.hear(bob.say(room, text('closed'), now()), { closed: true })
    expect(carols.conversation.unread.of(room)).toEqual({ count: 3, mentions: 2, first: said.record.hash })
    carols.hide(alice.logIn(room), 0, said.record.header.seq, true)
    expect(carols.conversation.unread.of(room)).toEqual({ count: 2, mentions: 2, first: called.record.hash })
    carols.conversation.setBlocked(alice.device.user, true)
    expect(carols.conversation.unread.of(room)).toEqual({ count: 0, mentions: 0, first: null })
  })

  test('is not what was said before there was our user', () => {
    const carols = listener(carol, everybody)
    carols.hear(alice.say(room, text('long ago'), [START - HOUR_MS, 0]))
    expect(carols.conversation.unread.of(room).count).toBe(0)
  })

  test('are told soon, once for many', async () => {
    const carols = listener(carol, everybody)
    const due = (): number => carols.conversation.due() ?? Number.POSITIVE_INFINITY
    for (let at = 0; at < 5; at++) carols.hear(alice.say(room, text(`${at}`), now()))
    expect(due()).toBeLessThan(carols.clock.now() + 1_000)
    await wait(carols, 1_000)
    expect(carols.events.filter(({ kind }) => kind === 'unread')).toEqual([
      { kind: 'unread', room, unread: expect.objectContaining({ count: 5 }) },
    ])
  })

  test('a message that comes late lies behind what was read, and is unread all the same', async () => {
    const carols = listener(carol, everybody)
    const late = bob.say(room, text('sent first, came last'), now())
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    await carols.conversation.unread.markRead(room, positionOf(said))
    carols.hear(late)
    expect(carols.conversation.unread.of(room)).toEqual({ count: 1, mentions: 0, first: late.record.hash })
  })

  test('thousands are read in turns', async () => {
    const carols = listener(carol, everybody)
    let last = alice.say(room, text('first'), now())
    for (let at = 0; at < 1_200; at++) {
      carols.hear(last)
      last = (at % 2 === 0 ? alice : bob).say(room, text(`${at}`), now())
    }
    await carols.conversation.unread.markRead(room, positionOf(last))
    expect(carols.conversation.unread.of(room).count).toBe(0)
  })
})

const positionOf = ({ record }: Said) => ({
  ms: record.header.time[0],
  count: record.header.time[1],
  hash: record.hash,
})
