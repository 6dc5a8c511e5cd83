import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../ca-node/audit.ts'
import { openBackup, sealBackup } from '../../ca-node/backup.ts'
import type { Store } from '../../ca-node/beside.ts'
import { readRows } from '../../ca-node/database-rows.ts'
import { orThrow } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { applicant, invite, NOW } from '../support/applicants.ts'
import type { CaDatabase, NewDatabase } from '../support/ca-databases.ts'

/** What a backup promises: from one kind of database into another, or the same. */
export const backupContract = (create: NewDatabase, createOther: NewDatabase): void => {
  let place: CaDatabase
  let other: CaDatabase
  let store: Store
  beforeEach(async () => {
    place = await create()
    other = await createOther()
    store = await place.open()
    await invite(store.registry, 1, 2, 3)
    for (const [at, name] of ['alice', 'bob'].entries()) await store.registry.enrol(applicant(name, at + 1), NOW)
    await store.revocations.revoke({ user: 'bob' }, 'keyCompromise', NOW)
    await store.revocations.publish(
      { root: 1, sign: async ({ number }) => ({ der: new Uint8Array([number, 0, 255]), nextUpdate: NOW }) },
      NOW,
    )
    await store.attempts.begin('peer' as PeerId, NOW)
    await store.registry.setAddresses('here', ['/ip4/192.0.2.7/tcp/4100'], NOW)
  })
  afterEach(async () => {
    await store.close()
    await place.remove()
    await other.remove()
  })

  describe('a backup', () => {
    test('has every row, sealed, and all of them stand in the database that it is put into', async () => {
      const rows = await readRows(store.database)
      const whole = { keys: {}, schema: 1, rows, crlNumber: 1, madeAt: NOW }
      const file = await sealBackup(whole, 'a passphrase', systemRandom)
      expect(Buffer.from(file).includes('alice')).toBe(false)
      const found = orThrow(await openBackup(file, 'a passphrase'))
      await other.putBack(found.rows)
      const restored = await other.open()
      const { settings: _before, ...tables } = rows
      const { settings: _after, ...copies } = await readRows(restored.database)
      expect(copies).toEqual(tables)
      expect(await verifyAudit(restored.database, { crlNumber: 1, audit: null })).toMatchObject({ kind: 'intact' })
      expect(await restored.registry.enrol(applicant('carol', 3), NOW)).toBeNull() // numbers of rows count on
      await restored.close()
    })

    test('takes the place of what was there before, and of all of it', async () => {
      const rows = await readRows(store.database)
      const before = await other.open()
      await invite(before.registry, 7, 8)
      for (const [at, name] of ['eve', 'mallory'].entries()) await before.registry.enrol(applicant(name, at + 7), NOW)
      await before.revocations.revoke({ user: 'eve' }, 'unspecified', NOW)
      await expect(other.putBack(rows)).rejects.toMatchObject({ code: 'profile-in-use' })
      await before.close()
      await other.putBack(rows)
      const restored = await other.open()
      expect((await restored.registry.users()).map(({ name }) => name)).toEqual(['alice', 'bob'])
      await restored.close()
    })

    test('that cannot be put back whole leaves what was there', async () => {
      const rows = await readRows(store.database)
      const [first, ...rest] = rows.audit.rows
      if (first === undefined) throw new Error('no rows')
      const twice = { ...rows, audit: { ...rows.audit, rows: [first, first, ...rest] } }
      const before = await other.open()
      await invite(before.registry, 7)
      await before.registry.enrol(applicant('eve', 7), NOW)
      await before.close()
      await expect(other.putBack(twice)).rejects.toThrow(/unique/i)
      const after = await other.open()
      expect((await after.registry.users()).map(({ name }) => name)).toEqual(['eve'])
      await after.close()
    })
  })
}
