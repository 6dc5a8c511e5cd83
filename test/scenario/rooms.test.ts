import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { orThrow } from '../../shared/errors.ts'
import { fromHex, type RecordHash, type RoomId } from '../../shared/ids.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import { type FileReply, fileProtocol, fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import { user } from '../support/certificates.ts'
import { createMallory } from '../support/mallory.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const people = async <const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Key in keyof Names]: Resident }> => {
  const found: Resident[] = []
  for (const name of names) found.push(await world.settle(name))
  await vi.waitFor(() => {
    for (const { peer } of found)
      expect(
        peer
          .users()
          .map(({ user }) => user)
          .sort(),
      ).toEqual([...new Set(names)].sort())
  }, WAIT)
  return found as { [Key in keyof Names]: Resident }
}
const WAIT = { timeout: 20_000, interval: 20 }

const texts = ({ peer }: Resident, room: RoomId): (string | null)[] =>
  peer.history(room, 100).map(({ content }) => (content?.kind === 'text' ? content.text : null))
const reads = (one: Resident, room: RoomId, ...expected: string[]): Promise<void> =>
  vi.waitFor(() => expect(texts(one, room)).toEqual(expected), WAIT)
const membersOf = ({ peer }: Resident, room: RoomId): readonly string[] => [
  ...(peer
    .rooms()
    .find(({ id }) => id === room)
    ?.members?.keys() ?? []),
]
const isIn = (one: Resident, room: RoomId): Promise<void> =>
  vi.waitFor(() => expect(one.peer.rooms().find(({ id }) => id === room)).toMatchObject({ member: true }), WAIT)

test('who is invited finds the room, and reads all that was said in it', async () => {
  const [alice, bob, carol] = await people('alice', 'bob', 'carol')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.say(room, 'before bob')
  await alice.peer.politics.invite(room, user('bob'))
  await isIn(bob, room)
  expect(bob.peer.rooms().find(({ id }) => id === room)).toMatchObject({ name: 'plans', access: 'invite' })
  await reads(bob, room, 'before bob')
  await bob.peer.say(room, 'hello from bob')
  await reads(alice, room, 'before bob', 'hello from bob')
  expect(carol.peer.rooms().map(({ id }) => id)).not.toContain(room)
  expect(carol.peer.history(room, 10)).toEqual([])
})

test('a room that keeps its past to itself opens to a newcomer from then on', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'since-join' })
  await alice.peer.say(room, 'before bob')
  await alice.peer.politics.invite(room, user('bob'))
  await alice.peer.say(room, 'after bob')
  await vi.waitFor(() => expect(texts(bob, room).at(-1)).toBe('after bob'), WAIT)
  expect(texts(bob, room).filter((text) => text !== null)).toEqual(['after bob'])
  await bob.comeBack() // which asks for keys again
  await bob.peer.say(room, 'still here')
  await reads(alice, room, 'before bob', 'after bob', 'still here')
  expect(texts(bob, room).filter((text) => text !== null)).toEqual(['after bob', 'still here'])
})

test('a removed member reads nothing that is said afterwards, and nobody serves it', async () => {
  const [alice, bob, carol] = await people('alice', 'bob', 'carol')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('bob'))
  await alice.peer.politics.invite(room, user('carol'))
  await alice.peer.say(room, 'to all')
  await Promise.all([reads(bob, room, 'to all'), reads(carol, room, 'to all')])
  await alice.peer.politics.remove(room, user('bob'))
  await alice.peer.say(room, 'without bob')
  await reads(carol, room, 'to all', 'without bob')
  await carol.peer.say(room, 'indeed')
  await reads(alice, room, 'to all', 'without bob', 'indeed')
  await bob.comeBack()
  await alice.peer.say(alice.peer.general, 'all of you')
  await bob.until(says('all of you'))
  expect(texts(bob, room).filter((text) => text !== null)).toEqual(['to all'])
  await expect(
    bob.peer.say(room, 'and me?').then(
      () => 'said',
      ({ code }) => code,
    ),
  ).resolves.toMatch(/removed|said/)
  await alice.peer.say(alice.peer.general, 'and again')
  await carol.until(says('and again'))
  expect(texts(carol, room)).toEqual(['to all', 'without bob', 'indeed'])
})

test('who was off when it was removed is told so by the first member it meets', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  const quiet = await alice.peer.politics.found({ name: 'quiet', access: 'invite', history: 'all' })
  for (const one of [room, quiet]) {
    await alice.peer.politics.invite(one, user('bob'))
    await isIn(bob, one)
  }
  await alice.peer.say(room, 'to bob')
  await reads(bob, room, 'to bob')
  await bob.leave()
  await alice.peer.politics.remove(room, user('bob'))
  await alice.peer.say(room, 'without bob')
  await bob.comeBack()
  await bob.until((event) => event.kind === 'removed' && event.room === room)
  expect(bob.seen((event) => event.kind === 'removed' && event.room !== room)).toBe(false)
  await alice.peer.say(quiet, 'still with bob')
  await reads(bob, quiet, 'still with bob')
  expect(texts(bob, room)).toEqual(['to bob'])
})

test('a direct message reaches all devices of both users, and nobody else', async () => {
  const [alice, bob, carol, laptop] = await people('alice', 'bob', 'carol', 'bob')
  const room = alice.peer.direct(user('bob'))
  await alice.peer.say(room, 'for bob alone')
  await Promise.all([reads(bob, room, 'for bob alone'), reads(laptop, room, 'for bob alone')])
  await laptop.peer.say(laptop.peer.direct(user('alice')), 'from my laptop')
  await Promise.all([alice, bob].map((one) => reads(one, room, 'for bob alone', 'from my laptop')))
  expect(carol.peer.history(room, 10)).toEqual([])
  expect(carol.peer.rooms().map(({ id }) => id)).not.toContain(room)
})

test('an open room is listed for everybody, and whoever joins it takes part', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'lounge', access: 'open', history: 'all' })
  await alice.peer.say(room, 'anybody?')
  await bob.comeBack()
  await vi.waitFor(
    () => expect(bob.peer.rooms().find(({ id }) => id === room)).toMatchObject({ name: 'lounge', member: false }),
    WAIT,
  )
  await expect(bob.peer.say(room, 'me')).rejects.toMatchObject({ code: 'not-a-member' })
  await bob.peer.politics.join(room)
  await reads(bob, room, 'anybody?')
  await bob.peer.say(room, 'me')
  await reads(alice, room, 'anybody?', 'me')
  await bob.peer.politics.leave(room)
  await vi.waitFor(() => expect(membersOf(alice, room)).toEqual(['alice']), WAIT)
  await alice.peer.say(room, 'gone?')
  await bob.peer.politics.join(room)
  await reads(bob, room, 'anybody?', 'me', 'gone?')
})

test('an invitation finds who was off, through another member, when its author is off', async () => {
  const [alice, bob, carol] = await people('alice', 'bob', 'carol')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('carol'))
  await isIn(carol, room)
  await bob.leave()
  await alice.peer.politics.invite(room, user('bob'))
  await alice.peer.say(room, 'welcome, bob')
  await reads(carol, room, 'welcome, bob')
  await alice.leave()
  await bob.comeBack()
  await reads(bob, room, 'welcome, bob')
  await bob.peer.say(room, 'thanks')
  await reads(carol, room, 'welcome, bob', 'thanks')
  await alice.comeBack()
  await reads(alice, room, 'welcome, bob', 'thanks')
})

test('a room, its members and its settings are there again after a restart', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('bob'))
  await alice.peer.politics.grant(room, user('bob'), true)
  await isIn(bob, room)
  await vi.waitFor(
    () =>
      expect(
        bob.peer
          .rooms()
          .find(({ id }) => id === room)
          ?.members?.get(user('bob')),
      ).toMatchObject({ admin: true }),
    WAIT,
  )
  await bob.peer.politics.change(room, { topic: 'the summer', name: 'summer plans' })
  for (const one of [alice, bob]) {
    await vi.waitFor(
      () => expect(one.peer.rooms().find(({ id }) => id === room)).toMatchObject({ name: 'summer plans' }),
      WAIT,
    )
    await one.comeBack()
    expect(one.peer.rooms().find(({ id }) => id === room)).toMatchObject({ name: 'summer plans', topic: 'the summer' })
    expect(membersOf(one, room)).toEqual(['alice', 'bob'])
  }
})

test('who may not do a thing is told why, and nothing is written', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('bob'))
  await isIn(bob, room)
  const codeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => null,
      ({ code }) => code,
    )
  expect(await codeOf(bob.peer.politics.remove(room, user('alice')))).toBe('not-an-admin')
  expect(await codeOf(bob.peer.politics.change(room, { topic: 'mine' }))).toBe('not-an-admin')
  await alice.peer.politics.grant(room, user('bob'), true)
  await vi.waitFor(
    () =>
      expect(
        bob.peer
          .rooms()
          .find(({ id }) => id === room)
          ?.members?.get(user('bob')),
      ).toMatchObject({ admin: true }),
    WAIT,
  )
  expect(await codeOf(bob.peer.politics.remove(room, user('alice')))).toBe('senior-admin')
  expect(await codeOf(alice.peer.politics.invite(room, user('bob')))).toBe('already-a-member')
  expect(await codeOf(alice.peer.politics.invite(room, user('nobody')))).toBe('user-unknown')
  expect(await codeOf(alice.peer.politics.invite(alice.peer.general, user('bob')))).toBe('room-fixed')
  expect(await codeOf(alice.peer.politics.found({ name: '#x', access: 'open', history: 'all' }))).toBe(
    'room-name-wrong',
  )
  expect(membersOf(alice, room)).toEqual(['alice', 'bob'])
})

test('the names in a folder, and what its files are, go to whom the message goes that offers it', async () => {
  const [alice] = await people('alice')
  await using mallory = await createMallory(world.network)
  const folder = join(world.folder, 'plans')
  await mkdir(folder)
  await writeFile(join(folder, 'sell the company.txt'), 'soon')
  const line = await mallory.join(alice.peer)
  await vi.waitFor(() => expect(alice.peer.users().map(({ user: name }) => name)).toContain(mallory.name), WAIT)
  const ask = async (id: RecordHash): Promise<FileReply> => {
    const [connection] = mallory.node.connections()
    if (connection === undefined) throw new Error('a connection')
    const stream = await mallory.node.open(connection, fileProtocol(world.network.network))
    const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
    await frames.send(fileRequestCodec.encode({ kind: 'want', record: fromHex(id), known: false }))
    return orThrow(fileReplyCodec.decode(orThrow(await frames.receive())))
  }
  // Whoever likes may come into the first, and has not; into the second, which keeps its past to itself, she comes later.
  const open = await alice.peer.politics.found({ name: 'open', access: 'open', history: 'all' })
  const late = await alice.peer.politics.found({ name: 'late', access: 'invite', history: 'since-join' })
  const [inOpen, before] = [await alice.peer.files.offer(open, folder), await alice.peer.files.offer(late, folder)]
  await alice.peer.politics.invite(late, user(mallory.name))
  const since = await alice.peer.files.offer(late, folder)
  const refused = { kind: 'refused', code: 'not-a-member' }
  expect([await ask(inOpen.id), await ask(before.id), (await ask(since.id)).kind]).toEqual([refused, refused, 'held'])
  await line.leave()
})
