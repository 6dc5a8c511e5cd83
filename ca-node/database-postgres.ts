import { setTimeout } from 'node:timers/promises'
import {
  CompiledQuery,
  type Dialect,
  Kysely,
  PostgresAdapter,
  PostgresDriver,
  PostgresIntrospector,
  type PostgresPool,
  type PostgresPoolClient,
  PostgresQueryCompiler,
  type PostgresQueryResult,
  type TransactionBuilder,
  type TransactionSettings,
} from 'kysely'
import pg from 'pg'
import { type Code, fault, LanyardError } from '../shared/errors.ts'
import type { Database } from './database.ts'
import type { ServerAddress } from './database-address.ts'
import { findPassword } from './database-password.ts'
import type { Schema } from './schema.ts'

const CONNECT_TIMEOUT_MS = 5_000 // a server on one's own network answers in milliseconds
const QUERY_TIMEOUT_MS = 30_000 // a server that has gone without a word; a query takes milliseconds
const LOCK_TIMEOUT_MS = 5_000 // as for SQLite: another process writes for milliseconds
const IDLE_TRANSACTION_MS = 60_000 // one that stopped in the middle keeps the others out; a long list takes seconds to sign
const CONNECTIONS = 4 // one writes, the others read
const TRIES = 4 // of a transaction that the server gave up in favour of another
const RETRY_MS = 20 // before the second; it doubles

// Advisory locks have two numbers: "lany", so as to meet nobody else's, and which of ours.
const LANYARD = 0x6c616e79
/** Held by a transaction that writes: one at a time, as SQLite has it, so that none has to be thought of beside another. */
const WRITING = 1
/** Shared by all that have the database open. */
export const PRESENT = [LANYARD, 2] as const

/**
 * A database on a PostgreSQL server. Connections are made as they are needed: it goes on by itself when the server was
 * gone for a while, and only what is asked meanwhile fails.
 * @param company `alone` keeps to one connection, and does not tell others that it has the database open
 */
export const connectPostgres = (address: ServerAddress, company: 'with-others' | 'alone'): Database => {
  const pool = createPool(address, company)
  return new PatientKysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new OneWriterDriver({ pool }),
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    } satisfies Dialect,
  })
}

type Connection = Parameters<PostgresDriver['beginTransaction']>[0]

/** A transaction that writes waits for the others; one that only reads sees the database as it was at its first look. */
class OneWriterDriver extends PostgresDriver {
  override beginTransaction = async (connection: Connection, settings: TransactionSettings): Promise<void> => {
    if (settings.accessMode === 'read only') {
      await connection.executeQuery(CompiledQuery.raw('start transaction isolation level repeatable read read only'))
      return
    }
    await connection.executeQuery(CompiledQuery.raw('start transaction isolation level read committed'))
    try {
      await connection.executeQuery(CompiledQuery.raw('select pg_advisory_xact_lock($1, $2)', [LANYARD, WRITING]))
    } catch (error) {
      await connection.executeQuery(CompiledQuery.raw('rollback'))
      throw error
    }
  }
}

/**
 * Transactions go one behind the other before they take a connection, so that those that only read find one free; and one
 * that the server gave up, in favour of somebody who is not of ours, is tried again. What it did is undone by then.
 */
class PatientKysely extends Kysely<Schema> {
  #line: Promise<unknown> = Promise.resolve()

  override transaction(): TransactionBuilder<Schema> {
    const builder = super.transaction()
    const execute = builder.execute.bind(builder)
    builder.execute = <T>(job: Parameters<typeof execute<T>>[0]): Promise<T> => {
      const turn = this.#line.then(() => patiently(() => execute(job)))
      this.#line = turn.catch(() => undefined)
      return turn
    }
    return builder
  }
}

const patiently = async <T>(job: () => Promise<T>): Promise<T> => {
  for (let tried = 1; ; tried += 1) {
    try {
      return await job()
    } catch (error) {
      if (!isGivenUp(error)) throw error
      if (tried === TRIES) throw fault('database-locked', undefined, error)
    }
    await setTimeout(RETRY_MS * 2 ** tried)
  }
}

/** serialization_failure, deadlock_detected. */
const isGivenUp = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01')

const createPool = (address: ServerAddress, company: 'with-others' | 'alone'): PostgresPool => {
  const pool = new pg.Pool({
    connectionString: address.url,
    application_name: 'lanyard-ca',
    max: company === 'alone' ? 1 : CONNECTIONS,
    Client: SoonClient,
    keepAlive: true,
    query_timeout: QUERY_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_TRANSACTION_MS,
    types: TYPES,
    onConnect: async (client) => {
      if (company === 'with-others') await client.query('select pg_advisory_lock_shared($1, $2)', [...PRESENT])
    },
  })
  pool.on('error', IGNORED)
  const word = (error: unknown): unknown => wordFault(error, address)
  return {
    options: {},
    end: () => pool.end(),
    connect: async () => {
      const client = await pool.connect().catch((error: unknown) => {
        throw word(error)
      })
      return wordedClient(client, word)
    },
  }
}

/** A connection that is lost fails what is asked on it, and is gone from the pool before the next. */
const IGNORED = (): void => undefined

/** The pool's own time limit would be for the wait in its line, too; and it leaves open what has not become a connection. */
class SoonClient extends pg.Client {
  constructor(config: pg.ClientConfig = {}) {
    super({ ...config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS })
    this.on('error', IGNORED)
  }

  override connect(): Promise<pg.Client>
  override connect(done: Connected): void
  override connect(done?: Connected): Promise<pg.Client> | undefined {
    const connected = this.#connect().catch((error: unknown) => {
      this.end().catch(IGNORED)
      throw error
    })
    if (done === undefined) return connected
    connected.then(
      () => done(null, this),
      (error: Error) => done(error, this),
    )
    return
  }

  async #connect(): Promise<pg.Client> {
    const { host, port, database = '', user = '' } = this
    // pg looks into the password file, too, and is about to give that up.
    if (!this.password) this.password = (await findPassword({ host, port, database, user })) ?? undefined
    return super.connect()
  }
}

type Connected = (error: Error | null, client: pg.Client) => void

const BYTEA = 17
const INT8 = 20

/** Numbers, where pg itself gives texts: none of ours is above 2^53. Bytes in memory of their own. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: (type: number, format?: 'text' | 'binary') => {
    const parse = format === 'binary' ? pg.types.getTypeParser(type, 'binary') : pg.types.getTypeParser(type, 'text')
    if (type === INT8) return Number
    return type === BYTEA ? (text: string) => new Uint8Array(parse(text)) : parse
  },
}

const wordedClient = (client: pg.PoolClient, word: (error: unknown) => unknown): PostgresPoolClient => {
  let stuck = false
  const query = async <R>(text: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>> => {
    try {
      return (await client.query(text, [...parameters])) as unknown as PostgresQueryResult<R>
    } catch (error) {
      stuck ||= isTimeout(error) // it would answer the next question with what this one asked
      throw word(error)
    }
  }
  return {
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(destroy === true || stuck),
  }
}

/** In words of its own what an operator can do something about; all else as it is. */
const wordFault = (error: unknown, { bare }: ServerAddress): unknown => {
  if (!(error instanceof Error) || error instanceof LanyardError) return error
  const code = error instanceof pg.DatabaseError ? codeOfState(error.code ?? '') : codeOfTrouble(error)
  const said = isUnasked(error) ? 'it asks for a password, and none was given' : error.message || nameOf(error)
  return code === null ? error : fault(code, `${bare}: ${said}`, error)
}

/** PostgreSQL, appendix A. */
const codeOfState = (state: string): Code | null => {
  if (/^(08|57P0|53300)/.test(state)) return 'database-unreachable' // no connection, shutting down or starting, too many
  if (/^(28|3D000|42501|25006)/.test(state)) return 'database-refused' // who, which database, rights, a standby
  if (state === '53100') return 'disk-full'
  if (state === '55P03') return 'database-locked'
  return null
}

/** Of errors that the server did not send. */
const codeOfTrouble = (error: Error): Code | null => {
  if (isUnasked(error)) return 'database-refused'
  const lost = /^(Connection terminated|timeout expired|Client |The server does not support SSL)/.test(error.message)
  return lost || isTimeout(error) || nameOf(error) !== '' ? 'database-unreachable' : null
}

/** pg's own words, whatever the way in which the server asks. */
const isUnasked = (error: Error): boolean => /password must be a (non-empty )?string/i.test(error.message)

const isTimeout = (error: unknown): boolean => error instanceof Error && error.message === 'Query read timeout'

/** What the operating system or TLS calls it: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
const nameOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' && /^[A-Z_]+$/.test(error.code) ? error.code : ''
