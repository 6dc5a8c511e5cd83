import { blob, type Database } from './database.ts'

export type RevocationListStore = ReturnType<typeof createRevocationListStore>

/** The newest revocation list, as the root signed it. */
export const createRevocationListStore = (database: Database) => {
  const get = database.prepare('SELECT der FROM revocation_list')
  const set = database.prepare(
    'INSERT INTO revocation_list (one, der) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET der = excluded.der',
  )
  return {
    get: (): Uint8Array | null => {
      const row = get.get()
      return row === undefined ? null : blob(row.der)
    },
    /** Stored at once. Resolves when it is on the disk too: a power cut must not bring a revoked device back. */
    put: async (der: Uint8Array): Promise<void> => {
      database.transaction(() => {
        set.run(der)
      })
      await database.flushed()
    },
  }
}
