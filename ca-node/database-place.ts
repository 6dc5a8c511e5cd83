import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fault } from '../shared/errors.ts'
import { exists, openHome, replaceFile } from '../shared/folder.ts'
import type { NetworkId } from '../shared/ids.ts'
import { type Database, openDatabase } from './database.ts'
import { readServerAddress, type ServerAddress } from './database-address.ts'
import { isEmpty, openServer } from './database-server.ts'

/** Where a CA's database is: a file in its home, or on a server. */
export type Place =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'server'; readonly address: ServerAddress }

/** What the home remembers of a server. The password is not in it: PostgreSQL has its own places for that. */
type Memory = {
  /** The address, without a password. */
  readonly server: string
  /** Whether the CA has begun to write there: from then on an empty database is the wrong one. */
  readonly begun: boolean
}

/**
 * Where it is: the given server, else the one that the home remembers, else the file.
 * @param given `postgres://…`
 * @throws LanyardError `input-invalid`, `database-not-moved`, `profile-damaged`
 */
export const findPlace = async (home: string, given: string | undefined): Promise<Place> => {
  const memory = await recall(home)
  const file = filePlace(home)
  const server = given ?? memory?.server
  if (server === undefined) return file
  const address = readServerAddress(server)
  // What is revoked stands in the file: a CA that went on without it would have forgotten that.
  if (memory === null && (await exists(file.path))) throw fault('database-not-moved', file.path)
  return { kind: 'server', address }
}

export const filePlace = (home: string): Extract<Place, { kind: 'file' }> => ({
  kind: 'file',
  path: join(home, 'ca.db'),
})

/**
 * Before the keys are made: a server that does not answer, or serves another CA, is told of while nothing has happened yet.
 * @throws LanyardError `database-foreign`, and all that `openPlace` throws
 */
export const preparePlace = async (home: string, place: Place): Promise<void> => {
  await openHome(home)
  if (place.kind === 'file') return openDatabase(place.path).destroy()
  const database = await openServer(place.address, 'new')
  try {
    if (!(await isEmpty(database)))
      throw fault('database-foreign', 'it has those of another CA; this home is a new one')
  } finally {
    await database.destroy()
  }
  await remember(home, place.address, false)
}

/**
 * Opens it. A server's database knows whose it is.
 * @throws LanyardError `database-foreign`, `database-missing`, `storage-failed`, …
 */
export const openPlace = async (home: string, place: Place, network: NetworkId): Promise<Database> => {
  if (place.kind === 'file') return openDatabase(place.path)
  const database = await openServer(place.address)
  try {
    if (await isEmpty(database)) {
      if ((await recall(home))?.begun !== false) throw fault('database-missing', `${place.address.bare} is empty`)
      await database.transaction().execute((transaction) => setOwner(transaction, network))
    }
    await checkOwner(database, place.address, network)
    return database
  } catch (error) {
    await database.destroy()
    throw error
  }
}

/** Whether a CA with keys in this home has a database, as far as can be told without asking a server. */
export const hasPlace = async (place: Place): Promise<boolean> => place.kind === 'server' || (await exists(place.path))

type Reading = Pick<Database, 'selectFrom'>

const OWNER = 'network'

/** @throws LanyardError `database-foreign` */
export const checkOwner = async (reading: Reading, { bare }: ServerAddress, network: NetworkId): Promise<void> => {
  const owner = await reading.selectFrom('settings').select('value').where('name', '=', OWNER).executeTakeFirst()
  if (owner?.value !== network) throw fault('database-foreign', bare)
}

/** Whose it is from now on, in the caller's transaction. */
export const setOwner = async (
  transaction: Pick<Database, 'deleteFrom' | 'insertInto'>,
  network: NetworkId,
): Promise<void> => {
  await transaction.deleteFrom('settings').where('name', '=', OWNER).execute()
  await transaction.insertInto('settings').values({ name: OWNER, value: network }).execute()
}

const MEMORY = 'database.json'
const shape = z.strictObject({ server: z.string().max(2_000), begun: z.boolean() })

/** From now on the commands find it by themselves. */
export const remember = (home: string, { bare }: ServerAddress, begun = true): Promise<void> =>
  replaceFile(join(home, MEMORY), `${JSON.stringify({ server: bare, begun } satisfies Memory)}\n`)

const recall = async (home: string): Promise<Memory | null> => {
  const path = join(home, MEMORY)
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
    throw fault('profile-damaged', path, cause)
  })
  if (text === null) return null
  const parsed = shape.safeParse(parseJson(text))
  if (!parsed.success) throw fault('profile-damaged', path)
  return parsed.data
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
