import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { fault } from '../shared/errors.ts'
import { openHome } from '../shared/folder.ts'
import { type NetworkId, sha256, toHex } from '../shared/ids.ts'
import { type Attempts, createAttempts } from './attempts.ts'
import { type Database, openDatabase } from './database.ts'
import { filePlace, findPlace, hasPlace, openPlace, type Place } from './database-place.ts'
import { createHighWater, type HighWater } from './high-water.ts'
import { createRegistry, type Registry } from './registry.ts'
import { createRevocations, type Revocations } from './revocations.ts'
import { type CaIdentity, readCaIdentity } from './root-key.ts'

/** All that a CA has written down. */
export type Store = {
  readonly database: Database
  readonly registry: Registry
  readonly revocations: Revocations
  readonly attempts: Attempts
  readonly highWater: HighWater
  /** Names this home among those that use one database. */
  readonly process: string
  close(): Promise<void>
}

/**
 * What a command needs, beside a CA that serves or without one: no passphrase, and none of libp2p, which loads in 0.5 s.
 * @param now milliseconds since the Unix epoch
 * @param server `postgres://…`; without it what the home remembers
 * @throws LanyardError `no-ca`, `database-missing`, `storage-failed`, …
 */
export const openBesideCa = async (
  home: string,
  now: number,
  server?: string,
): Promise<Store & { readonly identity: CaIdentity }> => {
  const identity = await readCaIdentity(home, now)
  const place = await findPlace(home, server)
  // An empty file in the place of a database that is elsewhere would be taken for the real one.
  if (!(await hasPlace(place))) throw fault('database-missing')
  return { identity, ...(await openStore(home, { place, network: identity.anchor.network })) }
}

/**
 * @param where a server, and whose database it has; without it the file in the home
 * @throws LanyardError `storage-failed`, `database-unreachable`, …
 */
export const openStore = async (
  home: string,
  where?: { readonly place: Place; readonly network: NetworkId },
): Promise<Store> => {
  await openHome(home)
  const { place, network } = where ?? { place: filePlace(home), network: null }
  const database = network === null ? openDatabase(place.path) : await openPlace(home, place, network)
  const highWater = createHighWater(home)
  return {
    database,
    registry: createRegistry(database),
    revocations: createRevocations(database, highWater),
    attempts: createAttempts(database),
    highWater,
    process: place.kind === 'server' ? nameOf(home) : 'here',
    close: () => database.destroy(),
  }
}

/** The same at each start, and another one on another machine, even where a whole home was copied. */
const nameOf = (home: string): string =>
  toHex(sha256(new TextEncoder().encode(JSON.stringify([hostname(), resolve(home)])))).slice(0, 16)
