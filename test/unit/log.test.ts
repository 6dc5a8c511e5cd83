import { describe, expect, test } from 'vitest'
import { createLog, place, previousOf } from '../../peer/log/log.ts'
import { parseWire } from '../../peer/log/record.ts'
import { orThrow } from '../../shared/errors.ts'
import {
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  type RoomId,
  sha256,
  toHex,
} from '../../shared/ids.ts'
import { LOGS_PER_DEVICE } from '../../shared/limits.ts'
import { headerCodec } from '../../shared/wire/record.ts'

const hash = (name: string) => toHex(sha256(new TextEncoder().encode(name))) as RecordHash
const room = hash('room') as string as RoomId
const NOTHING = new Uint8Array(32)

const record = (seq: number, prev: Uint8Array, text = '') => {
  const body = new TextEncoder().encode(text)
  const fields = { room: fromHex(room), author: NOTHING, inc: new Uint8Array(8), after: [], body: sha256(body) }
  const header = headerCodec.encode({ v: 1, seq, prev, time: [1, 0], kind: 'sender-key', ...fields })
  return orThrow(parseWire({ header, body, signature: NOTHING, proof: { index: 0, size: 1, path: [] } }))
}
const head = { seq: 4, hash: hash('four') }
const after = fromHex(head.hash)
const known = record(2, NOTHING, 'known')
const hashAt = (seq: number): RecordHash | null => (seq === 2 ? known.hash : hash(`stored ${seq}`))

describe('a record is placed', () => {
  const TABLE = [
    ['first in an empty log', record(0, NOTHING), null, 'next'],
    ['first, with one before it that is not here', record(0, after), null, 'record-broken-chain'],
    ['second in an empty log', record(1, after), null, 'record-gap'],
    ['after the head', record(5, after), head, 'next'],
    ['after the head, on another one', record(5, NOTHING), head, 'record-broken-chain'],
    ['one too far', record(6, after), head, 'record-gap'],
    ['as far as a number goes', record(Number.MAX_SAFE_INTEGER, after), head, 'record-gap'],
    ['where the same one is', known, head, 'record-replayed'],
    ['where another one is', record(2, NOTHING, 'other'), head, 'record-equivocation'],
    ['at the head, as another one', record(4, NOTHING), head, 'record-equivocation'],
    ['at the beginning, as another one', record(0, NOTHING, 'other'), head, 'record-equivocation'],
  ] as const
  test.for(TABLE)('%s', ([, one, at, verdict]) => {
    const placed = place(one, at, hashAt)
    expect(placed === 'next' ? placed : placed.code).toBe(verdict)
  })
})

test('a log begins with 32 zero bytes, and goes on with the hash of its head', () => {
  expect(previousOf(null)).toEqual(NOTHING)
  expect(previousOf(head)).toEqual(after)
})

test('heads are kept a device, an incarnation and a room, and read from the store when a transaction has failed', () => {
  let reads = 0
  const device = 'device' as PeerId
  const incarnation = '00'.repeat(8) as Incarnation
  const stored = [{ device, inc: fromHex(incarnation), seq: 3, hash: hash('three') }]
  const heads = () => {
    reads++
    return stored
  }
  const log = createLog({ heads, hashAt: () => null }, () => [])
  const id = { room, device, incarnation }
  expect(log.head(id)).toMatchObject({ seq: 3, hash: hash('three') })
  expect(log.head({ ...id, incarnation: '01'.repeat(8) as Incarnation })).toBeNull()
  log.advance(id, head)
  expect(log.head(id)).toMatchObject(head)
  expect(log.heads(room)).toEqual([{ device, inc: fromHex(incarnation), seq: 4, hash: fromHex(hash('four')) }])
  log.reload(room)
  expect(log.head(id)).toMatchObject({ seq: 3 })
  expect(reads).toBe(2)
})

test('a device has only so many logs in a room, and the digest leaves out whose are as many', () => {
  const [one, other] = ['one', 'other'] as [PeerId, PeerId]
  const outcomes = [room, hash('unbounded') as string as RoomId].map((where) => {
    const log = createLog(
      { heads: () => [], hashAt: () => null },
      () => [],
      (asked) => asked === room,
    )
    const begin = (device: PeerId, life: number): void =>
      log.advance(
        { room: where, device, incarnation: life.toString(16).padStart(16, '0') as Incarnation },
        { seq: 0, hash: hash(`${life}`) },
      )
    const digest = (): string => toHex(log.digest(where))
    begin(other, 0)
    const alone = digest()
    for (let life = 0; life < LOGS_PER_DEVICE - 1; life++) begin(one, life)
    expect([log.isFull(where, one), digest() === alone]).toEqual([false, false])
    begin(one, LOGS_PER_DEVICE)
    expect(log.isFull(where, other)).toBe(false)
    expect(log.heads(where)).toHaveLength(1 + LOGS_PER_DEVICE)
    return { isFull: log.isFull(where, one), isLeftOut: digest() === alone }
  })
  expect(outcomes).toEqual([
    { isFull: true, isLeftOut: true },
    { isFull: false, isLeftOut: false },
  ])
})
