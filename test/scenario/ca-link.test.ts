import { expect, test } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import type { ListedUser } from '../../peer/rooms/listing.ts'
import { DAY_MS, HOUR_MS } from '../../shared/limits.ts'
import { type Employee, openOffice } from '../support/office.ts'

const met = (name: string) => (event: PeerEvent) =>
  event.kind === 'session' && event.change === 'began' && event.user === name
const cut = (name: string) => (event: PeerEvent) =>
  event.kind === 'revocations' && event.cut.some((user) => user === name)

const isPresent = ({ user, devices }: ListedUser): boolean =>
  user === 'leaver' && devices.some(({ present }) => present)

const CROWD = 20

test('a revocation at the CA reaches everybody who is connected, and ends the sessions of the revoked device', async () => {
  await using office = await openOffice()
  const alice = await office.hire('alice')
  const bob = await office.hire('bob')
  const carol = await office.hire('carol')
  await Promise.all([alice.until(met('carol')), bob.until(met('carol')), alice.until(met('bob'))])
  await office.ca.revoke({ user: 'carol' }, 'keyCompromise')
  await Promise.all([alice.until(cut('carol')), bob.until(cut('carol'))])
  await carol.until((event) => event.kind === 'revocations' && event.self)
})

test('a peer that is cut off from the CA learns of a revocation through another, which is not', async () => {
  await using office = await openOffice()
  const alice = await office.hire('alice')
  const bob = await office.hire('bob', { cutOff: true })
  const carol = await office.hire('carol')
  await Promise.all([bob.until(met('alice')), bob.until(met('carol')), alice.until((e) => e.kind === 'ca-sighted')])
  await office.ca.revoke({ user: 'carol' }, 'keyCompromise')
  await bob.until(cut('carol'))
  await carol.until((event) => event.kind === 'revocations' && event.self)
  expect(bob.seen((event) => event.kind === 'ca-sighted')).toBe(false)
})

test('a peer that was off learns of a revocation at its next hello with anyone, though the CA is away', async () => {
  await using office = await openOffice()
  const alice = await office.hire('alice')
  const bob = await office.hire('bob')
  await office.hire('carol')
  await Promise.all([bob.until(met('alice')), bob.until(met('carol')), alice.until(met('carol'))])
  await bob.leave()
  await office.ca.revoke({ user: 'carol' }, 'keyCompromise')
  await alice.until(cut('carol'))
  const { number } = office.ca.crl()
  await office.closeCa()
  await bob.comeBack()
  await bob.until((event) => event.kind === 'revocations' && event.number === number)
  expect(bob.seen((event) => event.kind === 'ca-sighted')).toBe(false)
  const carols = (): unknown => bob.peer.users().find(({ user }) => user === 'carol')?.devices
  await expect.poll(carols).toMatchObject([{ present: false, revoked: true }])
})

test(`all of ${CROWD} peers that are connected cut the one who is revoked`, { timeout: 600_000 }, async () => {
  await using office = await openOffice()
  const crowd: Employee[] = []
  for (let at = 0; at < CROWD; at++) crowd.push(await office.hire(`peer${at}`))
  const leaver = await office.hire('leaver')
  await Promise.all(crowd.map((peer) => peer.until(met('leaver'))))
  await office.ca.revoke({ user: 'leaver' }, 'cessationOfOperation')
  await Promise.all(crowd.map((peer) => peer.until(cut('leaver'))))
  await leaver.until((event) => event.kind === 'revocations' && event.self)
  const present = (): unknown[] => crowd.flatMap(({ peer }) => peer.users().filter(isPresent))
  await expect.poll(present).toEqual([])
})

test('a certificate past the half of its life is renewed at the next sighting of the CA, and no session is dropped for it', async () => {
  await using office = await openOffice()
  const alice = await office.hire('alice')
  const before = alice.peer.self
  const bob = await office.hire('bob')
  await Promise.all([alice.until(met('bob')), bob.until(met('alice'))])
  office.ca.clock.advance(8 * DAY_MS)
  await alice.peer.renewIfDue()
  await alice.until((event) => event.kind === 'renewed')
  const after = alice.peer.self
  expect(after.hash).not.toBe(before.hash)
  expect(after.peerId).toBe(before.peerId)
  expect(after.notAfter - before.notAfter).toBeGreaterThan(7 * DAY_MS)
  expect(alice.stored).toEqual([after.certificate])
  await alice.peer.say(alice.peer.general, 'under my new certificate')
  await bob.until((event) => event.kind === 'message' && event.message.user === 'alice')
  expect(bob.peer.users().find(({ user }) => user === 'alice')?.devices).toMatchObject([
    { present: true, expires: after.notAfter },
  ])
})

test('a certificate that is younger than that is left alone', async () => {
  await using office = await openOffice()
  const alice = await office.hire('alice')
  await alice.until((event) => event.kind === 'ca-sighted')
  office.ca.clock.advance(6 * DAY_MS + 20 * HOUR_MS)
  const before = alice.peer.self.hash
  await alice.peer.renewIfDue()
  expect(alice.peer.self.hash).toBe(before)
})
