import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { openStore, type Store } from '../../ca-node/beside.ts'
import { replaceDatabase } from '../../ca-node/database.ts'
import { readServerAddress } from '../../ca-node/database-address.ts'
import { checkOwner, type Place, preparePlace, setOwner } from '../../ca-node/database-place.ts'
import { type AllRows, writeRows } from '../../ca-node/database-rows.ts'
import { fillServer } from '../../ca-node/database-server.ts'
import type { NetworkId } from '../../shared/ids.ts'
import { temporaryFolder } from './enrolment.ts'
import type { Postgres } from './postgres.ts'

/** How to find one from another process. */
export type Whereabouts = { readonly home: string; readonly server: string | null }

/** One CA's database, of either kind, empty at the start. */
export type CaDatabase = {
  readonly kind: 'SQLite' | 'PostgreSQL'
  /** The home of the first process. */
  readonly home: string
  /** For `openAt`, in a process of its own. */
  whereabouts(who?: 'first' | 'beside'): Whereabouts
  /** As a process of the CA opens it: `beside` is another one, on PostgreSQL with a home of its own. */
  open(who?: 'first' | 'beside'): Promise<Store>
  /** The database is gone, and a new one stands in its place; the home is as it was. */
  lose(): Promise<void>
  /** Puts rows of a backup in the place of all that it has; nobody has it open. */
  putBack(rows: AllRows): Promise<void>
  /** Takes away what keeps the audit from being changed. */
  unguard(store: Store): Promise<void>
  remove(): Promise<void>
}

/** Makes one. */
export type NewDatabase = () => Promise<CaDatabase>

const NETWORK = 'testnetwork' as NetworkId

export const openAt = ({ home, server }: Whereabouts): Promise<Store> =>
  server === null
    ? openStore(home)
    : openStore(home, { place: { kind: 'server', address: readServerAddress(server) }, network: NETWORK })

export const inFile: NewDatabase = async () => {
  const folder = await temporaryFolder()
  return {
    kind: 'SQLite',
    home: folder.path,
    whereabouts: () => ({ home: folder.path, server: null }),
    open: () => openStore(folder.path),
    lose: async () => {
      for (const rest of ['', '-wal', '-shm']) await rm(join(folder.path, `ca.db${rest}`), { force: true })
    },
    putBack: (rows) => replaceDatabase(join(folder.path, 'ca.db'), (transaction) => writeRows(transaction, rows)),
    unguard: async ({ database }) => {
      for (const name of ['audit_is_never_changed', 'audit_is_never_shortened']) {
        await sql.raw(`DROP TRIGGER ${name}`).execute(database)
      }
    },
    remove: folder.remove,
  }
}

export const onServer =
  (postgres: () => Postgres): NewDatabase =>
  async () => {
    const folder = await temporaryFolder()
    const homes = { first: join(folder.path, 'first'), beside: join(folder.path, 'beside') }
    let place: Extract<Place, { kind: 'server' }>
    const renew = async (): Promise<void> => {
      place = { kind: 'server', address: readServerAddress(await postgres().createDatabase()) }
      await mkdir(homes.first, { recursive: true })
      await preparePlace(homes.first, place)
    }
    await renew()
    return {
      kind: 'PostgreSQL',
      home: homes.first,
      whereabouts: (who = 'first') => ({ home: homes[who], server: place.address.url }),
      open: (who = 'first') => openStore(homes[who], { place, network: NETWORK }),
      lose: renew,
      putBack: (rows) =>
        fillServer(place.address, {
          replace: (transaction) => checkOwner(transaction, place.address, NETWORK),
          fill: async (transaction) => {
            await writeRows(transaction, rows)
            await setOwner(transaction, NETWORK)
          },
        }),
      unguard: async ({ database }) => {
        await sql.raw('DROP TRIGGER audit_is_never_changed ON audit').execute(database)
      },
      remove: folder.remove,
    }
  }
