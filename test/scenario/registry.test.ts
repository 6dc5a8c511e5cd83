import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Newcomer } from '../../ca-node/admission.ts'
import { type Database, openDatabase } from '../../ca-node/database.ts'
import { createRegistry, type Registry } from '../../ca-node/registry.ts'
import type { PeerId } from '../../shared/ids.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { temporaryFolder } from '../support/enrolment.ts'

const NOW = 1_800_000_000_000
const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let database: Database
let registry: Registry
beforeEach(async () => {
  folder = await temporaryFolder()
  database = openDatabase(join(folder.path, 'ca.db'))
  registry = createRegistry(database)
})
afterEach(async () => {
  await database.destroy()
  await folder.remove()
})

/** Somebody whose token, device and serial all carry one number. */
const newcomer = (name: string, number: number, changes: Partial<Newcomer> = {}): Newcomer => ({
  user: user(name),
  peerId: `peer ${number}` as PeerId,
  admission: { kind: 'token', tokenHash: fill(32, number) },
  passwordHash: 'phc',
  spki: fill(8, number),
  addresses: ['/ip4/192.0.2.7/tcp/4200'],
  issued: { der: fill(100, number), serial: `0${number}`, notBefore: NOW, notAfter: NOW + 14 * DAY_MS },
  ...changes,
})

const invite = (...numbers: number[]) =>
  registry.addInvites(
    numbers.map((number) => fill(32, number)),
    NOW + DAY_MS,
    NOW,
  )

const counts = async () => {
  const tables = ['users', 'devices', 'certificates', 'audit'] as const
  const rows = await Promise.all(
    tables.map((table) =>
      database
        .selectFrom(table)
        .select(({ fn }) => fn.countAll<number>().as('n'))
        .executeTakeFirst(),
    ),
  )
  return Object.fromEntries(tables.map((table, at) => [table, rows[at]?.n]))
}

describe('the registry', () => {
  test('writes user, device, certificate, spent token and audit row together', async () => {
    await invite(1)
    expect(await registry.enrol(newcomer('alice', 1), NOW)).toBeNull()
    expect(await counts()).toEqual({ users: 1, devices: 1, certificates: 1, audit: 2 })
    expect(await registry.check(newcomer('bob', 1), NOW)).toMatchObject({ code: 'token-used' })
    expect(await registry.users()).toEqual([
      {
        name: 'alice',
        createdAt: NOW,
        disabled: false,
        devices: [{ peerId: 'peer 1', certificateExpires: NOW + 14 * DAY_MS, revoked: false }],
      },
    ])
  })

  test('writes nothing at all, and spends no token, when a part of it fails', async () => {
    await invite(1, 2)
    await registry.enrol(newcomer('alice', 1), NOW)
    const before = await counts()
    const sameSerial = newcomer('bob', 2, { issued: newcomer('alice', 1).issued })
    await expect(registry.enrol(sameSerial, NOW)).rejects.toThrow(/UNIQUE.*serial/)
    expect(await counts()).toEqual(before)
    expect(await registry.enrol(newcomer('bob', 2), NOW)).toBeNull()
  })

  test('lets one of many in who come with one name at the same instant', async () => {
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
    await invite(...numbers)
    const outcomes = await Promise.all(numbers.map((number) => registry.enrol(newcomer('alice', number), NOW)))
    expect(outcomes.filter((outcome) => outcome === null)).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome?.code === 'name-taken')).toHaveLength(numbers.length - 1)
    const again = await Promise.all(numbers.map((number) => registry.check(newcomer('zoe', number), NOW)))
    expect(again.filter((outcome) => outcome === null)).toHaveLength(numbers.length - 1)
  })

  test('lets one of many in who come with one token at the same instant', async () => {
    await invite(1)
    const outcomes = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name, at) =>
        registry.enrol({ ...newcomer(name, at + 2), admission: { kind: 'token', tokenHash: fill(32, 1) } }, NOW),
      ),
    )
    expect(outcomes.map((outcome) => outcome?.code ?? 'in').sort()).toEqual([
      'in',
      'token-used',
      'token-used',
      'token-used',
    ])
  })

  test('tells nobody without a good token whether a name is taken', async () => {
    await invite(1)
    await registry.enrol(newcomer('alice', 1), NOW)
    expect(await registry.check(newcomer('alice', 9), NOW)).toMatchObject({ code: 'token-wrong' })
    expect(await registry.check(newcomer('alice', 1), NOW)).toMatchObject({ code: 'token-used' })
  })

  test('shuts other queries out of a transaction that waits', async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>()
    const { promise: done, resolve: finish } = Promise.withResolvers<void>()
    const transaction = database.transaction().execute(async (inside) => {
      await inside
        .insertInto('addresses')
        .values({ process: 'here', position: 7, address: 'draft', told_at: NOW })
        .execute()
      open()
      await done
      throw new Error('rolled back')
    })
    await opened
    const outside = registry.addresses()
    finish()
    await expect(transaction).rejects.toThrow('rolled back')
    expect(await outside).toEqual([])
  })

  test('is shared with another process: what one writes the other sees, and neither fails on the other', async () => {
    const second = openDatabase(join(folder.path, 'ca.db'))
    const beside = createRegistry(second)
    const numbers = Array.from({ length: 20 }, (_, at) => at + 1)
    await Promise.all(
      numbers.map((number) => (number % 2 === 0 ? registry : beside).addInvites([fill(32, number)], NOW + 1, NOW)),
    )
    for (const number of numbers) expect(await registry.check(newcomer('alice', number), NOW)).toBeNull()
    await second.destroy()
  })

  test('gives the newest certificates first, one a device, none that has expired, and no more than fit', async () => {
    await invite(1, 2, 3)
    for (const [at, name] of ['a', 'b', 'c'].entries()) await registry.enrol(newcomer(name, at + 1), NOW + at)
    const renewed = { serial: 'ff', device_id: 1, der: fill(100, 9), not_before: NOW, not_after: NOW + 20 * DAY_MS }
    await database
      .insertInto('certificates')
      .values({ ...renewed, issued_at: NOW + 9 })
      .execute()
    const first = async (maxBytes: number, now: number) =>
      (await registry.directory(maxBytes, now)).map(({ certificate: [byte], addresses: [address] }) => [byte, address])
    expect(await first(10_000, NOW)).toEqual([9, 3, 2].map((byte) => [byte, '/ip4/192.0.2.7/tcp/4200']))
    expect(await first(400, NOW)).toHaveLength(2)
    expect(await first(10_000, NOW + 15 * DAY_MS)).toHaveLength(1)
  })

  test('never changes or shortens its audit', async () => {
    await registry.audit({ time: NOW, event: 'refused', subject: 'mallory', detail: 'token-wrong' })
    await expect(database.updateTable('audit').set({ detail: 'nothing' }).execute()).rejects.toThrow(/append-only/)
    await expect(database.deleteFrom('audit').execute()).rejects.toThrow(/append-only/)
    expect(await counts()).toMatchObject({ audit: 1 })
  })

  test('holds strict types and foreign keys, on a durable write-ahead log, for its owner alone', async () => {
    await invite(1)
    const wrongType = sql.raw("UPDATE invites SET expires_at = 'tomorrow'").execute(database)
    await expect(wrongType).rejects.toThrow(/cannot store TEXT/)
    const orphan = { user_id: 99, peer_id: 'x', spki: fill(1, 1), addresses: '[]', created_at: NOW }
    await expect(database.insertInto('devices').values(orphan).execute()).rejects.toThrow(/FOREIGN KEY/)
    const pragma = async (name: string) =>
      Object.values((await sql.raw(`PRAGMA ${name}`).execute(database)).rows[0] ?? {})
    expect(await pragma('journal_mode')).toEqual(['wal'])
    expect(await pragma('synchronous')).toEqual([2])
    for (const file of ['ca.db', 'ca.db-wal', 'ca.db-shm']) {
      expect((await stat(join(folder.path, file))).mode & 0o777).toBe(0o600)
    }
  })

  test('does not open the database of a newer lanyard', async () => {
    const path = join(folder.path, 'newer.db')
    const newer = openDatabase(path)
    await sql.raw('PRAGMA user_version = 99').execute(newer)
    await newer.destroy()
    expect(() => openDatabase(path)).toThrowError(expect.objectContaining({ code: 'storage-failed' }))
  })
})
