import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createWorld, says } from '../support/world.ts'

test('two peers that meet can chat both ways', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  await bob.until((event) => event.kind === 'session' && event.change === 'began')
  await alice.peer.say(alice.peer.general, 'hello bob')
  await bob.until(says('hello bob'))
  await bob.peer.say(bob.peer.general, 'hello alice')
  await alice.until(says('hello alice'))
  expect(bob.peer.history(bob.peer.general, 10).map(({ user, content }) => [user, content])).toEqual([
    ['alice', { kind: 'text', text: 'hello bob' }],
    ['bob', { kind: 'text', text: 'hello alice' }],
  ])
})

test('a peer that was off has everything after it returns, from a member who is not the author', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const carol = await world.settle('carol')
  await alice.peer.say(alice.peer.general, 'one')
  await bob.until(says('one'))
  await carol.until(says('one'))
  await bob.leave()
  await alice.peer.say(alice.peer.general, 'two')
  await carol.until(says('two'))
  await alice.leave()
  await bob.comeBack()
  await bob.until(says('two'))
})

test('a newcomer reads what was said before it came', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  await alice.peer.say(alice.peer.general, 'before you came')
  const bob = await world.settle('bob')
  await bob.until(says('before you came'))
})

test('a message said to nobody is read by those who come later, and its author learns that they hold it', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const id = await alice.peer.say(alice.peer.general, 'anybody?')
  expect(alice.peer.deliveredTo(id)).toBe(0)
  const bob = await world.settle('bob')
  await bob.until(says('anybody?'))
  await alice.until((event) => event.kind === 'delivered' && event.room === alice.peer.general)
  expect(alice.peer.deliveredTo(id)).toBe(1)
})

test('a box that a killed process stored and did not open is opened at the next start, with nobody there to ask', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  await alice.until((event) => event.kind === 'session' && event.change === 'began')
  await bob.peer.say(bob.peer.general, 'here')
  await alice.until(says('here'))
  await alice.peer.rekey(alice.peer.general) // from here on there is a box for bob
  await alice.peer.say(alice.peer.general, 'still sealed')
  await bob.until(says('still sealed'))
  await bob.leave()
  await alice.leave()
  const database = new DatabaseSync(bob.databasePath)
  database.exec("DELETE FROM chains; UPDATE records SET sealed_key = NULL WHERE kind = 'message'")
  database.close()
  await bob.comeBack()
  const [message] = bob.peer.history(bob.peer.general, 1)
  expect(message?.content).toEqual({ kind: 'text', text: 'still sealed' })
})
