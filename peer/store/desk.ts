import { blob, type Database } from './database.ts'
import type { Sealer } from './sealer.ts'

/** What the user has on the desk, and tells nobody: drafts by room, rooms that are muted, users that are blocked, or compared. */
export type DeskKind = 'draft' | 'muted' | 'blocked' | 'compared'

export type DeskStore = ReturnType<typeof createDeskStore>

export const createDeskStore = (database: Database, sealer: Sealer) => {
  const put = database.prepare(
    'INSERT INTO desk (kind, name, sealed) VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET sealed = excluded.sealed',
  )
  const get = database.prepare('SELECT sealed FROM desk WHERE kind = ? AND name = ?')
  const all = database.prepare('SELECT sealed FROM desk WHERE kind = ?')
  const remove = database.prepare('DELETE FROM desk WHERE kind = ? AND name = ?')
  const nameOf = (kind: DeskKind, name: string): Uint8Array => sealer.blind(`desk.${kind}`, name)
  const open = (kind: DeskKind, sealed: unknown): string =>
    new TextDecoder().decode(sealer.open(`desk.${kind}`, blob(sealed)))
  return {
    put: (kind: DeskKind, name: string, value: string): void => {
      put.run(kind, nameOf(kind, name), sealer.seal(`desk.${kind}`, new TextEncoder().encode(value)))
    },
    get: (kind: DeskKind, name: string): string | null => {
      const row = get.get(kind, nameOf(kind, name))
      return row === undefined ? null : open(kind, row.sealed)
    },
    all: (kind: DeskKind): string[] => all.all(kind).map((row) => open(kind, row.sealed)),
    remove: (kind: DeskKind, name: string): void => {
      remove.run(kind, nameOf(kind, name))
    },
  }
}
