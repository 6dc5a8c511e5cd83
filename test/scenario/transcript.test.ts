import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { codesOf, examine, gather } from '../support/transcripts.ts'
import { user } from '../support/certificates.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const WAIT = { timeout: 30_000, interval: 20 }
const people = async (...names: readonly string[]): Promise<Resident[]> => {
  const found: Resident[] = []
  for (const name of names) found.push(await world.settle(name))
  const devices = ({ peer }: Resident): number => peer.users().length
  await vi.waitFor(() => expect(found.map(devices)).toEqual(names.map(() => names.length)), WAIT)
  return found
}

test('what was said in #general is proved by one file and the root, and read with the keys', async () => {
  const [alice, bob] = await people('alice', 'bob')
  if (alice === undefined || bob === undefined) throw new Error('nobody')
  const { general } = alice.peer
  const id = await alice.peer.say(general, 'the price is 100')
  await bob.until(says('the price is 100'))
  await bob.peer.say(general, 'agreed', { reply: id })
  await alice.until(says('agreed'))
  const order = { room: general, name: '#general' }
  const closed = await examine(await gather(bob.peer.transcripts.records(order)), world.network.root)
  console.log(JSON.stringify(closed, null, 1))
  expect(closed).toMatchObject({ ok: true, problems: [], messages: null })
  const open = await examine(await gather(bob.peer.transcripts.records({ ...order, withKeys: true })), world.network.root)
  expect(open.messages?.map(({ user: who, text }) => `${who}: ${text}`)).toEqual(['alice: the price is 100', 'bob: agreed'])
  expect(codesOf(open)).toEqual([])
})
void user
