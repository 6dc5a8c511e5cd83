import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Database, openAlone, openDatabase } from '../../ca-node/database.ts'
import { temporaryFolder } from '../support/enrolment.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let database: Database
beforeEach(async () => {
  folder = await temporaryFolder()
  database = openDatabase(join(folder.path, 'ca.db'))
})
afterEach(async () => {
  await database.destroy()
  await folder.remove()
})

describe('the database in a file', () => {
  test('holds strict types, on a durable write-ahead log, for its owner alone', async () => {
    await database.insertInto('settings').values({ name: 'mode', value: 'open' }).execute()
    const attempt = { key: 'all', tries: 'many' as unknown as number, since: 0, until: 0, strikes: 0 }
    await expect(database.insertInto('attempts').values(attempt).execute()).rejects.toThrow(/cannot store TEXT/)
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

  test('is opened alone when nobody else has it open, and keeps the others out until then', async () => {
    const path = join(folder.path, 'ca.db')
    expect(() => openAlone(path)).toThrowError(expect.objectContaining({ code: 'profile-in-use' }))
    await database.destroy()
    const alone = openAlone(path)
    expect(await alone.selectFrom('users').selectAll().execute()).toEqual([])
    expect(() => openDatabase(path)).toThrowError(expect.objectContaining({ code: 'database-locked' }))
    await alone.destroy()
    database = openDatabase(path)
  })
})
