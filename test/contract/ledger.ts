import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lastAudit, readAudit, verifyAudit } from '../../ca-node/audit.ts'
import type { Store } from '../../ca-node/beside.ts'
import { startPublisher } from '../../ca-node/publisher.ts'
import { readRecovery, writeRecovery } from '../../ca-node/recovery.ts'
import type { CrlOrder } from '../../ca-node/revocations.ts'
import { noteRoot } from '../../ca-node/roll-over.ts'
import { sha256, toHex } from '../../shared/ids.ts'
import { CRL_ENTRY_KEPT_MS, DAY_MS } from '../../shared/limits.ts'
import { applicant, invite, NOW } from '../support/applicants.ts'
import type { CaDatabase, NewDatabase } from '../support/ca-databases.ts'
import { rollOver, testNetwork } from '../support/certificates.ts'
import { manualClock } from '../support/enrolment.ts'

/** Signs nothing: a list that can be looked into. */
const signer = {
  root: 1,
  sign: async ({ number, entries, now }: CrlOrder) => ({
    der: new Uint8Array(
      Buffer.from(`${number}: ${entries.map(({ serial, reason }) => `${serial} ${reason}`).join(', ')}`),
    ),
    nextUpdate: now + 14 * DAY_MS,
  }),
}
const text = (der: Uint8Array): string => Buffer.from(der).toString()
const silent = () => undefined

/** What the revocation lists and the audit promise, on whatever kind of database. */
export const ledgerContract = (create: NewDatabase): void => {
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

  const enrol = async (name: string, number: number): Promise<void> => {
    await invite(store.registry, number)
    expect(await store.registry.enrol(applicant(name, number), NOW)).toBeNull()
  }

  describe('the revocation lists', () => {
    test('name each revoked certificate with its reason, until 30 days after its end', async () => {
      await enrol('alice', 1)
      await enrol('bob', 2)
      await store.revocations.revoke({ user: 'alice' }, 'keyCompromise', NOW)
      expect(text((await store.revocations.publish(signer, NOW)).der)).toBe('1: 01 keyCompromise')
      await store.revocations.revoke({ peerId: 'peer 2' }, 'superseded', NOW + 1)
      const end = applicant('alice', 1).issued.notAfter + CRL_ENTRY_KEPT_MS
      expect(text((await store.revocations.publish(signer, end - 1)).der)).toBe('2: 01 keyCompromise, 02 superseded')
      expect(text((await store.revocations.publish(signer, end)).der)).toBe('3: ')
      expect(await store.revocations.latest()).toMatchObject({ number: 3, madeAt: end })
    })

    test('keep a revocation for ever: the database itself refuses to lift one', async () => {
      await enrol('alice', 1)
      await store.revocations.revoke({ user: 'alice' }, 'unspecified', NOW)
      await expect(store.database.deleteFrom('revocations').execute()).rejects.toThrow(/for ever/)
    })

    test('are numbered above all before, even where the database was put back', async () => {
      for (let count = 0; count < 3; count += 1) await store.revocations.publish(signer, NOW + count)
      await store.close()
      await place.lose()
      store = await place.open()
      expect(await store.revocations.publish(signer, NOW)).toMatchObject({ number: 4 })
    })

    test('take over what a lost database had revoked, and count on from its list', async () => {
      await enrol('alice', 1)
      const entries = [
        { serial: '01', time: NOW, reason: 'keyCompromise' },
        { serial: 'ff', time: NOW, reason: 'unspecified' },
      ] as const
      expect(await store.revocations.adopt({ number: 41, entries }, NOW)).toBe(2)
      expect(await store.revocations.adopt({ number: 41, entries }, NOW)).toBe(0)
      expect(await store.registry.users()).toMatchObject([{ name: 'alice', devices: [{ revoked: true }] }])
      expect(text((await store.revocations.publish(signer, NOW)).der)).toBe('42: 01 keyCompromise, ff unspecified')
    })

    test('put a device out with all its certificates, those too that it was given since the backup', async () => {
      await enrol('alice', 1)
      const later = { ...applicant('alice', 1).issued, serial: '0a' }
      const renewal = { admission: { kind: 'renew', serial: '01' }, passwordHash: null, issued: later } as const
      expect(await store.registry.enrol(applicant('alice', 1, renewal), NOW)).toBeNull()
      const entries = [{ serial: '01', time: NOW - 1, reason: 'keyCompromise' }] as const
      expect(await store.revocations.adopt({ number: 9, entries }, NOW)).toBe(1)
      expect(text((await store.revocations.publish(signer, NOW)).der)).toBe('10: 01 keyCompromise, 0a keyCompromise')
      expect(await store.registry.users()).toMatchObject([{ disabled: false, devices: [{ revoked: true }] }])
    })

    test('put out, too, who changed the key of a revoked device while that was not known, and changed it again', async () => {
      await enrol('alice', 1)
      await enrol('bob', 2)
      const recovery = { at: NOW, after: 1, until: 99, asked: true, disabled: [] }
      await store.database.transaction().execute((inside) => writeRecovery(inside, recovery))
      const rekey = async (name: string, from: number, to: number, at: number): Promise<void> => {
        const { peerId, issued } = applicant(name, from)
        const admission = { kind: 'rekey', serial: issued.serial, peerId } as const
        expect(await store.registry.enrol(applicant(name, to, { admission, passwordHash: null }), at)).toBeNull()
      }
      await rekey('alice', 1, 3, NOW + 1)
      await rekey('alice', 3, 4, NOW + 2)
      await rekey('bob', 2, 5, NOW + 1)
      const entries = [
        { serial: '01', time: NOW - 1, reason: 'keyCompromise' },
        { serial: '02', time: NOW + 1, reason: 'superseded' },
      ] as const
      expect(await store.revocations.adopt({ number: 9, entries }, NOW + 3)).toBe(1)
      expect(await store.revocations.adopt({ number: 9, entries }, NOW + 4)).toBe(0)
      const devices = await store.registry.users()
      const out = devices.map(({ name, devices: own }) => [name, own.filter(({ revoked }) => !revoked).length])
      expect(out).toEqual([
        ['alice', 0],
        ['bob', 1],
      ])
      expect(text((await store.revocations.publish(signer, NOW + 4)).der)).toContain('04 keyCompromise')
    })

    test('disable a user again whose devices have all ceased, with those that logged in since; not who has one left', async () => {
      await enrol('alice', 1)
      await enrol('bob', 2)
      const second = { admission: { kind: 'login' }, passwordHash: null } as const
      expect(await store.registry.enrol(applicant('bob', 3, second), NOW)).toBeNull()
      const recovery = { at: NOW, after: 1, until: 99, asked: true, disabled: [] }
      await store.database.transaction().execute((inside) => writeRecovery(inside, recovery))
      expect(await store.registry.enrol(applicant('alice', 4, second), NOW + 1)).toBeNull()
      const entries = ['01', '02'].map((serial) => ({ serial, time: NOW, reason: 'cessationOfOperation' as const }))
      expect(await store.revocations.adopt({ number: 7, entries }, NOW + 2)).toBe(2)
      expect(await store.registry.users()).toMatchObject([
        { name: 'alice', disabled: true, devices: [{ revoked: true }, { revoked: true }] },
        { name: 'bob', disabled: false, devices: [{ revoked: true }, { revoked: false }] },
      ])
      expect(await readRecovery(store.database)).toEqual({ ...recovery, after: 7, disabled: ['alice'] })
      expect(await verifyAudit(store.database, await store.highWater.read())).toMatchObject({ kind: 'intact' })
    })

    test('keep a user out who is disabled, until enabled, and know no user that there is not', async () => {
      await enrol('alice', 1)
      expect(await store.revocations.disable('nobody', NOW)).toBeNull()
      expect(await store.revocations.disable('alice', NOW)).toMatchObject({ devices: [{ serials: ['01'] }] })
      const login = applicant('alice', 2, { admission: { kind: 'login' }, passwordHash: null })
      expect(await store.registry.check(login, NOW)).toMatchObject({ code: 'user-disabled' })
      expect(await store.revocations.enable('alice', NOW)).toBe(true)
      expect(await store.registry.check(login, NOW)).toBeNull()
    })

    test('made by one process are seen by the other, whose next has the next number', async () => {
      const beside = await place.open('beside')
      const clock = manualClock(NOW)
      const parts = { signer, clock, log: silent, signerOf: () => 'newest' as const }
      const [one, two] = await Promise.all(
        [store, beside].map(({ revocations }) => startPublisher({ revocations, ...parts })),
      )
      if (one === undefined || two === undefined) throw new Error('two were started')
      expect([one.latest().number, two.latest().number]).toEqual([1, 1]) // one made it, the other found it
      const told = Promise.withResolvers<void>()
      two.onNewer(told.resolve)
      await enrol('alice', 1)
      await store.revocations.revoke({ user: 'alice' }, 'unspecified', clock.now())
      expect(await one.refresh()).toMatchObject({ number: 2 })
      await told.promise
      expect(text(two.latest().der)).toBe('2: 01 unspecified')
      const [row] = await lastAudit(store.database, 1)
      expect(await beside.highWater.read()).toEqual({ crlNumber: 2, audit: { id: row?.id, hash: row?.hash } })
      clock.advance(DAY_MS)
      await Promise.all([one.refresh(), two.refresh()])
      expect([one.latest().number, two.latest().number]).toEqual([3, 3])
      await Promise.all([one.stop(), two.stop()])
      await beside.close()
    })

    test('are not signed with a root that another process has rolled over, and neither are certificates', async () => {
      const network = testNetwork()
      const [next, rival] = [rollOver(network), rollOver(network)]
      await enrol('alice', 1)
      await noteRoot(store.database, network, NOW)
      const beside = await place.open()
      await noteRoot(beside.database, next, NOW)
      await invite(store.registry, 2)
      const outdated = { code: 'root-outdated' }
      await expect(store.revocations.publish(signer, NOW)).rejects.toMatchObject(outdated)
      await expect(store.registry.enrol(applicant('bob', 2), NOW)).rejects.toMatchObject(outdated)
      await expect(noteRoot(store.database, network, NOW)).rejects.toMatchObject(outdated)
      await expect(noteRoot(store.database, rival, NOW)).rejects.toMatchObject(outdated)
      await noteRoot(store.database, next, NOW)
      expect((await store.registry.users()).map(({ name }) => name)).toEqual(['alice'])
      expect(await beside.revocations.publish({ ...signer, root: 2 }, NOW)).toMatchObject({ number: 1 })
      expect((await lastAudit(store.database, 50)).filter(({ event }) => event === 'rolled-over')).toHaveLength(1)
      await beside.close()
    })

    test('made by two processes at one time have all their own numbers', async () => {
      const beside = await place.open('beside')
      const lists = await Promise.all(
        Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? store : beside).revocations.publish(signer, NOW)),
      )
      const numbers = lists.map(({ number }) => number).sort((a, b) => a - b)
      expect(numbers).toEqual(Array.from({ length: 20 }, (_, at) => at + 1))
      expect(await verifyAudit(store.database, await store.highWater.read())).toMatchObject({
        kind: 'intact',
        rows: 20,
      })
      await beside.close()
    })
  })

  describe('the audit', () => {
    const verify = async () => verifyAudit(store.database, await store.highWater.read())
    const unguarded = async (statement: string): Promise<void> => {
      await place.unguard(store)
      await sql.raw(statement).execute(store.database)
    }

    beforeEach(async () => {
      for (const [at, name] of ['alice', 'bob', 'carol'].entries()) await enrol(name, at + 1)
      await store.revocations.publish(signer, NOW)
    })

    test('is intact as it was written', async () => {
      expect(await verify()).toMatchObject({ kind: 'intact', rows: 7 })
    })

    test.each([
      ['a row that was changed', "UPDATE audit SET detail = 'nothing' WHERE id = 2", 2],
      ['a row that is missing', 'DELETE FROM audit WHERE id = 3', 3],
      ['rows that were cut off at the end', 'DELETE FROM audit WHERE id > 5', 6],
    ])('shows %s', async (_what, statement, row) => {
      await unguarded(statement)
      expect(await verify()).toMatchObject({ kind: 'broken', row })
    })

    test('shows a row that was changed along with its hash, by the one after it', async () => {
      const [first, second] = await readAudit(store.database, 0, 2)
      if (first === undefined || second === undefined) throw new Error('no rows')
      const forged = [first.hash, 2, second.time, second.event, second.subject, 'nothing']
      const hash = toHex(sha256(Buffer.from(JSON.stringify(forged))))
      await unguarded(`UPDATE audit SET detail = 'nothing', hash = '${hash}' WHERE id = 2`)
      expect(await verify()).toMatchObject({ kind: 'broken', row: 3 })
    })

    test('shows a chain that was written anew', async () => {
      const rows = await readAudit(store.database, 0, 100)
      await unguarded('DELETE FROM audit')
      for (const { time, subject } of rows) {
        await store.registry.audit({ time, event: 'refused', subject, detail: 'nothing' })
      }
      expect(await verify()).toMatchObject({ kind: 'broken', row: rows.length })
    })

    test('is one chain, though two processes write it', async () => {
      const beside = await place.open('beside')
      const row = { time: NOW, event: 'refused', subject: 'mallory', detail: 'token-wrong' } as const
      await Promise.all(Array.from({ length: 40 }, (_, at) => (at % 2 === 0 ? store : beside).registry.audit(row)))
      expect(await verify()).toMatchObject({ kind: 'intact', rows: 47 })
      await beside.close()
    })
  })
}
