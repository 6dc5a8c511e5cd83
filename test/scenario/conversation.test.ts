import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { user } from '../support/certificates.ts'
import { queryCopy } from '../support/query.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const WAIT = { timeout: 30_000, interval: 20 }
/** Devices of these users, who all know each other. */
const people = async <const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Key in keyof Names]: Resident }> => {
  const found: Resident[] = []
  for (const name of names) found.push(await world.settle(name))
  const devices = ({ peer }: Resident): number => peer.users().reduce((sum, one) => sum + one.devices.length, 0)
  await vi.waitFor(() => expect(found.map(devices)).toEqual(names.map(() => names.length)), WAIT)
  return found as { [Key in keyof Names]: Resident }
}
const shown = ({ peer }: Resident, room: RoomId) =>
  peer.history(room, 100).map(({ user, content, edited, deleted, reactions }) => {
    const words = deleted ? '(taken back)' : content?.kind === 'text' ? content.text : '(closed)'
    const marks = reactions.map(({ emoji, users }) => ` ${emoji}${users.join(',')}`).join('')
    return `${user}: ${words}${edited === null ? '' : ' (edited)'}${marks}`
  })
const sees = (one: Resident, room: RoomId, ...expected: string[]): Promise<void> =>
  vi.waitFor(() => expect(shown(one, room)).toEqual(expected), WAIT)
const state = (one: Resident, id: RecordHash) => one.peer.message(id)?.state
const readsBy =
  (name: string) =>
  (event: PeerEvent): boolean =>
    event.kind === 'read' && event.user === name

test('a message is stored, then held by others, then read by them, and that is still known after a restart', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const { general } = alice.peer
  await bob.leave()
  const id = await alice.peer.say(general, 'hello')
  expect(state(alice, id)).toEqual({ devices: 0, readBy: [] })
  await bob.comeBack()
  await bob.until(says('hello'))
  await vi.waitFor(() => expect(state(alice, id)).toEqual({ devices: 1, readBy: [] }), WAIT)
  expect(bob.peer.unread(general)).toEqual({ count: 1, mentions: 0, first: id })
  await bob.peer.markRead(general)
  expect(bob.peer.unread(general)).toEqual({ count: 0, mentions: 0, first: null })
  await alice.until(readsBy('bob'))
  expect(state(alice, id)).toEqual({ devices: 1, readBy: ['bob'] })
  await alice.comeBack()
  expect(state(alice, id)).toEqual({ devices: 1, readBy: ['bob'] })
})

test('edits, answers, reactions and what is taken back reach everybody, in a room of two and in #general', async () => {
  const [alice, bob, carol] = await people('alice', 'bob', 'carol')
  const two = alice.peer.direct(user('bob'))
  expect(bob.peer.direct(user('alice'))).toBe(two)
  for (const room of [alice.peer.general, two]) {
    const id = await alice.peer.say(room, 'lunch at twelv?')
    await alice.peer.edit(id, 'lunch at twelve?')
    await sees(bob, room, 'alice: lunch at twelve? (edited)')
    const answer = await bob.peer.say(room, 'yes, @alice', { reply: id })
    await bob.peer.react(id, '👍')
    const slip = await bob.peer.say(room, 'a slip')
    await bob.peer.takeBack(slip)
    const expected = ['alice: lunch at twelve? (edited) 👍bob', 'bob: yes, @alice', 'bob: (taken back)']
    await sees(alice, room, ...expected)
    await sees(bob, room, ...expected)
    expect(alice.peer.message(answer)?.reply).toBe(id)
    expect(alice.peer.message(answer)?.mentions.users).toEqual(['alice'])
    expect(alice.peer.unread(room)).toMatchObject({ count: 1, mentions: 1 })
    await bob.peer.react(id, '👍', false)
    await sees(alice, room, 'alice: lunch at twelve? (edited)', ...expected.slice(1))
    expect(alice.seen((event) => event.kind === 'updated' && event.message.id === id)).toBe(true)
  }
  await sees(carol, alice.peer.general, ...shown(alice, alice.peer.general))
  expect(shown(carol, two)).toEqual([])
})

test('what is not ours, or not there, is neither changed nor answered', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const { general } = alice.peer
  const id = await alice.peer.say(general, 'mine')
  await bob.until(says('mine'))
  const nobody = 'ab'.repeat(32) as RecordHash
  const refused = (code: string) => expect.objectContaining({ code })
  await expect(bob.peer.edit(id, 'yours')).rejects.toEqual(refused('message-not-own'))
  await expect(bob.peer.takeBack(id)).rejects.toEqual(refused('message-not-own'))
  await expect(bob.peer.react(nobody, '👍')).rejects.toEqual(refused('message-unknown'))
  await expect(bob.peer.react(id, 'x'.repeat(33))).rejects.toEqual(refused('input-invalid'))
  await expect(bob.peer.say(general, 'what?', { reply: nobody })).rejects.toEqual(refused('message-unknown'))
  const elsewhere = bob.peer.direct(user('alice'))
  await expect(bob.peer.say(elsewhere, 'what?', { reply: id })).rejects.toEqual(refused('message-unknown'))
  await alice.peer.takeBack(id)
  await expect(alice.peer.edit(id, 'again')).rejects.toEqual(refused('message-unknown'))
})

test('two devices of one user have the same: what was said on either, and what was read', async () => {
  const [alice, desk, phone] = await people('alice', 'bob', 'bob')
  const two = alice.peer.direct(user('bob'))
  await alice.peer.say(two, 'hello bob')
  await Promise.all([desk.until(says('hello bob')), phone.until(says('hello bob'))])
  const id = await desk.peer.say(two, 'hello alice')
  await phone.until(says('hello alice'))
  expect(phone.peer.message(id)).toMatchObject({ own: true, user: 'bob' })
  expect([desk.peer.unread(two).count, phone.peer.unread(two).count]).toEqual([1, 1])
  await desk.peer.markRead(two)
  await phone.until((event) => event.kind === 'unread' && event.room === two && event.unread.count === 0)
  expect(phone.peer.unread(two).count).toBe(0)
  await alice.until(readsBy('bob'))
  await phone.peer.edit(id, 'hello, alice') // what one device said, another may change
  await sees(alice, two, 'alice: hello bob', 'bob: hello, alice (edited)')
  await alice.peer.markRead(two)
  await phone.until(readsBy('alice'))
  await vi.waitFor(() => expect(state(phone, id)?.readBy).toEqual(['alice']), WAIT)
})

test('drafts, muted rooms and blocked users are still there after a restart, and nowhere in plain', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const { general } = alice.peer
  alice.peer.setDraft(general, 'half a sent')
  alice.peer.mute(general)
  alice.peer.block(user('bob'))
  await bob.peer.say(general, 'hello?')
  await bob.until((event) => event.kind === 'delivered')
  bob.peer.live.typing(general)
  bob.peer.live.setPresence('away')
  await alice.until((event) => event.kind === 'presence' && event.state === 'away')
  expect(alice.seen(({ kind }) => kind === 'typing')).toBe(false)
  await alice.comeBack()
  expect(alice.peer.draft(general)).toBe('half a sent')
  expect([alice.peer.isMuted(general), alice.peer.blocked()]).toEqual([true, ['bob']])
  expect([shown(alice, general), alice.peer.unread(general).count]).toEqual([[], 0])
  const [row] = queryCopy(alice.databasePath, 'SELECT group_concat(hex(name) || hex(sealed)) AS all_of_it FROM desk')
  for (const words of ['half a sent', 'bob', general]) {
    expect(String(row?.all_of_it).toLowerCase()).not.toContain(Buffer.from(words).toString('hex'))
  }
  alice.peer.block(user('bob'), false)
  alice.peer.setDraft(general, '')
  await sees(alice, general, 'bob: hello?')
  expect(alice.peer.draft(general)).toBe('')
})

test('what was said in any room is found', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const two = bob.peer.direct(user('alice'))
  await bob.peer.say(bob.peer.general, 'Lunch at the café')
  await bob.peer.say(two, 'lunch without the others')
  await alice.until(says('lunch without the others'))
  await alice.until(says('Lunch at the café'))
  const found = async (question: string) => (await alice.peer.search(question)).map(({ snippet }) => snippet)
  expect(await found('lunch')).toEqual(['lunch without the others', 'Lunch at the café'])
  expect(await found('lun cafe')).toEqual([])
  expect(await found('cafe lun')).toEqual(['Lunch at the café'])
  expect(await found('in:#general lunch')).toEqual(['Lunch at the café'])
  expect(await found('in:@bob lunch')).toEqual(['lunch without the others'])
})

describe('a room that keeps messages for a time', () => {
  const bodies = ({ databasePath }: Resident, room: RoomId) =>
    queryCopy(
      databasePath,
      `SELECT COUNT(*) AS records, COUNT(body) AS bodies, COUNT(sealed_key) AS keys FROM named_records
       WHERE room = ? AND kind = 'message'`,
      room,
    )[0]

  test('has them erased at all its members, and at who comes later; what is younger stays', async () => {
    const [alice, bob, carol] = await people('alice', 'bob', 'carol')
    const room = await alice.peer.politics.found({ name: 'short', access: 'invite', history: 'all' })
    await alice.peer.politics.invite(room, user('bob'))
    await alice.peer.say(room, 'soon gone')
    await bob.until(says('soon gone'))
    await bob.peer.say(room, 'this too')
    await alice.until(says('this too'))
    await alice.peer.politics.change(room, { keepMs: 1_000 })
    for (const one of [alice, bob]) {
      await sees(one, room)
      await vi.waitFor(() => expect(bodies(one, room)).toEqual({ records: 2, bodies: 0, keys: 0 }), WAIT)
      expect(one.seen((event) => event.kind === 'expired' && event.room === room)).toBe(true)
    }
    await alice.peer.politics.change(room, { keepMs: 3_600_000 })
    await alice.peer.say(room, 'stays')
    await sees(bob, room, 'alice: stays')
    await alice.peer.politics.invite(room, user('carol'))
    await sees(carol, room, 'alice: stays')
    expect(bodies(carol, room)).toEqual({ records: 3, bodies: 1, keys: 1 })
    await carol.peer.say(room, 'hello')
    await sees(bob, room, 'alice: stays', 'carol: hello')
    for (const one of [alice, bob, carol]) expect(one.seen(({ kind }) => kind === 'foul')).toBe(false)
  })

  test('keeps the newest so many', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const room = await alice.peer.politics.found({ name: 'short', access: 'invite', history: 'all' })
    await alice.peer.politics.invite(room, user('bob'))
    await alice.peer.politics.change(room, { keepMessages: 2 })
    for (const words of ['one', 'two', 'three', 'four']) await alice.peer.say(room, words)
    for (const one of [alice, bob]) await sees(one, room, 'alice: three', 'alice: four')
    await vi.waitFor(() => expect(bodies(bob, room)).toEqual({ records: 4, bodies: 2, keys: 2 }), WAIT)
    await alice.peer.say(room, 'five') // and nobody answers
    for (const one of [alice, bob]) await sees(one, room, 'alice: four', 'alice: five')
  })
})

test('a body that is not here, and not past its time, comes with its key from another member', async () => {
  const [alice, bob] = await people('alice', 'bob')
  const room = await alice.peer.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  await alice.peer.politics.invite(room, user('bob'))
  await alice.peer.say(room, 'not lost')
  await bob.until(says('not lost'))
  await bob.leave()
  // As if somebody had served him a skeleton before its time.
  const database = new DatabaseSync(bob.databasePath)
  database.exec(
    "UPDATE records SET body = NULL, sealed_key = NULL, role = NULL WHERE kind = 'message'; DELETE FROM chains",
  )
  database.close()
  await bob.comeBack()
  await sees(bob, room, 'alice: not lost')
  // His box opens again, too: what he has read by another way its key does not open a second time.
  const chains = () => queryCopy(bob.databasePath, 'SELECT next_index FROM chains')
  await vi.waitFor(() => expect(chains()).toEqual([{ next_index: 1 }]), WAIT)
})
