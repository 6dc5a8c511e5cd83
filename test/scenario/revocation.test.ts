import { DatabaseSync } from 'node:sqlite'
import { expect, test, vi } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { createWorld, type Resident, says } from '../support/world.ts'

type World = Awaited<ReturnType<typeof createWorld>>

/** A list of the root with these residents on it, DER. */
const listOf = ({ network }: World, number: number, out: readonly Resident[], ago = 1_000): Promise<Uint8Array> =>
  createRevocationList({
    issuer: { certificate: network.root, key: network.rootKey },
    number,
    thisUpdate: network.clock.now() - 1_000,
    entries: out.map(({ peer }) => ({
      serial: peer.self.serial,
      date: network.clock.now() - ago,
      reason: 'keyCompromise' as const,
    })),
  })

/** The resident comes back with a list that it got elsewhere. */
const comeBackWith = async (resident: Resident, der: Uint8Array): Promise<void> => {
  await resident.leave()
  const database = new DatabaseSync(resident.databasePath)
  database.prepare('INSERT OR REPLACE INTO revocation_list (one, der) VALUES (1, ?)').run(der)
  database.close()
  await resident.comeBack()
}

const cuts = (name: string) => (event: PeerEvent) =>
  event.kind === 'revocations' && event.cut.some((user) => user === name)
const meets = (name: string) => (event: PeerEvent) =>
  event.kind === 'session' && event.change === 'began' && event.user === name

test('a revocation list spreads from peer to peer, cuts the revoked device, and keeps it out', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const mallory = await world.settle('mallory')
  await bob.until(meets('mallory'))
  const list = await listOf(world, 1, [mallory])
  await comeBackWith(alice, list)
  await bob.until(cuts('mallory'))
  await mallory.until((event) => event.kind === 'refused' && event.refusal.code === 'certificate-revoked')
  expect(bob.peer.users().find(({ user }) => user === 'mallory')?.devices).toMatchObject([
    { present: false, revoked: true },
  ])
})

test('of what a revoked device said, that stays which members hold when they learn of it', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const mallory = await world.settle('mallory')
  const { general } = alice.peer
  const shown = ({ peer }: Resident) =>
    peer.history(general, 10).map(({ content }) => (content?.kind === 'text' ? content.text : null))
  await mallory.peer.say(general, 'vouched for')
  await Promise.all([alice.until(says('vouched for')), bob.until(says('vouched for'))])
  await bob.peer.markRead(general) // and soon his receipt tells what he holds
  await mallory.until((event) => event.kind === 'read' && event.user === 'bob')
  const id = await mallory.peer.say(general, 'nobody’s witness yet')
  await Promise.all([alice.until(says('nobody’s witness yet')), bob.until(says('nobody’s witness yet'))])
  await comeBackWith(alice, await listOf(world, 1, [mallory], -1_000)) // a list tells seconds, and no less
  await bob.until(cuts('mallory'))
  for (const one of [alice, bob]) {
    await vi.waitFor(() => expect(shown(one)).toEqual(['vouched for', 'nobody’s witness yet']), { timeout: 20_000 })
    expect(one.peer.message(id)).not.toBe(null)
  }
})

test('what is said after a revocation is sealed without the revoked device, even when nobody else is there', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const mallory = await world.settle('mallory')
  await mallory.peer.say(mallory.peer.general, 'here')
  await alice.until(says('here')) // so that her prekey is known, and a box is made for her
  await alice.peer.say(alice.peer.general, 'to both of us')
  await mallory.until(says('to both of us'))
  await mallory.leave()
  await comeBackWith(alice, await listOf(world, 1, [mallory]))
  await alice.peer.say(alice.peer.general, 'to me alone')
  await alice.leave()
  const database = new DatabaseSync(alice.databasePath)
  const keys = database.prepare("SELECT body FROM records WHERE kind = 'sender-key' ORDER BY seq").all()
  database.close()
  const boxes = keys.map(({ body }) => Buffer.from(body as Uint8Array).includes(mallory.peer.self.peerId))
  expect(boxes).toContain(true)
  expect(boxes.at(-1)).toBe(false)
})

test('an older list changes nothing, and neither does one that the root did not sign', async () => {
  await using world = await createWorld()
  await using elsewhere = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const carol = await world.settle('carol')
  await Promise.all([alice.until(meets('bob')), bob.until(meets('alice'))])
  await comeBackWith(bob, await listOf(world, 5, []))
  await comeBackWith(alice, await listOf(world, 4, [carol]))
  await alice.until((event) => event.kind === 'revocations' && event.number === 5)
  expect(alice.peer.users().flatMap(({ devices }) => devices.filter(({ revoked }) => revoked))).toEqual([])
  await comeBackWith(alice, await listOf(elsewhere, 9, [carol]))
  await alice.until((event) => event.kind === 'revocations' && event.number === 5)
})

test('a device that is revoked is told so by its own peer', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  await bob.until(meets('alice'))
  await comeBackWith(alice, await listOf(world, 1, [bob]))
  await bob.until(
    (event) => event.kind === 'refused' && event.refusal.code === 'certificate-revoked' && event.refusal.by === 'there',
  )
})
