import { type Incarnation, toIncarnation } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'
import { blob, type Database } from './database.ts'

/**
 * To be called once on a store that was restored from a backup, before anything else: what was written since the backup was
 * made is not known here, so the next record begins a new log, under new sender keys. The old log stands as far as it goes.
 */
export const beginNewIncarnation = (database: Database): void => {
  database.transaction(() => {
    database.prepare("DELETE FROM meta WHERE name = 'incarnation'").run()
    database.prepare('DELETE FROM own_recipients').run()
    database.prepare('DELETE FROM own_sender_keys').run()
  })
}

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
