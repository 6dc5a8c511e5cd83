import { expect, test } from 'vitest'
import { openBesideCa } from '../../ca-node/beside.ts'
import { setTerms } from '../../ca-node/terms.ts'
import type { PeerEvent } from '../../peer/events.ts'
import { localClient } from '../../peer/api/client.ts'
import { users } from '../../peer/api/operations/people.ts'
import { CRL_LIFETIME_MS, DAY_MS, SECOND_MS } from '../../shared/limits.ts'
import { openOffice } from '../support/office.ts'
import { says } from '../support/world.ts'

const met = (name: string) => (event: PeerEvent) =>
  event.kind === 'session' && event.change === 'began' && event.user === name
const stale = (event: PeerEvent) => event.kind === 'crl-stale'

/** Certificates that outlive the revocation list by far, so that it is the list that is stale, and nothing else. */
const openLongOffice = async () => {
  const office = await openOffice()
  const store = await openBesideCa(office.ca.home, office.ca.clock.now())
  await setTerms(store.database, { lifetimeMs: 90 * DAY_MS }, office.ca.clock.now())
  await store.close()
  return office
}

test('a stale revocation list warns, once, and everything goes on; a new one ends it', {
  timeout: 180_000,
}, async () => {
  await using office = await openLongOffice()
  const alice = await office.hire('alice')
  const bob = await office.hire('bob')
  await Promise.all([alice.until(met('bob')), bob.until(met('alice'))])
  expect(alice.peer.revocationList()).toMatchObject({ number: 1, stale: null })
  await office.closeCa()
  office.ca.clock.advance(CRL_LIFETIME_MS + DAY_MS)
  expect(await alice.until(stale)).toMatchObject({ refusal: { code: 'crl-stale' } })
  await bob.until(stale)
  const told = await localClient(alice.peer).call(users, {})
  expect(told.revocationList).toMatchObject({ number: 1, stale: true, code: 'crl-stale', next: expect.any(String) })
  expect(told.revocationList.reason).toContain('revocation list is past the date of the next one')

  await bob.comeBack()
  await bob.until(met('alice'))
  await alice.peer.say(alice.peer.general, 'all the same')
  await bob.until(says('all the same'))

  await office.ca.turnOn()
  await expect
    .poll(
      () => {
        office.ca.clock.advance(10 * SECOND_MS)
        return alice.peer.revocationList().stale
      },
      { timeout: 110_000, interval: 500 },
    )
    .toBeNull()
  expect((await localClient(alice.peer).call(users, {})).revocationList).toMatchObject({ number: 2, stale: false })
})

test('who is strict keeps its sessions then, lets nobody new in, and both sides are told why; a new list opens the door', {
  timeout: 180_000,
}, async () => {
  await using office = await openLongOffice()
  const alice = await office.hire('alice')
  const bob = await office.hire('bob', { strict: true })
  await Promise.all([alice.until(met('bob')), bob.until(met('alice'))])
  await office.closeCa()
  office.ca.clock.advance(CRL_LIFETIME_MS + DAY_MS)
  await bob.until(stale)
  await alice.peer.say(alice.peer.general, 'still here')
  await bob.until(says('still here'))

  await alice.comeBack()
  const refused = (by: 'here' | 'there') => (event: PeerEvent) =>
    event.kind === 'refused' && event.refusal.code === 'strict-stale' && event.refusal.by === by
  await Promise.all([bob.until(refused('here')), alice.until(refused('there'))])
  expect(alice.seen(met('bob'))).toBe(false)

  await office.ca.turnOn()
  await expect
    .poll(
      () => {
        office.ca.clock.advance(10 * SECOND_MS)
        return alice.seen(met('bob'))
      },
      { timeout: 110_000, interval: 500 },
    )
    .toBe(true)
})

test('who is strict and has no list at all lets nobody in either', { timeout: 180_000 }, async () => {
  await using office = await openLongOffice()
  const alice = await office.hire('alice', { cutOff: true })
  const bob = await office.hire('bob', { cutOff: true, strict: true })
  await alice.until((event) => event.kind === 'refused' && event.refusal.code === 'strict-stale')
  expect(bob.peer.revocationList()).toEqual({ number: 0, stale: null })
})
