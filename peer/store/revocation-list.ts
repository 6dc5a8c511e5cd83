import { blob, type Database } from './database.ts'

export type RevocationListStore = ReturnType<typeof createRevocationListStore>

/** The newest revocation list, and older ones that are kept beside it, as the root signed them. */
export const createRevocationListStore = (database: Database) => {
  const get = database.prepare('SELECT der FROM revocation_list')
  const set = database.prepare(
    'INSERT INTO revocation_list (one, der) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET der = excluded.der',
  )
  const kept = database.prepare('SELECT der FROM kept_revocation_lists ORDER BY place')
  const forget = database.prepare('DELETE FROM kept_revocation_lists')
  const keep = database.prepare('INSERT INTO kept_revocation_lists (place, der) VALUES (?, ?)')
  return {
    get: (): Uint8Array | null => {
      const row = get.get()
      return row === undefined ? null : blob(row.der)
    },
    kept: (): Uint8Array[] => kept.all().map(({ der }) => blob(der)),
    /** Stored at once. Resolves when it is on the disk too: a power cut must not bring a revoked device back. */
    put: async (der: Uint8Array, older: readonly Uint8Array[] = []): Promise<void> => {
      database.transaction(() => {
        set.run(der)
        forget.run()
        for (const [place, list] of older.entries()) keep.run(place, list)
      })
      await database.flushed()
    },
  }
}
