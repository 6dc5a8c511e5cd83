import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../../peer/store/database.ts'

/**
 * Asks a peer's database, while the peer may be running: a running one holds the file for itself, so a copy is asked.
 * The copy is whole, since a peer of this process writes only in its own turn; one of another process must have ended.
 */
export const queryCopy = (path: string, sql: string, ...values: readonly string[]): Record<string, unknown>[] => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-copy-'))
  try {
    const copy = join(folder, 'peer.db')
    for (const suffix of ['', '-wal']) if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix)
    const database = openDatabase(copy)
    try {
      return database.prepare(sql).all(...values)
    } finally {
      database.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
