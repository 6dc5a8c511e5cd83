import { expect, test } from 'vitest'
import { lastAudit } from '../../ca-node/audit.ts'
import { isRefusal } from '../../shared/errors.ts'
import { CRL_NUMBERS_LEFT_OUT, DAY_MS, REDIAL_MAX_MS } from '../../shared/limits.ts'
import { type Colleague, type Company, cut, ledgerOf, met, openCompany } from '../support/company.ts'
import { enrolAs, newcomer } from '../support/enrolment.ts'
import { hasCrl, listOf, loseADay } from '../support/restored.ts'

const newer = (number: number) => hasCrl(number + 1)

const stateOf = (viewer: Colleague, name: string): boolean | undefined =>
  viewer.peer
    .users()
    .find(({ user }) => user === name)
    ?.devices.some(({ revoked }) => revoked)

/** One who has joined while the other was away. */
const introduce = (one: Colleague, other: Colleague): void =>
  one.peer.meet(other.peer.self.peerId, other.peer.addresses())

/** What the CA says to carol, who knows her password and brings a new device. */
const loginOf = async (company: Company, user: string): Promise<string> => {
  await using device = await newcomer()
  const outcome = await enrolAs(device, company.clock, {
    user,
    invite: await company.invite(),
    door: { kind: 'login' },
  })
  return isRefusal(outcome) ? outcome.code : 'let in'
}

test('a restored CA first asks its devices, and comes back with all that it had revoked', {
  timeout: 120_000,
}, async () => {
  await using company = await openCompany()
  await company.open()
  const [alice, bob] = [await company.hire('alice'), await company.hire('bob')]
  const [carol, mallory] = [await company.hire('carol'), await company.hire('mallory')]
  await Promise.all([alice.until(met('mallory')), bob.until(met('carol')), alice.until(met('bob'))])
  const { lost, putBack } = await loseADay(company, alice, bob)

  const home = await putBack()
  const { number } = (await company.open(home)).crl()
  expect(company.logged).toContainEqual({
    event: 'devices-asked',
    facts: { asked: 4, answered: expect.any(Number), revocations: 2 },
  })
  expect(number).toBeGreaterThan(lost)
  await Promise.all([alice, bob].map((one) => one.until(hasCrl(number))))
  const list = await listOf(company)
  expect([alice, bob, carol, mallory].map(({ peer }) => list.find(peer.self.serial)?.reason)).toEqual([
    undefined,
    undefined,
    'cessationOfOperation',
    'keyCompromise',
  ])
  for (const viewer of [alice, bob]) {
    expect(['alice', 'bob', 'carol', 'mallory'].map((name) => stateOf(viewer, name))).toEqual([
      false,
      false,
      true,
      true,
    ])
    expect(viewer.seen((event) => event.kind === 'revocations' && event.number > lost && event.cut.length > 0)).toBe(
      false,
    )
  }
  expect(await loginOf(company, 'carol')).toBe('user-disabled')
  expect(await loginOf(company, 'mallory')).toBe('let in') // revoked, and not disabled: with a new key, as before
  const store = await ledgerOf(home)
  const rows = await lastAudit(store.database, 50)
  await store.close()
  expect(rows.map(({ event }) => event)).toEqual(expect.arrayContaining(['restored', 'asked', 'disabled', 'crl']))
  expect(rows.find(({ event, subject }) => event === 'disabled' && subject === 'carol')).toBeDefined()

  // The next start asks nobody again.
  const before = company.logged.length
  await company.close()
  await company.open(home)
  expect(company.logged.slice(before).map(({ event }) => event)).not.toContain('devices-asked')
})

test('with everybody away it goes on, and takes over what they know when they come; what it gave out meanwhile ends', {
  timeout: 180_000,
}, async () => {
  await using company = await openCompany()
  await company.open()
  const alice = await company.hire('alice')
  await company.hire('carol').then((one) => one.leave())
  const mallory = await company.hire('mallory')
  await mallory.leave()
  const { known, lost, putBack } = await loseADay(company, alice)
  await alice.leave()

  const home = await putBack()
  const first = (await company.open(home, 500)).crl()
  expect(company.logged).toContainEqual({ event: 'devices-asked', facts: { asked: 3, answered: 0, revocations: 0 } })
  expect(first.number).toBe(known + CRL_NUMBERS_LEFT_OUT + 1)
  const erin = await company.hire('erin')
  await mallory.comeBack()
  introduce(mallory, erin)
  company.clock.advance(8 * DAY_MS)
  await mallory.until((event) => event.kind === 'renewed') // nobody here knows any better
  expect(await loginOf(company, 'carol')).toBe('let in')
  await erin.until(met('mallory'))

  await alice.comeBack()
  introduce(alice, erin)
  await Promise.all([alice, erin, mallory].map((one) => one.until(newer(first.number))))
  expect(company.ca().crl().number).toBeGreaterThan(Math.max(first.number, lost))
  await erin.until(cut('mallory'))
  const list = await listOf(company)
  expect(list.find(mallory.peer.self.serial)?.reason).toBe('keyCompromise') // the certificate that it got meanwhile
  expect(list.size).toBe(4) // two of mallory, two of carol
  expect(alice.seen((event) => event.kind === 'session' && event.user === 'mallory')).toBe(false)
  expect(await loginOf(company, 'carol')).toBe('user-disabled')
})

test('whoever knows better keeps it, and tells the others, even where the newer list that forgets it comes first', {
  timeout: 180_000,
}, async () => {
  await using company = await openCompany()
  await company.open()
  const bob = await company.hire('bob')
  await company.hire('carol').then((one) => one.leave())
  const mallory = await company.hire('mallory')
  await mallory.leave()
  const { putBack } = await loseADay(company, bob)
  await bob.leave()
  const home = await putBack()
  const { number } = (await company.open(home, 500)).crl()
  const erin = await company.hire('erin')
  await mallory.comeBack()
  introduce(mallory, erin)
  await Promise.all([erin.until(met('mallory')), erin.until(hasCrl(number))])
  await company.close()

  await bob.comeBack()
  introduce(bob, erin)
  await bob.until(hasCrl(number)) // the newer list, from erin
  await erin.until(cut('mallory')) // the older one, from bob
  await expect.poll(() => [bob, erin].map((one) => stateOf(one, 'mallory'))).toEqual([true, true])
  await bob.leave()
  await bob.comeBack() // it has kept both
  expect(stateOf(bob, 'mallory')).toBe(true)

  await company.open(home)
  company.clock.advance(REDIAL_MAX_MS)
  await Promise.all([bob, erin].map((one) => one.until(newer(number))))
  const list = await listOf(company)
  expect(list.find(mallory.peer.self.serial)?.reason).toBe('keyCompromise')
  await expect.poll(() => [bob, erin].map((one) => stateOf(one, 'mallory'))).toEqual([true, true])
})
