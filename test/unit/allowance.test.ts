import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAllowance } from '../../peer/network/allowance.ts'
import type { PeerId } from '../../shared/ids.ts'
import { ALLOWANCES, BAR_MAX_MS, BAR_MS, BAR_REMEMBERED_MS } from '../../shared/limits.ts'

const mallory = 'mallory' as PeerId
const bob = 'bob' as PeerId

const start = () => {
  let now = 1_000
  const barred: PeerId[] = []
  const allowance = createAllowance({ clock: { now: () => now }, onBarred: (peer) => barred.push(peer) })
  return {
    ...allowance,
    barred,
    pass: (ms: number) => {
      now += ms
    },
    foulUntilBarred: () => {
      const before = barred.length
      while (barred.length === before) allowance.foul(mallory)
    },
  }
}

test('a burst is free; what goes beyond it must be waited for, and then it is free again', () => {
  const { spend, pass } = start()
  const { burst, perSecond } = ALLOWANCES.live
  expect(spend(bob, 'live', burst)).toBe(0)
  expect(spend(bob, 'live', perSecond)).toBe(1_000)
  pass(1_000)
  expect(spend(bob, 'live', 0)).toBe(0)
  pass(10_000_000)
  expect(spend(bob, 'live', burst)).toBe(0)
  expect(spend(bob, 'live', 1)).toBeGreaterThan(0)
})

test('one peer, and one kind, takes nothing from another', () => {
  const { spend } = start()
  spend(mallory, 'records', 10 * ALLOWANCES.records.burst)
  expect(spend(mallory, 'live', 1)).toBe(0)
  expect(spend(bob, 'records', 1)).toBe(0)
})

test('whoever waits as long as told gets no more than burst and rate, however it asks', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 200 }), (amounts) => {
      const { spend, pass } = start()
      let waited = 0
      let got = 0
      for (const amount of amounts) {
        got += amount
        const wait = spend(mallory, 'requests', amount)
        waited += wait
        pass(wait)
      }
      const { burst, perSecond } = ALLOWANCES.requests
      expect(got).toBeLessThanOrEqual(burst + (waited / 1_000) * perSecond + 1)
    }),
  )
})

test('a few fouls are forgiven; one too many bars the peer, for a minute, and told once', () => {
  const { foul, isBarred, barred, pass, foulUntilBarred } = start()
  for (let count = 0; count < ALLOWANCES.fouls.burst; count++) foul(mallory)
  expect(isBarred(mallory)).toBe(false)
  foulUntilBarred()
  foul(mallory)
  expect([isBarred(mallory), isBarred(bob)]).toEqual([true, false])
  expect(barred).toEqual([mallory])
  pass(BAR_MS)
  expect(isBarred(mallory)).toBe(false)
})

test('now and then a foul bars nobody', () => {
  const { foul, barred, pass } = start()
  for (let count = 0; count < 1_000; count++) {
    foul(bob)
    pass(3_000)
  }
  expect(barred).toEqual([])
})

test('each further time is twice as long, up to an hour; after a quiet day it is the first again', () => {
  const { isBarred, pass, foulUntilBarred, spend } = start()
  const length = (): number => {
    foulUntilBarred()
    let ms = 0
    for (; isBarred(mallory); ms += BAR_MS) pass(BAR_MS)
    return ms
  }
  expect([length(), length(), length()]).toEqual([BAR_MS, 2 * BAR_MS, 4 * BAR_MS])
  for (let time = 0; time < 10; time++) length()
  expect(length()).toBe(BAR_MAX_MS)
  pass(BAR_REMEMBERED_MS + 1)
  spend(bob, 'live', 1) // somebody new comes
  expect(length()).toBe(BAR_MS)
})
