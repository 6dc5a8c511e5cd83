import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { RoomId } from '../../shared/ids.ts'
import { user } from '../support/certificates.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const WAIT = { timeout: 40_000, interval: 20 }
const texts = ({ peer }: Resident, room: RoomId): (string | null)[] =>
  peer.history(room, 100).map(({ content }) => (content?.kind === 'text' ? content.text : null))
const reads = (one: Resident, room: RoomId, ...expected: string[]): Promise<void> =>
  vi.waitFor(() => expect(texts(one, room)).toEqual(expected), WAIT)

/** Each is connected with the one before and the one after only. */
const chain = async <const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Key in keyof Names]: Resident }> => {
  const found: Resident[] = []
  for (const name of names) found.push(await world.settle(name, found.slice(-1)))
  await vi.waitFor(() => {
    for (const { peer } of found) expect(peer.users().length).toBe(names.length)
  }, WAIT)
  return found as { [Key in keyof Names]: Resident }
}
/** A room for invited people, founded by the first, with all of them in it. */
const roomOf = async (founder: Resident, ...others: readonly Resident[]): Promise<RoomId> => {
  const room = await founder.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  for (const { name } of others) await founder.peer.politics.invite(room, user(name))
  for (const { peer } of others) {
    await vi.waitFor(() => expect(peer.rooms().find(({ id }) => id === room)).toMatchObject({ member: true }), WAIT)
  }
  return room
}

test('an invited room works along a chain of members, in both directions', async () => {
  const [alice, bob, carol, dave] = await chain('alice', 'bob', 'carol', 'dave')
  const room = await roomOf(alice, bob, carol, dave)
  await alice.peer.say(room, 'from one end')
  await reads(dave, room, 'from one end')
  await dave.peer.say(room, 'from the other')
  for (const one of [alice, bob, carol, dave]) await reads(one, room, 'from one end', 'from the other')
})

test('who stands between two members and is none passes nothing on, and learns nothing of the room', async () => {
  const [alice, bob, carol] = await chain('alice', 'bob', 'carol')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('carol'))
  await alice.peer.say(room, 'not for bob')
  await alice.peer.say(alice.peer.general, 'for all')
  await carol.until(says('for all'))
  for (const { peer } of [bob, carol]) expect(peer.rooms().map(({ id }) => id)).not.toContain(room)
  carol.peer.meet(alice.peer.self.peerId, alice.peer.addresses())
  await reads(carol, room, 'not for bob')
  expect(bob.peer.rooms().map(({ id }) => id)).not.toContain(room)
})

test('an open room is known to all along a chain, and works from end to end for who joins it', async () => {
  const [alice, bob, carol] = await chain('alice', 'bob', 'carol')
  const room = await alice.peer.politics.found({ name: 'market', access: 'open', history: 'all' })
  for (const { peer } of [bob, carol]) {
    await vi.waitFor(() => expect(peer.rooms().find(({ id }) => id === room)).toMatchObject({ member: false }), WAIT)
    await peer.politics.join(room)
  }
  await alice.peer.say(room, 'from one end')
  await reads(carol, room, 'from one end')
  await carol.peer.say(room, 'from the other')
  await reads(alice, room, 'from one end', 'from the other')
})

test('who leaves a room is known to have left it, also to those who were away', async () => {
  const [alice, bob, carol] = [await world.settle('alice'), await world.settle('bob'), await world.settle('carol')]
  await vi.waitFor(() => expect(alice.peer.users()).toHaveLength(3), WAIT)
  const room = await roomOf(alice, bob, carol)
  const membersOf = ({ peer }: Resident): readonly string[] => [
    ...(peer
      .rooms()
      .find(({ id }) => id === room)
      ?.members?.keys() ?? []),
  ]
  await vi.waitFor(() => expect(membersOf(carol)).toContain('bob'), WAIT)
  await carol.leave()
  await bob.peer.politics.leave(room)
  await vi.waitFor(() => expect(membersOf(alice)).toEqual(['alice', 'carol']), WAIT)
  await alice.leave()
  await carol.comeBack()
  carol.peer.meet(bob.peer.self.peerId, bob.peer.addresses())
  await vi.waitFor(() => expect(membersOf(carol)).toEqual(['alice', 'carol']), WAIT)
})

test('an author learns who holds what it said, in a room of either kind', async () => {
  const [alice, bob, carol] = [await world.settle('alice'), await world.settle('bob'), await world.settle('carol')]
  await vi.waitFor(() => expect(alice.peer.users()).toHaveLength(3), WAIT)
  for (const room of [alice.peer.general, await roomOf(alice, bob, carol)]) {
    const id = await alice.peer.say(room, 'is it there?')
    await vi.waitFor(() => expect(alice.peer.deliveredTo(id)).toBe(2), WAIT)
  }
})

test('who is here, and who writes, is told to those who are in the room', async () => {
  const [alice, bob, carol] = [await world.settle('alice'), await world.settle('bob'), await world.settle('carol')]
  await vi.waitFor(() => expect(alice.peer.users()).toHaveLength(3), WAIT)
  const room = await roomOf(alice, bob)
  alice.peer.live.setPresence('away')
  for (const other of [bob, carol]) {
    await other.until((event) => event.kind === 'presence' && event.user === 'alice' && event.state === 'away')
  }
  expect(bob.peer.live.presenceOf(alice.peer.self.peerId)).toBe('away')
  alice.peer.live.typing(room)
  await bob.until((event) => event.kind === 'typing' && event.room === room && event.user === 'alice')
  alice.peer.live.typing(alice.peer.general)
  await carol.until((event) => event.kind === 'typing' && event.room === alice.peer.general)
  expect(carol.seen((event) => event.kind === 'typing' && event.room === room)).toBe(false)
})
