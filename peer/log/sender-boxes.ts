import type { VerifiedDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { type PeerId, type RecordHash, type RoomId, toEpoch, toIncarnation } from '../../shared/ids.ts'
import { senderKeyBodyCodec } from '../../shared/wire/bodies.ts'
import { headerCodec, type RecordHeader } from '../../shared/wire/record.ts'
import type { Group } from '../group/group.ts'
import type { Directory } from '../rooms/directory.ts'
import type { Database } from '../store/database.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import type { OpenedMessage } from './opened-message.ts'

/** A sender-key record's body, and whose it is. */
export type Boxes = {
  readonly hash: RecordHash
  readonly sealed: Uint8Array
  readonly author: VerifiedDevice
  readonly log: LogId
}

/** Opens our boxes in sender-key records, and with them the messages that waited for them. */
export type SenderBoxes = {
  /** @throws LanyardError `storage-failed` */
  accept(boxes: Boxes): Promise<void>
  /** Tries the boxes of a room again whose messages are closed: those that a killed process had stored and not opened. */
  reopen(room: RoomId): Promise<void>
}

export type SenderBoxesParts = {
  readonly database: Database
  readonly records: RecordStore
  readonly directory: Directory
  readonly group: Group
  readonly self: PeerId
  /** A message became readable; within the transaction that stores its key … */
  readonly note: (message: OpenedMessage) => void
  /** … and when it is stored. */
  readonly onOpened: (message: OpenedMessage) => void
  readonly onFoul: (refusal: Refusal, hash: RecordHash, author: VerifiedDevice) => void
}

export const createSenderBoxes = (parts: SenderBoxesParts): SenderBoxes => {
  const { database, records, directory, group, onFoul } = parts

  const accept = async ({ hash, sealed, author, log }: Boxes): Promise<void> => {
    const body = senderKeyBodyCodec.decode(sealed)
    const verdict = isRefusal(body) ? body : await group.accept(log, body)
    if (isRefusal(verdict) && verdict.code !== 'key-missing') onFoul(verdict, hash, author)
    if (isRefusal(verdict) || verdict === 'not-for-us' || isRefusal(body)) return
    const opened: OpenedMessage[] = []
    database.transaction(() => {
      for (const locked of records.lockedOf(log)) {
        const header = headerCodec.decode(locked.header)
        if (isRefusal(header) || header.key === undefined || header.key.epoch !== body.epoch) continue
        if (locked.body === null) continue
        const message = group.open(log, header.key, locked.body)
        if (isRefusal(message)) {
          if (message.code !== 'key-missing') onFoul(message, locked.hash, author)
          continue
        }
        records.setKey(locked.hash, message.messageKey)
        const { hash, arrival, ms, count, hidden } = locked
        const { plaintext } = message
        opened.push({ hash, arrival, author: author.hash, log, seq: header.seq, ms, count, hidden, plaintext })
      }
      // Messages that came with their keys, in one go with these boxes, were opened without the ratchet.
      const newest = headerOf(records.newestOpenedOf(log))
      if (newest?.key !== undefined) group.pass(log, newest.key, toEpoch(body.epoch))
      for (const message of opened) parts.note(message)
      group.flush()
    })
    for (const message of opened) parts.onOpened(message)
  }

  return {
    accept,
    reopen: async (room) => {
      if (!records.hasLocked(room)) return
      for (const { hash, author: certificate, header: bytes, body: sealed } of records.ofKind(room, 'sender-key')) {
        const author = directory.resolve(certificate)
        const header = headerCodec.decode(bytes)
        if (author === null || isRefusal(header) || author.peerId === parts.self || sealed === null) continue
        const log = { room, device: author.peerId, incarnation: toIncarnation(header.inc) }
        await accept({ hash, sealed, author, log })
      }
    },
  }
}

const headerOf = (bytes: Uint8Array | null): RecordHeader | null => {
  const header = bytes === null ? null : headerCodec.decode(bytes)
  return isRefusal(header) ? null : header
}
