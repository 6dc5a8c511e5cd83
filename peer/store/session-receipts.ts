import type { RoomId } from '../../shared/ids.ts'
import { blob, type Database } from './database.ts'

/** Receipts that we signed when we left a room, as files: the newest of each room. */
export type SessionReceiptStore = ReturnType<typeof createSessionReceiptStore>

export const createSessionReceiptStore = (database: Database) => {
  const put = database.prepare('INSERT OR REPLACE INTO session_receipts (room, file) VALUES (?, ?)')
  const get = database.prepare('SELECT file FROM session_receipts WHERE room = ?')
  return {
    put: (room: RoomId, file: Uint8Array): void => {
      put.run(room, file)
    },
    get: (room: RoomId): Uint8Array | null => {
      const row = get.get(room)
      return row === undefined ? null : blob(row.file)
    },
  }
}
