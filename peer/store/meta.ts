import { type Incarnation, toIncarnation } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'
import { blob, type Database } from './database.ts'

/** Single values of this store. */
export const createMetaStore = (database: Database) => {
  const get = database.prepare('SELECT value FROM meta WHERE name = ?')
  const set = database.prepare('INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)')
  return {
    /** One life of this store: made with it, and made anew when a backup is restored. */
    incarnation: (random: Random): Incarnation => {
      const row = get.get('incarnation')
      if (row !== undefined) return toIncarnation(blob(row.value))
      const made = random.bytes(8)
      set.run('incarnation', made)
      return toIncarnation(made)
    },
  }
}
