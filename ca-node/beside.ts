import { join } from 'node:path'
import { openHome } from '../shared/folder.ts'
import { type Attempts, createAttempts } from './attempts.ts'
import { type Database, openDatabase } from './database.ts'
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
  close(): Promise<void>
}

/**
 * What a command needs, beside a CA that serves or without one: no passphrase, and none of libp2p, which loads in 0.5 s.
 * @param now milliseconds since the Unix epoch
 * @throws LanyardError `no-ca`, `storage-failed`, …
 */
export const openBesideCa = async (home: string, now: number): Promise<Store & { readonly identity: CaIdentity }> => ({
  identity: await readCaIdentity(home, now),
  ...(await openStore(home)),
})

/** @throws LanyardError `storage-failed` */
export const openStore = async (home: string): Promise<Store> => {
  await openHome(home)
  const database = openDatabase(join(home, 'ca.db'))
  const highWater = createHighWater(home)
  return {
    database,
    registry: createRegistry(database),
    revocations: createRevocations(database, highWater),
    attempts: createAttempts(database),
    highWater,
    close: () => database.destroy(),
  }
}
