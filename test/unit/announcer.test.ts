import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createAnnouncer } from '../../peer/log/announcer.ts'
import type { Session } from '../../peer/network/sessions.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import type { LogHead } from '../../peer/store/records.ts'
import { fromHex, type Incarnation, type PeerId, type RecordHash, type RoomId } from '../../shared/ids.ts'
import { ACK_AFTER_MS, ACK_EVERY_MS, HINT_FANOUT, TELL_EVERY_MS, TELL_FANOUT } from '../../shared/limits.ts'

const [self, alice, carol] = ['self', 'alice', 'carol'] as PeerId[] as [PeerId, PeerId, PeerId]
const [secret, open] = ['secret', 'open'] as RoomId[] as [RoomId, RoomId]
const incarnation = '0000000000000001' as Incarnation
const MINUTE_MS = 60_000
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const start = (here: readonly PeerId[] = [alice, carol]) => {
  const heads = new Map<string, LogHead>()
  let listener: (log: LogId) => void = () => undefined
  const told: string[] = []
  let behind = false
  const sessionOf = (peerId: PeerId): Session => ({ device: { peerId } }) as unknown as Session
  const present = new Set(here)
  const announcer = createAnnouncer({
    self,
    log: {
      head: ({ room, device }) => heads.get(`${room}/${device}`) ?? null,
      onAdvance: (given) => {
        listener = given
        return () => undefined
      },
    },
    sessions: {
      list: () => [...present].map(sessionOf),
      of: (peer) => (present.has(peer) ? sessionOf(peer) : undefined),
    },
    reaches: () => true,
    carrier: (room) => (room === secret ? 'push' : 'gossip'),
    isBehind: () => behind,
    tell: (peer, room, points) =>
      told.push(`${peer}: ${room} ${points.map(({ device, seq }) => `${device} ${seq}`).join(', ')}`),
    clock: { now: () => Date.now() },
    random: { bytes: () => Uint8Array.of(0) },
  })
  return {
    ...announcer,
    told,
    present,
    heard: (peer: PeerId, room: RoomId, device: PeerId, seq: number) =>
      announcer.heard(peer, room, [{ device, inc: fromHex(incarnation), seq }]),
    advance: (room: RoomId, device: PeerId, seq: number) => {
      heads.set(`${room}/${device}`, { seq, hash: String(seq) as RecordHash })
      listener({ room, device, incarnation })
    },
    isBehind: (is: boolean) => {
      behind = is
    },
    /** What has been told by then, in the order of peers. */
    tellingIn: async (ms: number): Promise<string[]> => {
      await vi.advanceTimersByTimeAsync(ms)
      return told.splice(0).sort()
    },
  }
}

describe('the author', () => {
  test.for([secret, open])('is told at once, once for a burst (%s)', async (room) => {
    const { advance, tellingIn } = start([alice])
    for (let seq = 0; seq < 100; seq++) advance(room, alice, seq)
    expect(await tellingIn(ACK_AFTER_MS)).toEqual([`alice: ${room} alice 99`])
    expect(await tellingIn(MINUTE_MS)).toEqual([])
  })

  test('is told of a lasting stream now and then', async () => {
    const { advance, tellingIn } = start([alice])
    for (let seq = 0; seq < 1_000; seq++) {
      advance(secret, alice, seq)
      await vi.advanceTimersByTimeAsync(1)
    }
    const told = await tellingIn(ACK_EVERY_MS)
    expect(told.at(-1)).toBe('alice: secret alice 999')
    expect(told.length).toBeLessThan(1_000 / ACK_EVERY_MS + 3)
  })

  test('who is not here is told nothing', async () => {
    const { advance, tellingIn } = start([])
    advance(secret, alice, 1)
    expect(await tellingIn(MINUTE_MS)).toEqual([])
  })
})

describe('of what we have written ourselves', () => {
  test.for([secret, open])('those are told who do not say that they hold it (%s)', async (room) => {
    const { advance, heard, tellingIn } = start()
    advance(room, self, 7)
    heard(alice, room, self, 7)
    expect(await tellingIn(MINUTE_MS)).toEqual([`carol: ${room} self 7`])
  })

  test('nobody is told when all say so in time', async () => {
    const { advance, heard, tellingIn } = start()
    for (let seq = 0; seq < 10; seq++) {
      advance(secret, self, seq)
      for (const peer of [alice, carol]) heard(peer, secret, self, seq)
    }
    expect(await tellingIn(MINUTE_MS)).toEqual([])
  })

  test('in a lasting stream, who keeps up is told nothing', async () => {
    const { advance, heard, tellingIn } = start()
    for (let seq = 0; seq < 200; seq++) {
      advance(secret, self, seq)
      await vi.advanceTimersByTimeAsync(20)
      for (const peer of [alice, carol]) heard(peer, secret, self, seq - 5)
    }
    for (const peer of [alice, carol]) heard(peer, secret, self, 199)
    expect(await tellingIn(MINUTE_MS)).toEqual([])
  })

  test('who says that it holds less is told', async () => {
    const { advance, heard, tellingIn } = start([carol])
    advance(secret, self, 7)
    heard(carol, secret, self, 6)
    expect(await tellingIn(MINUTE_MS)).toEqual(['carol: secret self 7'])
  })
})

describe("of others' records", () => {
  test('that are pushed, those are told who may have no connection with their author', async () => {
    const { advance, tellingIn } = start()
    advance(secret, alice, 3)
    expect(await tellingIn(MINUTE_MS)).toEqual(['alice: secret alice 3', 'carol: secret alice 3'])
  })

  test('that gossip carries, a few: it passes them on by itself', async () => {
    const crowd = Array.from({ length: 30 }, (_, at) => `peer ${at}` as PeerId)
    const { advance, tellingIn } = start(crowd)
    advance(open, alice, 3)
    expect(await tellingIn(MINUTE_MS)).toHaveLength(HINT_FANOUT)
  })

  test('who has told us of them is told nothing', async () => {
    const { advance, heard, tellingIn } = start([carol])
    advance(secret, alice, 3)
    heard(carol, secret, alice, 3)
    expect(await tellingIn(MINUTE_MS)).toEqual([])
  })

  test('nothing is told while we are catching up; then how far we have got', async () => {
    const { advance, isBehind, tellingIn } = start([carol])
    isBehind(true)
    for (let seq = 0; seq < 50; seq++) {
      advance(secret, alice, seq)
      expect(await tellingIn(TELL_EVERY_MS)).toEqual([])
    }
    isBehind(false)
    expect(await tellingIn(TELL_EVERY_MS)).toEqual(['carol: secret alice 49'])
  })
})

test('a crowd is told a few at a time, until all know', async () => {
  const crowd = Array.from({ length: 3 * TELL_FANOUT }, (_, at) => `peer ${at}` as PeerId)
  const { advance, tellingIn } = start(crowd)
  advance(secret, self, 0)
  expect(await tellingIn(TELL_EVERY_MS / 2)).toHaveLength(TELL_FANOUT)
  expect(await tellingIn(MINUTE_MS)).toHaveLength(2 * TELL_FANOUT)
  expect(await tellingIn(MINUTE_MS)).toEqual([])
})

test('what was rolled back is not told for ever', async () => {
  const { advance, tellingIn } = start([carol])
  advance(secret, self, 5)
  advance(secret, self, 3)
  expect(await tellingIn(MINUTE_MS)).toEqual(['carol: secret self 3'])
  expect(await tellingIn(MINUTE_MS)).toEqual([])
})

test('after its stop no timer is left', async () => {
  const { advance, stop } = start()
  advance(secret, alice, 1)
  stop()
  expect(vi.getTimerCount()).toBe(0)
})
