import { z } from 'zod'
import { bytes, codec } from '../../shared/codec.ts'
import { fault, isRefusal } from '../../shared/errors.ts'
import {
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  type RoomId,
  toRecordHash,
  type UserName,
} from '../../shared/ids.ts'
import { AFTER_MAX, RECORD_MAX_BYTES, VOID_FACTS_MAX } from '../../shared/limits.ts'
import { blob, type Database, integer, text } from './database.ts'
import type { LogId } from './log-id.ts'

/** A room that is not everybody's from the start: of two users, or founded by a record in it. */
export type KnownRoom =
  | { readonly room: RoomId; readonly kind: 'direct'; readonly other: UserName }
  | { readonly room: RoomId; readonly kind: 'founded' }

/** A record that cites membership records, or is one: from it on, its log knows them. */
export type Citation = {
  readonly log: LogId
  readonly seq: number
  readonly hash: RecordHash
  readonly cited: readonly RecordHash[]
}

export type RoomStore = ReturnType<typeof createRoomStore>

const citedCodec = codec<readonly Uint8Array[]>(z.array(bytes(32)).max(AFTER_MAX), RECORD_MAX_BYTES)

export const createRoomStore = (database: Database) => {
  const add = database.prepare('INSERT OR IGNORE INTO rooms (room, kind, other) VALUES (?, ?, ?)')
  const all = database.prepare('SELECT * FROM rooms ORDER BY room')
  const cite = database.prepare(
    'INSERT OR IGNORE INTO citations (room, device, inc, seq, hash, cited) VALUES (?, ?, ?, ?, ?, ?)',
  )
  const countVoid = database.prepare('SELECT COUNT(*) AS count FROM void_facts WHERE room = ?')
  const keepVoid = database.prepare('INSERT OR IGNORE INTO void_facts (hash, room, wire) VALUES (?, ?, ?)')
  const citations = database.prepare('SELECT * FROM citations WHERE room = ? ORDER BY arrival')
  const toRoom = (row: Record<string, unknown>): KnownRoom => {
    const room = text(row.room) as RoomId
    return row.kind === 'direct'
      ? { room, kind: 'direct', other: text(row.other) as UserName }
      : { room, kind: 'founded' }
  }
  return {
    add: (known: KnownRoom): void => {
      add.run(known.room, known.kind, known.kind === 'direct' ? known.other : null)
    },
    all: (): KnownRoom[] => all.all().map(toRoom),
    cite: ({ log, seq, hash, cited }: Citation): void => {
      cite.run(log.room, log.device, log.incarnation, seq, hash, citedCodec.encode(cited.map(fromHex)))
    },
    /** Keeps a membership record that counts for nobody, for those who cite it. @returns false: there are too many of the room */
    keepVoid: (room: RoomId, hash: RecordHash, wire: Uint8Array): boolean => {
      if (integer(countVoid.get(room)?.count) >= VOID_FACTS_MAX) return false
      keepVoid.run(hash, room, wire)
      return true
    },
    /** Those of one room, each after all that it cites. @throws LanyardError `storage-failed` */
    citations: (room: RoomId): Citation[] =>
      citations.all(room).map((row) => {
        const cited = citedCodec.decode(blob(row.cited))
        if (isRefusal(cited)) throw fault('storage-failed', 'a citation that is none')
        return {
          log: { room, device: text(row.device) as PeerId, incarnation: text(row.inc) as Incarnation },
          seq: integer(row.seq),
          hash: text(row.hash) as RecordHash,
          cited: cited.map(toRecordHash),
        }
      }),
  }
}
