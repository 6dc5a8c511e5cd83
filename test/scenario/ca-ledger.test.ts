import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readAudit, verifyAudit } from '../../ca-node/audit.ts'
import { openStore, type Store } from '../../ca-node/beside.ts'
import { startPublisher } from '../../ca-node/publisher.ts'
import type { CrlOrder } from '../../ca-node/revocations.ts'
import { type PeerId, sha256, toHex } from '../../shared/ids.ts'
import {
  CERTIFICATE_LIFETIME_MS,
  CRL_ENTRY_KEPT_MS,
  CRL_INTERVAL_MS,
  DAY_MS,
  ENROLMENT_TRIES,
  ENROLMENT_TRIES_GLOBAL,
  ENROLMENT_WINDOW_MS,
} from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { manualClock, temporaryFolder } from '../support/enrolment.ts'

const NOW = 1_800_000_000_000
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let store: Store
beforeEach(async () => {
  folder = await temporaryFolder()
  store = await openStore(folder.path)
})
afterEach(async () => {
  await store.close()
  await folder.remove()
})

/** A user with one device and one certificate, all of one number. */
const enrol = async (name: string, number: number): Promise<void> => {
  await store.registry.addInvites([fill(32, number)], NOW + DAY_MS, NOW)
  const issued = { der: fill(9, number), serial: `0${number}`, notBefore: NOW, notAfter: NOW + CERTIFICATE_LIFETIME_MS }
  const admission = { kind: 'token', tokenHash: fill(32, number) } as const
  const device = { peerId: `peer ${number}` as PeerId, spki: fill(8, number), addresses: [] }
  expect(
    await store.registry.enrol({ user: user(name), admission, passwordHash: 'phc', ...device, issued }, NOW),
  ).toBeNull()
}

/** Signs nothing: a list that can be looked into. */
const sign = async ({ number, entries, now }: CrlOrder) => ({
  der: Buffer.from(`${number}: ${entries.map(({ serial, reason }) => `${serial} ${reason}`).join(', ')}`),
  nextUpdate: now + 14 * DAY_MS,
})
const text = (der: Uint8Array): string => Buffer.from(der).toString()

describe('the revocation lists', () => {
  test('name each revoked certificate with its reason, until 30 days after its end', async () => {
    await enrol('alice', 1)
    await enrol('bob', 2)
    await store.revocations.revoke({ user: 'alice' }, 'keyCompromise', NOW)
    expect(text((await store.revocations.publish(sign, NOW)).der)).toBe('1: 01 keyCompromise')
    await store.revocations.revoke({ peerId: 'peer 2' }, 'superseded', NOW + 1)
    const end = NOW + CERTIFICATE_LIFETIME_MS + CRL_ENTRY_KEPT_MS
    expect(text((await store.revocations.publish(sign, end - 1)).der)).toBe('2: 01 keyCompromise, 02 superseded')
    expect(text((await store.revocations.publish(sign, end)).der)).toBe('3: ')
  })

  test('keep a revocation for ever: the database itself refuses to lift one', async () => {
    await enrol('alice', 1)
    await store.revocations.revoke({ user: 'alice' }, 'unspecified', NOW)
    await expect(store.database.deleteFrom('revocations').execute()).rejects.toThrow(/for ever/)
  })

  test('are numbered above all before, even where the database was put back', async () => {
    for (let count = 0; count < 3; count += 1) await store.revocations.publish(sign, NOW + count)
    await store.close()
    for (const rest of ['', '-wal', '-shm']) await rm(join(folder.path, `ca.db${rest}`), { force: true })
    store = await openStore(folder.path)
    expect(await store.revocations.publish(sign, NOW)).toMatchObject({ number: 4 })
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
    expect(text((await store.revocations.publish(sign, NOW)).der)).toBe('42: 01 keyCompromise, ff unspecified')
  })

  test('are made at the first start, once a day by the wall clock, and at each revocation written down beside', async () => {
    const clock = manualClock(NOW)
    const publisher = await startPublisher({ revocations: store.revocations, sign, clock, log: () => undefined })
    expect(publisher.latest().number).toBe(1)
    clock.advance(CRL_INTERVAL_MS - 1)
    expect(await publisher.refresh()).toMatchObject({ number: 1 })
    clock.advance(1)
    expect(await publisher.refresh()).toMatchObject({ number: 2 })
    await enrol('alice', 1)
    const beside = await openStore(folder.path)
    await beside.revocations.revoke({ user: 'alice' }, 'unspecified', clock.now())
    await beside.close()
    await expect.poll(() => text(publisher.latest().der), { timeout: 10_000 }).toBe('3: 01 unspecified')
    await publisher.stop()
  })

  test('are not made by a clock that is behind the last one: the CA does not start, and says so', async () => {
    await store.revocations.publish(sign, NOW)
    const parts = { revocations: store.revocations, sign, log: () => undefined }
    await expect(startPublisher({ ...parts, clock: manualClock(NOW - DAY_MS) })).rejects.toMatchObject({
      code: 'clock-behind',
    })
    const late = await startPublisher({ ...parts, clock: manualClock(NOW - 1_000) })
    await late.stop()
  })
})

describe('the audit', () => {
  const verify = async () => verifyAudit(store.database, await store.highWater.read())
  const unguarded = async (statement: string): Promise<void> => {
    for (const name of ['audit_is_never_changed', 'audit_is_never_shortened']) {
      await sql.raw(`DROP TRIGGER ${name}`).execute(store.database)
    }
    await sql.raw(statement).execute(store.database)
  }

  beforeEach(async () => {
    for (const [at, name] of ['alice', 'bob', 'carol'].entries()) await enrol(name, at + 1)
    await store.revocations.publish(sign, NOW)
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
})

describe('tries to enrol', () => {
  test('are counted by PeerId, by invite, by name and altogether, and outlive a restart', async () => {
    const peer = 'peer' as PeerId
    const times = async (tries: number, job: (index: number) => Promise<unknown>) => {
      for (let index = 0; index < tries; index += 1) await job(index)
    }
    await times(ENROLMENT_TRIES, async () => expect(await store.attempts.begin(peer, NOW)).toBeNull())
    await times(ENROLMENT_TRIES, () => store.attempts.invited(fill(32, 1), NOW))
    await times(ENROLMENT_TRIES, () => store.attempts.guess('alice', NOW))
    await store.close()
    store = await openStore(folder.path)
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
})
