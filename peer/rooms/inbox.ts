import { isRefusal } from '../../shared/errors.ts'
import type { PeerId, RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { toIncarnation } from '../../shared/ids.ts'
import { type MessageContent, messageContentCodec } from '../../shared/wire/bodies.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import type { Group } from '../group/group.ts'
import type { OpenedMessage } from '../log/ingest.ts'
import type { RecordStore, StoredRecord } from '../store/records.ts'
import type { Directory } from './directory.ts'

/** One message as it is shown. */
export type Message = {
  readonly id: RecordHash
  readonly room: RoomId
  readonly user: UserName
  readonly device: PeerId
  /** Milliseconds since the epoch, by the author's hybrid clock. */
  readonly time: number
  readonly own: boolean
  /** Null while no key is here for it. */
  readonly content: MessageContent | null
}

export type Inbox = {
  /** The newest messages of a room, oldest first, in the same order at every member. */
  history(room: RoomId, limit: number): Message[]
  get(id: RecordHash): Message | null
  /** The message that has just been opened, without asking the store; null when it is none. */
  opened(message: OpenedMessage): Message | null
}

export type InboxParts = {
  readonly records: RecordStore
  readonly directory: Directory
  readonly group: Group
  readonly self: PeerId
}

export const createInbox = ({ records, directory, group, self }: InboxParts): Inbox => {
  const shown = (record: Shown, content: MessageContent | null): Message | null => {
    const { hash: id, room, device, ms: time } = record
    const author = directory.resolve(record.author)
    return author === null ? null : { id, room, user: author.user, device, time, own: device === self, content }
  }
  const read = (stored: StoredRecord): Message | null => shown(stored, contentOf(stored))
  const contentOf = (stored: StoredRecord): MessageContent | null => {
    const header = headerCodec.decode(stored.header)
    if (isRefusal(header) || header.key === undefined || stored.key === null) return null
    const log = { room: stored.room, device: stored.device, incarnation: toIncarnation(header.inc) }
    const opened = group.openWith(log, header.key, stored.body, stored.key)
    if (isRefusal(opened)) return null
    return decode(opened.plaintext)
  }
  return {
    history: (room, limit) => records.newest(room, limit).flatMap((stored) => read(stored) ?? []),
    get: (id) => {
      const stored = records.get(id)
      return stored === null || stored.kind !== 'message' ? null : read(stored)
    },
    opened: ({ hash, author, log: { room, device }, ms, plaintext }) =>
      shown({ hash, author, room, device, ms }, decode(plaintext)),
  }
}

type Shown = Pick<StoredRecord, 'hash' | 'room' | 'device' | 'author' | 'ms'>

/** Null for what is not in the protocol: its author alone could have sealed it. */
const decode = (plaintext: Uint8Array): MessageContent | null => {
  const content = messageContentCodec.decode(plaintext)
  return isRefusal(content) ? null : content
}
