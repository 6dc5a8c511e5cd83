import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../ca-node/beside.ts'
import { approve, listPending, readMode, setMode } from '../../ca-node/modes.ts'
import { countAll, listInvites } from '../../ca-node/overview.ts'
import { setTerms } from '../../ca-node/terms.ts'
import type { PeerId } from '../../shared/ids.ts'
import {
  DAY_MS,
  ENROLMENT_TRIES,
  ENROLMENT_TRIES_GLOBAL,
  ENROLMENT_WINDOW_MS,
  PENDING_LIFETIME_MS,
} from '../../shared/limits.ts'
import { applicant, fill, invite, NOW } from '../support/applicants.ts'
import type { CaDatabase, NewDatabase } from '../support/ca-databases.ts'
import { user } from '../support/certificates.ts'

/** What the doors promise, on whatever kind of database: invites, modes, terms, approval, limits on tries. */
export const doorsContract = (create: NewDatabase): unknown =>
  describe('the doors', () => {
    let place: CaDatabase
    let store: Store
    let beside: Store
    beforeEach(async () => {
      place = await create()
      store = await place.open()
      beside = await place.open('beside')
    })
    afterEach(async () => {
      await beside.close()
      await store.close()
      await place.remove()
    })

    const newcomer = (name: string, number: number) => applicant(name, number, { admission: { kind: 'register' } })

    test('an invite is good once, until it expires, and for the name that it was made for', async () => {
      await store.registry.addInvites([fill(32, 1)], NOW + DAY_MS, NOW, user('alice'))
      expect(await beside.registry.check(applicant('bob', 1), NOW)).toMatchObject({ code: 'token-for-another' })
      expect(await beside.registry.check(applicant('alice', 1), NOW + DAY_MS)).toMatchObject({ code: 'token-expired' })
      expect(await beside.registry.enrol(applicant('alice', 1), NOW)).toBeNull()
      expect(await store.registry.check(applicant('alice', 1), NOW)).toMatchObject({ code: 'token-used' })
      await invite(store.registry, 2)
      const listed = await listInvites(beside.database, NOW)
      expect(listed.map(({ state, usedBy, forName }) => ({ state, usedBy, forName }))).toEqual(
        expect.arrayContaining([
          { state: 'used', usedBy: 'alice', forName: 'alice' },
          { state: 'open', usedBy: null, forName: null },
        ]),
      )
    })

    test('a mode and terms that are set in one process hold in the other', async () => {
      expect(await beside.registry.check(newcomer('alice', 1), NOW)).toMatchObject({ code: 'invite-needed' })
      await setMode(store.database, 'open', NOW)
      expect(await readMode(beside.database)).toBe('open')
      expect(await beside.registry.enrol(newcomer('alice', 1), NOW)).toBeNull()
      await setTerms(store.database, { devices: 1, keyBits: 3072 }, NOW)
      expect(await beside.registry.terms()).toMatchObject({ devices: 1, keyBits: 3072 })
      const second = applicant('alice', 2, { admission: { kind: 'login' }, passwordHash: null })
      expect(await beside.registry.check(second, NOW)).toMatchObject({ code: 'device-limit' })
    })

    test('who asks at one process may be approved at the other, and comes in at either', async () => {
      await setMode(store.database, 'approval', NOW)
      expect(await store.registry.check(newcomer('alice', 1), NOW)).toMatchObject({ code: 'approval-pending' })
      await Promise.all([store, beside].map(({ registry }) => registry.askApproval(newcomer('alice', 1), NOW)))
      const [asked, ...others] = await listPending(beside.database)
      if (asked === undefined) throw new Error('nobody waits')
      expect(others).toEqual([])
      await approve(beside.database, asked, NOW)
      expect(await store.registry.check(newcomer('alice', 1), NOW + PENDING_LIFETIME_MS)).not.toBeNull()
      expect(await store.registry.enrol(newcomer('alice', 1), NOW)).toBeNull()
      expect(await listPending(beside.database)).toEqual([])
    })

    test('all is counted as it is', async () => {
      await invite(store.registry, 1, 2, 3)
      for (const [at, name] of ['a', 'b'].entries()) await store.registry.enrol(applicant(name, at + 1), NOW)
      await store.revocations.disable('a', NOW)
      expect(await countAll(beside.database, NOW)).toEqual({
        users: 2,
        disabled: 1,
        devices: 1,
        revoked: 1,
        certificates: 1,
        openInvites: 1,
        auditRows: 5,
      })
    })

    describe('tries to enrol', () => {
      const times = async (tries: number, job: (index: number) => Promise<unknown>) => {
        for (let index = 0; index < tries; index += 1) await job(index)
      }

      test('are counted by PeerId, by invite, by name and altogether, and outlive a restart', async () => {
        const peer = 'peer' as PeerId
        await times(ENROLMENT_TRIES, async () => expect(await store.attempts.begin(peer, NOW)).toBeNull())
        await times(ENROLMENT_TRIES, () => store.attempts.invited(fill(32, 1), NOW))
        await times(ENROLMENT_TRIES, () => store.attempts.guess('alice', NOW))
        await store.close()
        store = await place.open()
        expect(await store.attempts.begin(peer, NOW)).toMatchObject({ code: 'rate-limited' })
        expect(await store.attempts.invited(fill(32, 1), NOW)).toMatchObject({ code: 'rate-limited' })
        expect(await store.attempts.guess('alice', NOW)).toMatchObject({ code: 'rate-limited' })
        expect(await store.attempts.begin('other' as PeerId, NOW)).toBeNull()
        expect(await store.attempts.uninvited('alice', NOW)).toBeNull()
        expect(await store.attempts.begin(peer, NOW + ENROLMENT_WINDOW_MS)).toBeNull()
        await store.attempts.guessed('alice')
        expect(await store.attempts.guess('alice', NOW)).toBeNull()
        await times(ENROLMENT_TRIES_GLOBAL, (index) => store.attempts.uninvited(`user${index}`, NOW))
        expect(await store.attempts.uninvited('one-more', NOW)).toMatchObject({ code: 'rate-limited' })
      })

      test('at two processes are counted together', async () => {
        const tries = Array.from({ length: 4 * ENROLMENT_TRIES }, (_, at) => (at % 2 === 0 ? store : beside))
        const outcomes = await Promise.all(tries.map(({ attempts }) => attempts.guess('alice', NOW)))
        expect(outcomes.filter((outcome) => outcome === null)).toHaveLength(ENROLMENT_TRIES)
      })
    })
  })
