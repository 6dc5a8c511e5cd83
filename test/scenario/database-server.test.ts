import { sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readServerAddress } from '../../ca-node/database-address.ts'
import { fillServer, openServer } from '../../ca-node/database-server.ts'
import { SCHEMA_VERSION } from '../../ca-node/schema.ts'
import { MIGRATIONS as POSTGRES } from '../../ca-node/schema-postgres.ts'
import { MIGRATIONS as SQLITE } from '../../ca-node/schema-sqlite.ts'
import { systemClock } from '../../shared/clock.ts'
import { inFile, onServer } from '../support/ca-databases.ts'
import { CROWD, enrolCrowd, inviteCrowd, type Outcome } from '../support/crowd.ts'
import { describeWithPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { halfDone } from '../support/whole.ts'

describe('the address of a database', () => {
  test.each([
    ['postgres://ca@localhost/lanyard', 'postgres://ca@localhost/lanyard'],
    ['postgresql://ca:secret@127.0.0.1:5433/lanyard', 'postgresql://ca@127.0.0.1:5433/lanyard'],
    ['postgres:///lanyard?host=/run/postgresql&password=secret', 'postgres:///lanyard?host=%2Frun%2Fpostgresql'],
    [
      'postgres://ca:secret@db.example/lanyard?sslmode=verify-full',
      'postgres://ca@db.example/lanyard?sslmode=verify-full',
    ],
    ['postgres://ca@db.example/lanyard?sslmode=disable', 'postgres://ca@db.example/lanyard?sslmode=disable'],
  ])('%s is taken, and shown without its password', (given, bare) => {
    expect(readServerAddress(given).bare).toBe(bare)
  })

  test.each([
    'ca.db',
    'mysql://ca:secret@localhost/lanyard',
    'postgres://ca:secret@localhost',
    'postgres://ca:secret@db.example/lanyard',
    'postgres://ca:secret@db.example/lanyard?sslmode=require',
    'postgres://ca:secret@/lanyard?host=db.example',
  ])('%s is not, and the words do not repeat the password', (given) => {
    expect(() => readServerAddress(given)).toThrowError(
      expect.objectContaining({ code: 'input-invalid', message: expect.not.stringContaining('secret') }),
    )
  })
})

test('both kinds of database have the same version', () => {
  expect([SQLITE.length, POSTGRES.length]).toEqual([SCHEMA_VERSION, SCHEMA_VERSION])
})

describeWithPostgres('a database on a server', () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres?.stop())
  const open = (url: string) => openServer(readServerAddress(url), 'new')

  test('has the tables and columns of the one in a file', async () => {
    const [file, server] = [await inFile(), await onServer(() => postgres)()]
    const [inTheFile, onTheServer] = [await file.open(), await server.open()]
    const PRIMARY = new Set(['id', 'number']) // SQLite calls its row numbers nullable
    const tablesOf = async ({ introspection }: typeof inTheFile.database) =>
      (await introspection.getTables())
        .filter(({ name }) => !/^(sqlite_|schema_version$)/.test(name))
        .map(({ name, columns }) => ({
          name,
          columns: columns
            .map((column) => `${column.name}${column.isNullable && !PRIMARY.has(column.name) ? '?' : ''}`)
            .sort(),
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    expect(await tablesOf(onTheServer.database)).toEqual(await tablesOf(inTheFile.database))
    for (const [store, place] of [
      [inTheFile, file],
      [onTheServer, server],
    ] as const) {
      await store.close()
      await place.remove()
    }
  })

  test('is made once, by however many start at the same instant', async () => {
    const url = await postgres.createDatabase()
    const opened = await Promise.all(Array.from({ length: 6 }, () => open(url)))
    for (const database of opened) expect(await database.selectFrom('users').selectAll().execute()).toEqual([])
    await Promise.all(opened.map((database) => database.destroy()))
  })

  test('of a newer lanyard, of another program, and with nothing in it are told apart', async () => {
    const url = await postgres.createDatabase()
    await expect(openServer(readServerAddress(url))).rejects.toMatchObject({ code: 'database-missing' })
    const newer = await open(url)
    await sql`UPDATE schema_version SET version = 99`.execute(newer)
    await newer.destroy()
    await expect(open(url)).rejects.toMatchObject({ code: 'storage-failed' })
    const foreign = await postgres.createDatabase()
    await ask(foreign, 'CREATE TABLE users (id int)')
    await expect(open(foreign)).rejects.toMatchObject({ code: 'database-foreign' })
    const fill = () =>
      fillServer(readServerAddress(foreign), { replace: async () => undefined, fill: async () => undefined })
    await expect(fill()).rejects.toMatchObject({ code: 'database-foreign' })
  })

  test('lets in who has the password and nobody else, and says so', async () => {
    const url = await postgres.createDatabase('guarded')
    await expect(open(url)).rejects.toMatchObject({ code: 'database-refused' })
    await expect(open(url.replace('guarded@', 'guarded:wrong@'))).rejects.toMatchObject({
      code: 'database-refused',
      message: expect.not.stringContaining('wrong'),
    })
    await expect(open(url.replace(/ca_\w+/, 'no_such_database').replace('guarded@', 'lanyard@'))).rejects.toMatchObject(
      {
        code: 'database-refused',
      },
    )
    const database = await open(url.replace('guarded@', 'guarded:guarded@'))
    await database.destroy()
    await expect(open('postgres://lanyard@127.0.0.1:1/none')).rejects.toMatchObject({ code: 'database-unreachable' })
  })

  test('that gives a transaction up in favour of a stranger is asked again, a few times', async () => {
    const database = await open(await postgres.createDatabase())
    let tries = 0
    const write = (givenUp: number) =>
      database.transaction().execute(async (transaction) => {
        tries += 1
        await transaction
          .insertInto('settings')
          .values({ name: `${givenUp} given up, try ${tries}`, value: '' })
          .execute()
        const code = tries % 2 === 0 ? '40001' : '40P01'
        if (tries <= givenUp)
          await sql.raw(`DO $$ BEGIN RAISE EXCEPTION 'later' USING ERRCODE = '${code}'; END $$`).execute(transaction)
      })
    await write(2)
    expect(await database.selectFrom('settings').select('name').execute()).toEqual([{ name: '2 given up, try 3' }])
    tries = 0
    await expect(write(Number.POSITIVE_INFINITY)).rejects.toMatchObject({ code: 'database-locked' })
    expect(tries).toBe(4)
    await database.destroy()
  })

  test('is not held up for ever by a process that stopped while it wrote', async () => {
    const url = await postgres.createDatabase()
    const [one, two] = [await open(url), await open(`${url}&lock_timeout=200`)]
    const { rows } =
      await sql`SELECT current_setting('lock_timeout') AS lock, current_setting('idle_in_transaction_session_timeout') AS idle`.execute(
        one,
      )
    expect(Object.values(rows[0] ?? {})).toEqual(['5s', '1min'])
    const { promise: writing, resolve } = Promise.withResolvers<void>()
    const { promise: woken, resolve: wake } = Promise.withResolvers<void>()
    const stopped = one.transaction().execute(async () => {
      resolve()
      await woken
    })
    await writing
    const row = { name: 'mode', value: 'open' }
    const write = () => two.transaction().execute((inside) => inside.insertInto('settings').values(row).execute())
    await expect(write()).rejects.toMatchObject({ code: 'database-locked' })
    wake()
    await stopped
    await write()
    await Promise.all([one.destroy(), two.destroy()])
  })

  test('is killed while 200 come in: who was told to be in is, nothing is half done, and the CA goes on', async () => {
    const place = await onServer(() => postgres)()
    const store = await place.open()
    await inviteCrowd(store, systemClock.now())
    const told: Outcome[] = []
    let cut: Promise<void> | null = null
    const outcomes = await enrolCrowd(store, CROWD, {
      onOutcome: (outcome) => {
        if (outcome.code === 'in') told.push(outcome)
        if (told.length === 3) cut ??= postgres.kill()
      },
    })
    expect(outcomes.some(({ code }) => code === 'database-unreachable')).toBe(true)
    await expect(store.registry.users()).rejects.toMatchObject({ code: 'database-unreachable' })
    await cut
    await postgres.start()
    const names = (await store.registry.users()).map(({ name }) => name)
    expect(told.filter(({ name }) => !names.includes(name))).toEqual([])
    expect(await halfDone(store)).toEqual([])
    await enrolCrowd(store, CROWD)
    expect(await store.registry.users()).toHaveLength(131)
    expect(await halfDone(store)).toEqual([])
    await store.close()
    await place.remove()
  })

  test('that is gone while nothing is asked, or in the middle of a transaction, does not take the process with it', async () => {
    const database = await open(await postgres.createDatabase())
    const restart = async (): Promise<void> => {
      await postgres.kill()
      await postgres.start()
    }
    await restart()
    expect(await database.selectFrom('settings').selectAll().execute()).toEqual([])
    const cut = database.transaction().execute(async (transaction) => {
      await transaction.insertInto('settings').values({ name: 'mode', value: 'open' }).execute()
      await restart()
    })
    await expect(cut).rejects.toMatchObject({ code: 'database-unreachable' })
    expect(await database.selectFrom('settings').selectAll().execute()).toEqual([])
    await database.destroy()
  })
})

const ask = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement)
  await client.end()
}
