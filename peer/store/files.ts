import { z } from 'zod'
import { fault } from '../../shared/errors.ts'
import type { PeerId, RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { blobOrNull, type Database, integer, text, blob as toBlob } from './database.ts'
import type { Sealer } from './sealer.ts'

/** A file or a folder that was offered in a room, and what it is to this device. */
export type ShelvedFile = {
  /** The message that offered it. */
  readonly record: RecordHash
  readonly room: RoomId
  /** `held`: all of it is here. `declined`: our user does not want it, or not any more. */
  readonly state: 'offered' | 'wanted' | 'declined' | 'held'
  /** Wanted, but not now; held, but not served now. */
  readonly paused: boolean
  /** This device offered it: what is held is our user's own, and is never deleted. */
  readonly own: boolean
  /** Bytes. */
  readonly size: number
  /** Of one that is held: where it is. Of any other: the folder that it goes to. */
  readonly path: string
  /** Of one that is held: its files, in the order of the manifest, and what they looked like. */
  readonly parts: readonly { readonly path: string; readonly size: number; readonly stamp: string }[]
  /** The manifest's bytes; null before they are known. */
  readonly encoded: Uint8Array | null
}

/** A device that has all of a file, as far as is known here. */
export type KnownHolder = { readonly device: PeerId; readonly user: UserName }

export type FileStore = ReturnType<typeof createFileStore>

const sealedShape = z.object({
  size: z.number(),
  path: z.string(),
  parts: z.array(z.object({ path: z.string(), size: z.number(), stamp: z.string() })),
})
const STATES = ['offered', 'wanted', 'declined', 'held'] as const

export const createFileStore = (database: Database, sealer: Sealer) => {
  const put = database.prepare(
    `INSERT INTO files (record, room, state, paused, own, sealed, encoded) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (record) DO UPDATE SET room = excluded.room, state = excluded.state, paused = excluded.paused,
       own = excluded.own, sealed = excluded.sealed, encoded = excluded.encoded`,
  )
  const get = database.prepare('SELECT * FROM files WHERE record = ?')
  const all = database.prepare('SELECT * FROM files ORDER BY rowid')
  const remove = database.prepare('DELETE FROM files WHERE record = ?')
  const addHolder = database.prepare('INSERT OR REPLACE INTO file_holders (record, device, user) VALUES (?, ?, ?)')
  const holders = database.prepare('SELECT device, user FROM file_holders WHERE record = ? ORDER BY user, device')
  const removeHolders = database.prepare('DELETE FROM file_holders WHERE record = ?')
  const placeOf = (record: RecordHash): string => `files.sealed.${record}`
  const toFile = (row: Record<string, unknown>): ShelvedFile => {
    const record = text(row.record) as RecordHash
    const state = STATES.find((known) => known === text(row.state))
    const opened = new TextDecoder().decode(sealer.open(placeOf(record), toBlob(row.sealed)))
    const sealed = sealedShape.safeParse(JSON.parse(opened))
    if (state === undefined || !sealed.success) throw fault('storage-failed', `the file ${record} is not one`)
    const { size, path, parts } = sealed.data
    return {
      record,
      room: text(row.room) as RoomId,
      state,
      paused: integer(row.paused) === 1,
      own: integer(row.own) === 1,
      size,
      path,
      parts,
      encoded: blobOrNull(row.encoded),
    }
  }
  return {
    put: ({ record, room, state, paused, own, size, path, parts, encoded }: ShelvedFile): void =>
      database.transaction(() => {
        const sealed = sealer.seal(placeOf(record), new TextEncoder().encode(JSON.stringify({ size, path, parts })))
        put.run(record, room, state, paused ? 1 : 0, own ? 1 : 0, sealed, encoded)
      }),
    get: (record: RecordHash): ShelvedFile | null => {
      const row = get.get(record)
      return row === undefined ? null : toFile(row)
    },
    all: (): ShelvedFile[] => all.all().map(toFile),
    remove: (record: RecordHash): void =>
      database.transaction(() => {
        remove.run(record)
        removeHolders.run(record)
      }),
    addHolder: (record: RecordHash, { device, user }: KnownHolder): void =>
      database.transaction(() => {
        addHolder.run(record, device, user)
      }),
    holders: (record: RecordHash): KnownHolder[] =>
      holders.all(record).map((row) => ({ device: text(row.device) as PeerId, user: text(row.user) as UserName })),
  }
}
