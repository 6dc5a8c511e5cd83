import type { PeerId } from '../../shared/ids.ts'
import { type Database, text } from './database.ts'

/** Where peers were reached before. */
export const createAddressStore = (database: Database) => {
  const insert = database.prepare(
    'INSERT INTO addresses (peer, address, seen) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen',
  )
  const prune = database.prepare(
    `DELETE FROM addresses WHERE peer = ? AND address NOT IN
     (SELECT address FROM addresses WHERE peer = ? ORDER BY seen DESC LIMIT ${KEPT})`,
  )
  const all = database.prepare('SELECT peer, address FROM addresses ORDER BY seen DESC')
  return {
    remember: (peer: PeerId, addresses: readonly string[], now: number): void =>
      database.transaction(() => {
        for (const address of addresses) insert.run(peer, address, now)
        prune.run(peer, peer)
      }),
    all: (): Map<PeerId, string[]> => {
      const known = new Map<PeerId, string[]>()
      for (const row of all.all()) {
        const peer = text(row.peer) as PeerId
        known.set(peer, [...(known.get(peer) ?? []), text(row.address)])
      }
      return known
    },
  }
}

const KEPT = 16 // the newest addresses of a peer: a laptop sees a handful of networks
