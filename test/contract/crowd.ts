import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../ca-node/beside.ts'
import { systemClock } from '../../shared/clock.ts'
import type { CaDatabase, NewDatabase } from '../support/ca-databases.ts'
import { CROWD, enrolCrowd, inviteCrowd, type Outcome, wrongIn } from '../support/crowd.ts'
import { type CrowdChild, type CrowdTask, crowdChild } from '../support/crowd-child.ts'
import { dice } from '../support/mutator.ts'
import { halfDone } from '../support/whole.ts'

const SEED = Number(process.env.LANYARD_SEED ?? systemClock.now() % 2 ** 32)
const ALL = [...CROWD.keys()]

/** What happens when 200 come at once, to one process or to two, and when one of them is killed in the middle. */
export const crowdContract = (create: NewDatabase): unknown =>
  describe(`200 at once (LANYARD_SEED=${SEED})`, () => {
    let place: CaDatabase
    let store: Store
    const children = new Set<CrowdChild>()
    const launch = (who: 'first' | 'beside', task: Omit<CrowdTask, 'at'>): CrowdChild => {
      const child = crowdChild({ at: place.whereabouts(who), ...task })
      children.add(child)
      return child
    }
    beforeEach(async () => {
      place = await create()
      store = await place.open()
      await inviteCrowd(store, systemClock.now())
    })
    afterEach(async () => {
      for (const child of children) child.kill()
      await Promise.all([...children].map(({ ended }) => ended))
      children.clear()
      await store.close()
      await place.remove()
    })
    const namesIn = async (): Promise<string[]> => (await store.registry.users()).map(({ name }) => name)

    test('the right ones are in, and nothing is half done', async () => {
      const outcomes = await enrolCrowd(store, CROWD)
      expect(wrongIn(outcomes, await namesIn())).toEqual([])
      expect(await halfDone(store)).toEqual([])
    })

    test('the same at two processes', async () => {
      const one = launch('first', { members: ALL.filter((at) => at % 2 === 0) })
      const two = launch('beside', { members: ALL.filter((at) => at % 2 === 1) })
      await Promise.all([one.ready, two.ready])
      for (const child of [one, two]) child.go()
      expect(await Promise.all([one.ended, two.ended])).toEqual([
        { code: 0, errors: '' },
        { code: 0, errors: '' },
      ])
      expect(wrongIn([...one.outcomes, ...two.outcomes], await namesIn())).toEqual([])
      expect(await halfDone(store)).toEqual([])
    })

    test('killed in the middle, nothing is half done, and who was told to be in is; then the others come in', async () => {
      const told = new Map<string, Outcome>()
      const note = ({ outcomes }: CrowdChild) => {
        for (const outcome of outcomes) if (outcome.code === 'in') told.set(outcome.name, outcome)
      }
      const roll = dice(SEED)
      for (const after of [1 + roll(40), 1 + roll(40)]) {
        const child = launch('first', { members: ALL, death: { after, steps: roll(60) } })
        await child.ready
        const before = (await namesIn()).length
        child.go()
        expect(await child.ended).toEqual({ code: null, errors: '' })
        note(child)
        const names = await namesIn()
        expect(names.length).toBeGreaterThanOrEqual(before + after)
        expect(names.length).toBeLessThan(131)
        expect([...told.keys()].filter((name) => !names.includes(name))).toEqual([])
        expect(await halfDone(store)).toEqual([])
      }
      const last = launch('beside', { members: ALL })
      await last.ready
      last.go()
      expect(await last.ended).toEqual({ code: 0, errors: '' })
      note(last)
      const names = await namesIn()
      expect(names.filter((name) => name.startsWith('user-'))).toHaveLength(130)
      expect(names.filter((name) => name.startsWith('sharer-'))).toHaveLength(1)
      expect([...told.keys()].filter((name) => !names.includes(name))).toEqual([])
      expect(await halfDone(store)).toEqual([])
    })
  })
