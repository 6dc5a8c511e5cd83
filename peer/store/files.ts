import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { blob, type Database, text } from './database.ts'
import type { Sealer } from './sealer.ts'

/** A file that we hold whole (our own, or fetched), or want to have. */
export type ShelvedFile = {
  /** The message that offered it. */
  readonly record: RecordHash
  readonly room: RoomId
  readonly state: 'wanted' | 'held'
  /** Of a file that is held: where it is. Of one that is wanted: the folder that it goes to. */
  readonly path: string
  /** The manifest's bytes; null before they are known. */
  readonly encoded: Uint8Array | null
}

export type FileStore = ReturnType<typeof createFileStore>

export const createFileStore = (database: Database, sealer: Sealer) => {
  const put = database.prepare(
    `INSERT INTO files (record, room, state, sealed_path, encoded) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (record) DO UPDATE SET room = excluded.room, state = excluded.state, sealed_path = excluded.sealed_path, encoded = excluded.encoded`,
  )
  const get = database.prepare('SELECT * FROM files WHERE record = ?')
  const wanted = database.prepare("SELECT * FROM files WHERE state = 'wanted' ORDER BY rowid")
  const remove = database.prepare('DELETE FROM files WHERE record = ?')
  const toFile = (row: Record<string, unknown>): ShelvedFile => {
    const record = text(row.record) as RecordHash
    return {
      record,
      room: text(row.room) as RoomId,
      state: text(row.state) === 'held' ? 'held' : 'wanted',
      path: new TextDecoder().decode(sealer.open(`files.path.${record}`, blob(row.sealed_path))),
      encoded: row.encoded === null ? null : blob(row.encoded),
    }
  }
  const orNull = (row: Record<string, unknown> | undefined): ShelvedFile | null =>
    row === undefined ? null : toFile(row)
  return {
    put: (file: ShelvedFile): void =>
      database.transaction(() => {
        const path = sealer.seal(`files.path.${file.record}`, new TextEncoder().encode(file.path))
        put.run(file.record, file.room, file.state, path, file.encoded)
      }),
    get: (record: RecordHash): ShelvedFile | null => orNull(get.get(record)),
    wanted: (): ShelvedFile[] => wanted.all().map(toFile),
    remove: (record: RecordHash): void => {
      remove.run(record)
    },
  }
}
