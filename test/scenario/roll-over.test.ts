import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { endOverlap } from '../../ca-node/roll-over.ts'
import { readCaIdentity } from '../../ca-node/root-key.ts'
import type { PeerEvent } from '../../peer/events.ts'
import { isFromNewest } from '../../shared/certificate/lineage.ts'
import { verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import { DAY_MS, REDIAL_MAX_MS, ROOT_OVERLAP_MS, SECOND_MS } from '../../shared/limits.ts'
import { type Colleague, type Company, cut, ledgerOf, met, openCompany, rollOverAt, says } from '../support/company.ts'
import { enrolAs, newcomer, PASSWORD } from '../support/enrolment.ts'

const rolledOver = (event: PeerEvent): boolean => event.kind === 'rolled-over'
const renewed = (event: PeerEvent): boolean => event.kind === 'renewed'
const hasCrl = (number: number) => (event: PeerEvent) => event.kind === 'revocations' && event.number >= number
const told = (code: string) => (event: PeerEvent) => event.kind === 'refused' && event.refusal.code === code

/** Each of them says something that all others read. */
const talk = async (people: readonly Colleague[], when: string): Promise<void> => {
  for (const speaker of people) {
    const text = `${speaker.name}, ${when}`
    await speaker.peer.say(speaker.peer.general, text)
    await Promise.all(people.filter((one) => one !== speaker).map((one) => one.until(says(text))))
  }
}

const newestOf = async ({ home, clock }: Company) => (await readCaIdentity(home, clock.now())).anchor

test('a root is rolled over while two are on and one is off, and nobody is lost', { timeout: 180_000 }, async () => {
  await using company = await openCompany()
  await company.open()
  const oldInvite = await company.invite()
  const alice = await company.hire('alice')
  const bob = await company.hire('bob')
  const carol = await company.hire('carol')
  const mallory = await company.hire('mallory')
  await Promise.all([alice.until(met('carol')), bob.until(met('carol')), alice.until(met('mallory'))])
  await Promise.all([carol.leave(), mallory.leave()])
  const network = alice.peer.network.id

  // Off, rolled over, and on again.
  await company.close()
  await talk([alice, bob], 'without the CA')
  await rollOverAt(company)
  const { number } = (await company.open()).crl()
  const newest = await newestOf(company)
  expect(newest).toMatchObject({ network, generation: 2 })
  expect(await readdir(company.home)).not.toContain('keys') // the old root's key is gone

  // Who is on learns of it, goes on talking, and has a certificate of the new root: in the sessions that there were.
  await Promise.all([alice, bob].map((one) => one.until(rolledOver)))
  await talk([alice, bob], 'knowing of the new root')
  await Promise.all([alice, bob].map((one) => one.until(renewed)))
  for (const one of [alice, bob]) {
    expect(isFromNewest(one.peer.self.certificate, newest)).toBe(true)
    expect(one.kept.successions.length).toBe(1)
    expect(
      one.seen(
        (event) =>
          event.kind === 'session' && event.change === 'ended' && event.user !== 'carol' && event.user !== 'mallory',
      ),
    ).toBe(false)
  }
  await talk([alice, bob], 'with new certificates')

  // With the CA off again, the third comes back, under a certificate of the old root, and learns it from the others.
  await Promise.all([alice, bob].map((one) => one.until(hasCrl(number))))
  await company.close()
  await carol.comeBack()
  await Promise.all([carol.until(rolledOver), carol.until(met('alice')), carol.until(met('bob'))])
  await carol.until(hasCrl(number))
  await talk([alice, bob, carol], 'the CA is off')
  expect(isFromNewest(carol.peer.self.certificate, newest)).toBe(false)
  await carol.leave()
  await carol.comeBack() // it has kept what it learnt
  expect(carol.kept.successions.length).toBe(1)

  // A device of the old root that is revoked now is out, at everybody: who was off, too.
  await company.open()
  await company.ca().revoke({ user: 'mallory' }, 'keyCompromise')
  await Promise.all([alice, bob, carol].map((one) => one.until(hasCrl(number + 1))))
  await mallory.comeBack()
  await mallory.until(
    (event) => told('certificate-revoked')(event) && event.kind === 'refused' && event.refusal.by === 'there',
  )
  for (const one of [alice, bob, carol])
    expect(one.peer.users().find(({ user }) => user === 'mallory')?.devices).toMatchObject([
      { present: false, revoked: true },
    ])
  await carol.until(renewed)
  expect(isFromNewest(carol.peer.self.certificate, newest)).toBe(true)

  // Newcomers with an invite from before and one from after are both let in, and read and write.
  const newInvite = await company.invite()
  expect(newInvite.pin).toEqual(sha256(newest.spki))
  expect(oldInvite.pin).not.toEqual(newInvite.pin)
  const dave = await company.hire('dave', oldInvite)
  const erin = await company.hire('erin', newInvite)
  await Promise.all([dave, erin].flatMap((one) => ['alice', 'bob', 'carol'].map((name) => one.until(met(name)))))
  expect([dave.peer.network.id, erin.peer.network.id]).toEqual([network, network])
  await talk([alice, bob, carol, dave, erin], 'all together')
})

test('who was away renews with the pin of the old root: by the key alone, and after the overlap by the password', async () => {
  await using company = await openCompany()
  await company.open()
  const invite = await company.invite()
  await using device = await newcomer()
  const { certificate } = orThrow(await enrolAs(device, company.clock, { user: 'alice', invite }))
  await company.close()
  await rollOverAt(company)
  company.clock.advance(20 * DAY_MS) // the certificate has ended
  await company.open()
  const renew = async (password: string) => {
    const door = { kind: 'renew', certificate } as const
    return orThrow(await enrolAs(device, company.clock, { user: 'alice', invite, door, password }))
  }
  const byKey = await renew('')
  expect(byKey.anchor).toMatchObject({ generation: 2 })
  expect(isFromNewest(byKey.certificate, byKey.anchor)).toBe(true)

  company.clock.advance(ROOT_OVERLAP_MS)
  const { anchor } = await renew(PASSWORD)
  const now = company.clock.now()
  expect(verifyDevice(certificate, { anchor, now })).toMatchObject({ code: 'root-ended' })
  const store = await ledgerOf(company.home)
  expect(await endOverlap(store.database, await readCaIdentity(company.home, now), now)).toBe(null) // it has ended by itself
  await store.close()
})

test('the operator ends it at once: who has not renewed is cut off, and renews at the next sight of the CA', {
  timeout: 120_000,
}, async () => {
  await using company = await openCompany()
  await company.open()
  const alice = await company.hire('alice')
  const bob = await company.hire('bob')
  const carol = await company.hire('carol')
  await Promise.all([alice.until(met('bob')), alice.until(met('carol')), bob.until(met('carol'))])
  await Promise.all([bob.leave(), carol.leave()])
  await company.close()
  await rollOverAt(company)
  await company.open()
  await alice.until(renewed)
  await company.close()
  await bob.comeBack()
  await Promise.all([alice.until(met('bob')), bob.until(rolledOver)])

  const store = await ledgerOf(company.home)
  const identity = await readCaIdentity(company.home, company.clock.now())
  const ended = await endOverlap(store.database, identity, company.clock.now())
  expect([...(ended?.behind ?? [])].sort()).toEqual([bob.peer.self.peerId, carol.peer.self.peerId].sort())
  await store.close()
  company.clock.advance(SECOND_MS)
  await bob.peer.say(bob.peer.general, 'not knowing that my certificate has ended')
  const before = bob.peer.self.hash
  await company.open()
  await alice.until(cut('bob'))
  await bob.until(renewed)
  expect(bob.peer.self.hash).not.toBe(before)
  company.clock.advance(REDIAL_MAX_MS) // who was cut off is dialed again
  await talk([alice, bob], 'under one root')
  await carol.comeBack()
  await carol.until(renewed)
  company.clock.advance(REDIAL_MAX_MS)
  await carol.until(says('not knowing that my certificate has ended'))
  await talk([alice, bob, carol], 'and the third, too')
})

test('a CA that was put back from before the roll-over learns from its devices that it is outdated', {
  timeout: 120_000,
}, async () => {
  await using company = await openCompany()
  await company.open()
  const alice = await company.hire('alice')
  await alice.until((event) => event.kind === 'ca-sighted')
  await company.close()
  const before = join(company.home, '..', 'before')
  await cp(company.home, before, { recursive: true })
  await rollOverAt(company)
  await company.open()
  await alice.until(rolledOver)
  await company.close()
  await company.open(before)
  await expect.poll(() => company.logged.map(({ event }) => event)).toContain('root-outdated')
})
