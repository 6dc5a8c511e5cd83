import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../ca-node/beside.ts'
import { DAY_MS, PRESENCE_KEPT_MS } from '../../shared/limits.ts'
import { applicant, fill, invite, NOW } from '../support/applicants.ts'
import type { CaDatabase, NewDatabase } from '../support/ca-databases.ts'

/** What the registry promises, on whatever kind of database. */
export const registryContract = (create: NewDatabase): unknown =>
  describe('the registry', () => {
    let place: CaDatabase
    let store: Store
    beforeEach(async () => {
      place = await create()
      store = await place.open()
    })
    afterEach(async () => {
      await store.close()
      await place.remove()
    })

    const enrol = (...who: Parameters<typeof applicant>) => store.registry.enrol(applicant(...who), NOW)
    const check = (...who: Parameters<typeof applicant>) => store.registry.check(applicant(...who), NOW)

    const counts = async () => {
      const count = async (table: 'users' | 'devices' | 'certificates' | 'audit') => {
        const query = store.database.selectFrom(table).select(({ fn }) => fn.countAll<number>().as('rows'))
        return (await query.executeTakeFirstOrThrow()).rows
      }
      return {
        users: await count('users'),
        devices: await count('devices'),
        certificates: await count('certificates'),
        audit: await count('audit'),
      }
    }

    test('writes user, device, certificate, spent token and audit row together', async () => {
      await invite(store.registry, 1)
      expect(await enrol('alice', 1)).toBeNull()
      expect(await counts()).toEqual({ users: 1, devices: 1, certificates: 1, audit: 2 })
      expect(await check('bob', 1)).toMatchObject({ code: 'token-used' })
      expect(await store.registry.users()).toEqual([
        {
          name: 'alice',
          createdAt: NOW,
          disabled: false,
          devices: [{ peerId: 'peer 1', certificateExpires: NOW + 14 * DAY_MS, revoked: false }],
        },
      ])
    })

    test('writes nothing at all, and spends no token, when a part of it fails', async () => {
      await invite(store.registry, 1, 2)
      await enrol('alice', 1)
      const before = await counts()
      await expect(enrol('bob', 2, { issued: applicant('alice', 1).issued })).rejects.toThrow(/unique/i)
      expect(await counts()).toEqual(before)
      expect(await enrol('bob', 2)).toBeNull()
    })

    test('lets one of many in who come with one name at the same instant', async () => {
      const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
      await invite(store.registry, ...numbers)
      const outcomes = await Promise.all(numbers.map((number) => enrol('alice', number)))
      expect(outcomes.filter((outcome) => outcome === null)).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome?.code === 'name-taken')).toHaveLength(numbers.length - 1)
      const again = await Promise.all(numbers.map((number) => check('zoe', number)))
      expect(again.filter((outcome) => outcome === null)).toHaveLength(numbers.length - 1)
    })

    test('lets one of many in who come with one token at the same instant', async () => {
      await invite(store.registry, 1)
      const admission = { kind: 'token', tokenHash: fill(32, 1) } as const
      const outcomes = await Promise.all(['a', 'b', 'c', 'd'].map((name, at) => enrol(name, at + 2, { admission })))
      const codes = outcomes.map((outcome) => outcome?.code ?? 'in')
      expect(codes.sort()).toEqual(['in', 'token-used', 'token-used', 'token-used'])
    })

    test('tells nobody without a good token whether a name is taken', async () => {
      await invite(store.registry, 1)
      await enrol('alice', 1)
      expect(await check('alice', 9)).toMatchObject({ code: 'token-wrong' })
      expect(await check('alice', 1)).toMatchObject({ code: 'token-used' })
    })

    test('takes no name that looks like one that is taken', async () => {
      await invite(store.registry, 1, 2)
      await enrol('alice', 1)
      expect(await enrol('a1ice', 2)).toMatchObject({ code: 'name-lookalike' })
    })

    test('shows nobody what a transaction has written before it is done', async () => {
      const { promise: opened, resolve: open } = Promise.withResolvers<void>()
      const { promise: done, resolve: finish } = Promise.withResolvers<void>()
      const draft = { process: 'here', position: 7, address: 'draft', told_at: NOW }
      const transaction = store.database.transaction().execute(async (inside) => {
        await inside.insertInto('addresses').values(draft).execute()
        open()
        await done
        throw new Error('rolled back')
      })
      await opened
      const outside = store.registry.addresses()
      finish()
      await expect(transaction).rejects.toThrow('rolled back')
      expect(await outside).toEqual([])
    })

    test('is shared with another process: what one writes the other sees, and neither fails on the other', async () => {
      const beside = await place.open('beside')
      const numbers = Array.from({ length: 20 }, (_, at) => at + 1)
      await Promise.all(numbers.map((number) => invite((number % 2 === 0 ? store : beside).registry, number)))
      for (const number of numbers) expect(await check('alice', number)).toBeNull()
      await beside.close()
    })

    test('gives the newest certificates first, one a device, none that has expired, and no more than fit', async () => {
      await invite(store.registry, 1, 2, 3)
      for (const [at, name] of ['a', 'b', 'c'].entries()) await store.registry.enrol(applicant(name, at + 1), NOW + at)
      const renewed = { serial: 'ff', device_id: 1, der: fill(100, 9), not_before: NOW, not_after: NOW + 20 * DAY_MS }
      await store.database
        .insertInto('certificates')
        .values({ ...renewed, issued_at: NOW + 9 })
        .execute()
      const first = async (maxBytes: number, now: number) =>
        (await store.registry.directory(maxBytes, now)).map(({ certificate, addresses }) => [
          certificate[0],
          ...addresses,
        ])
      expect(await first(10_000, NOW)).toEqual([9, 3, 2].map((byte) => [byte, '/ip4/192.0.2.7/tcp/4200']))
      expect(await first(400, NOW)).toHaveLength(2)
      expect(await first(10_000, NOW + 15 * DAY_MS)).toHaveLength(1)
    })

    test('lists users in the order of their names, whatever the language of the database', async () => {
      const names = ['zoe', 'a_b', 'a-c', 'a.d', 'b', 'a']
      await invite(store.registry, ...names.keys())
      for (const [at, name] of names.entries()) expect(await enrol(name, at)).toBeNull()
      expect((await store.registry.users()).map(({ name }) => name)).toEqual([...names].sort())
    })

    test('knows where each process listens, the first of each first, and forgets one that is long silent', async () => {
      const { registry } = store
      await registry.setAddresses('one', ['/one/a', '/one/b'], NOW)
      await registry.setAddresses('two', ['/two/a'], NOW)
      expect(await registry.addresses()).toEqual(['/one/a', '/two/a', '/one/b'])
      await registry.setAddresses('two', ['/two/c'], NOW + PRESENCE_KEPT_MS - 1)
      expect(await registry.addresses()).toEqual(['/one/a', '/two/c', '/one/b'])
      await registry.setAddresses('two', ['/two/c'], NOW + PRESENCE_KEPT_MS)
      expect(await registry.addresses()).toEqual(['/two/c'])
    })

    test('holds types and references', async () => {
      const orphan = { user_id: 99, peer_id: 'x', spki: fill(1, 1), addresses: '[]', created_at: NOW, revoked_at: null }
      await expect(store.database.insertInto('devices').values(orphan).execute()).rejects.toThrow(/foreign key/i)
      const wrong = { name: 'mode', value: null } as unknown as { name: string; value: string }
      await expect(store.database.insertInto('settings').values(wrong).execute()).rejects.toThrow(/not.null/i)
    })

    test('never changes or shortens its audit', async () => {
      await store.registry.audit({ time: NOW, event: 'refused', subject: 'mallory', detail: 'token-wrong' })
      const { database } = store
      await expect(database.updateTable('audit').set({ detail: 'nothing' }).execute()).rejects.toThrow(/append-only/)
      await expect(database.deleteFrom('audit').execute()).rejects.toThrow(/append-only/)
      expect(await counts()).toMatchObject({ audit: 1 })
    })
  })
