import { describe, expect, test } from 'vitest'
import type { PeerEvent } from '../../peer/events.ts'
import { CA_SIGHT_MS, CERTIFICATE_LIFETIME_MS, DAY_MS, HOUR_MS, SECOND_MS } from '../../shared/limits.ts'
import { manualClock } from '../support/enrolment.ts'
import { type Employee, openOffice } from '../support/office.ts'
import { says } from '../support/world.ts'

// Days pass by turning the clock of everybody; the devices, their stores and connections are real.

const met = (name: string) => (event: PeerEvent) =>
  event.kind === 'session' && event.change === 'began' && event.user === name

describe('while the CA is off', () => {
  const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank']
  const STEP_MS = 2 * SECOND_MS

  test('for seven days everybody goes on, and at its return all renew within a minute, and not all at once', async () => {
    const clock = manualClock()
    await using office = await openOffice({ clock })
    const staff = new Map<string, Employee>()
    for (const name of NAMES) staff.set(name, await office.hire(name))
    const everybody = [...staff.values()]
    // A clock that stands still tries no dial again: it is nudged until all have met.
    await expect
      .poll(
        () => {
          clock.advance(SECOND_MS)
          return [...staff].flatMap(([name]) =>
            [...staff].flatMap(([other, { seen }]) => (other === name || seen(met(name)) ? [] : [`${other}: ${name}`])),
          )
        },
        { timeout: 110_000, interval: 250 },
      )
      .toEqual([])

    clock.advance(DAY_MS)
    await office.closeCa()
    const before = everybody.map(({ peer }) => peer.self.hash)
    for (let day = 1; day <= 7; day += 1) {
      clock.advance(DAY_MS)
      const speaker = everybody[day % everybody.length]
      await speaker?.peer.say(speaker.peer.general, `day ${day}`)
      await Promise.all(everybody.map((one) => (one === speaker ? null : one.until(says(`day ${day}`)))))
    }
    expect(everybody.map(({ peer }) => peer.self.hash)).toEqual(before)
    expect(
      everybody.filter(({ seen }) => seen((event) => event.kind === 'session' && event.change === 'ended')),
    ).toEqual([])

    const sighted: number[] = []
    const renewed: number[] = []
    for (const { peer } of everybody) {
      peer.on(({ kind }) => {
        if (kind === 'ca-sighted') sighted.push(clock.now())
        if (kind === 'renewed') renewed.push(clock.now())
      })
    }
    await office.ca.turnOn()
    const back = clock.now()
    await expect
      .poll(
        () => {
          // The clock waits for those who are at it: how fast this machine is does not count.
          if (sighted.length === renewed.length) clock.advance(STEP_MS)
          return renewed.length
        },
        { timeout: 110_000, interval: 600 },
      )
      .toBe(NAMES.length)
    const latest = Math.max(...renewed) - back
    console.log(`ca-away.test: renewed after ${renewed.map((at) => (at - back) / 1_000).join(', ')} s of the clock`)
    expect(latest).toBeLessThan(1.5 * CA_SIGHT_MS) // the minute, and the steps in which a dial was under way
    expect(new Set(renewed).size).toBeGreaterThan(1)
    for (const { peer, stored } of everybody) {
      expect(peer.self.notAfter - back).toBeGreaterThan(CERTIFICATE_LIFETIME_MS - HOUR_MS)
      expect(stored).toEqual([peer.self.certificate])
    }
  }, 240_000)
})

describe('a device that runs, and whose clock jumps over the end of its certificate,', { timeout: 180_000 }, () => {
  const asleep = CERTIFICATE_LIFETIME_MS + 5 * DAY_MS

  test('renews by itself when it wakes, keeps its sessions, and is heard under the new certificate', async () => {
    await using office = await openOffice()
    const alice = await office.hire('alice')
    const bob = await office.hire('bob')
    await Promise.all([alice.until(met('bob')), bob.until(met('alice'))])
    office.ca.clock.advance(asleep)
    const renewed = (event: PeerEvent) => event.kind === 'renewed'
    await Promise.all([alice.until(renewed), bob.until(renewed)])
    expect(alice.peer.self.notAfter).toBeGreaterThan(office.ca.clock.now() + CERTIFICATE_LIFETIME_MS - HOUR_MS)
    await alice.peer.say(alice.peer.general, 'good morning')
    await bob.until(says('good morning'))
    expect(alice.seen((event) => event.kind === 'session' && event.change === 'ended')).toBe(false)
  })

  test('says nothing that nobody would take while the CA is away, tells why, and recovers at its return', async () => {
    await using office = await openOffice()
    const alice = await office.hire('alice')
    const bob = await office.hire('bob')
    await Promise.all([alice.until(met('bob')), bob.until(met('alice'))])
    await alice.peer.say(alice.peer.general, 'good night')
    await bob.until(says('good night'))
    await office.closeCa()
    office.ca.clock.advance(asleep)
    await alice.until((event) => event.kind === 'refused' && event.refusal.code === 'certificate-expired')
    await expect(alice.peer.say(alice.peer.general, 'too early')).rejects.toMatchObject({ code: 'certificate-expired' })
    await office.ca.turnOn()
    // Up to a minute of the clock until they look for it.
    const isRenewed = ({ seen }: Employee) => seen((event) => event.kind === 'renewed')
    await expect
      .poll(
        () => {
          office.ca.clock.advance(10 * SECOND_MS)
          return isRenewed(alice) && isRenewed(bob)
        },
        { timeout: 110_000, interval: 1_000 },
      )
      .toBe(true)
    await alice.peer.say(alice.peer.general, 'good morning')
    await bob.until(says('good morning'))
    expect(bob.seen((event) => event.kind === 'foul')).toBe(false)
  })
})
