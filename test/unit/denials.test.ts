import { expect, test } from 'vitest'
import { createDenials } from '../../peer/group/denials.ts'
import type { Session } from '../../peer/network/sessions.ts'
import type { PeerId, RoomId } from '../../shared/ids.ts'
import { KEYS_AGAIN_MAX_MS, KEYS_AGAIN_MS } from '../../shared/limits.ts'

const [alice, bob] = ['alice', 'bob'] as PeerId[] as [PeerId, PeerId]
const [room, other] = ['room', 'other'] as RoomId[] as [RoomId, RoomId]

const start = () => {
  let now = 0
  const sessions = new Map<PeerId, Session>([alice, bob].map((peer) => [peer, {} as Session]))
  const denials = createDenials(
    { of: (peer) => sessions.get(peer), list: () => [...sessions.values()] },
    { now: () => now },
  )
  return {
    denials,
    pass: (ms: number) => {
      now += ms
    },
    reconnect: (peer: PeerId) => void sessions.set(peer, {} as Session),
  }
}

test('who had no key for a message is not asked for it at once again, and is for what came since', () => {
  const { denials } = start()
  expect(denials.since(alice, room)).toBe(-1)
  denials.note(alice, room, 10, 0)
  expect(denials.since(alice, room)).toBe(10)
  denials.note(alice, room, 12, 0)
  expect(denials.since(alice, room)).toBe(12)
  expect(denials.since(bob, room)).toBe(-1)
  expect(denials.since(alice, other)).toBe(-1)
})

test('it is asked again after a while, and each time that it gives nothing after twice as long', () => {
  const { denials, pass } = start()
  denials.note(alice, room, 10, 0)
  pass(KEYS_AGAIN_MS - 1)
  denials.note(alice, room, 11, 0) // what is new puts off nothing
  pass(1)
  expect(denials.since(alice, room)).toBe(-1)
  denials.note(alice, room, 11, 0)
  pass(KEYS_AGAIN_MS)
  expect(denials.since(alice, room)).toBe(11)
  pass(KEYS_AGAIN_MS)
  expect(denials.since(alice, room)).toBe(-1)
  for (let time = 0; time < 20; time++) {
    denials.note(alice, room, 11, 0)
    pass(KEYS_AGAIN_MAX_MS)
    expect(denials.since(alice, room)).toBe(-1)
  }
})

test('a change of the room, and a new session, begin anew', () => {
  const { denials, reconnect } = start()
  denials.note(alice, room, 10, 0)
  denials.note(alice, other, 10, 0)
  denials.forget(room)
  expect(denials.since(alice, room)).toBe(-1)
  expect(denials.since(alice, other)).toBe(10)
  reconnect(alice)
  expect(denials.since(alice, other)).toBe(-1)
})
