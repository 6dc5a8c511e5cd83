import { type Incarnation, type PeerId, toIncarnation } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'
import { blob, type Database } from './database.ts'

/**
 * To be called once on a store that was restored from a backup, before anything else: what was written since the backup was
 * made is not known here, so the next record begins a new log, under new sender keys. The old log stands as far as it goes.
 * The prekey gives way to a new one at the start: a machine that still runs with the old one's secret does not read along.
 */
export const beginNewIncarnation = (database: Database): void => {
  database.transaction(() => {
    database.prepare("DELETE FROM meta WHERE name = 'incarnation'").run()
    database.prepare('DELETE FROM own_recipients').run()
    database.prepare('DELETE FROM own_sender_keys').run()
    database.prepare('UPDATE own_prekeys SET created = 0 WHERE rotated IS NULL').run()
  })
}

/** Single values of this store. */
export const createMetaStore = (database: Database) => {
  const get = database.prepare('SELECT value FROM meta WHERE name = ?')
  const set = database.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)')
  const remove = database.prepare('DELETE FROM meta WHERE name = ?')
  const read = (name: string): Uint8Array | null => {
    const row = get.get(name)
    return row === undefined ? null : blob(row.value)
  }
  return {
    /** One life of this store: made with it, and anew when a backup is restored, or its device has another key. */
    incarnation: (random: Random): Incarnation => {
      const kept = read('incarnation')
      if (kept !== null) return toIncarnation(kept)
      const made = random.bytes(8)
      set.run('incarnation', made)
      return toIncarnation(made)
    },
    /** Notes whose store this is. @returns whether it was another device's until now; then the incarnation ends here */
    moveTo: (device: PeerId): boolean => {
      const before = read('device')
      const name = new TextEncoder().encode(device)
      if (before !== null && Buffer.compare(before, name) === 0) return false
      set.run('device', name)
      if (before === null) return false
      remove.run('incarnation')
      return true
    },
  }
}
