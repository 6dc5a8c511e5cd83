import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { fromHex, toHex } from '../../shared/ids.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { LogName } from '../group/knowledge.ts'
import { openMessage } from '../group/sender-key.ts'
import { contentOf } from '../rooms/reader.ts'
import type { RoomRecord } from '../rooms/room.ts'
import { iso, type TranscriptMessage } from './report.ts'

/** Opens the messages whose keys are told, and keeps what they say. */
export type Messages = {
  /** @returns why a key does not open what it came with */
  take(record: RoomRecord, key: Uint8Array | null): Refusal | null
  /** Whether any key was told. */
  hasKeys(): boolean
  /** In the order in which they are shown: time, then hash. */
  all(isHidden: (log: LogName, seq: number) => boolean): TranscriptMessage[]
}

type Kept = { readonly record: RoomRecord; readonly said: Said }
type Said = Pick<TranscriptMessage, 'kind'> & Partial<Pick<TranscriptMessage, 'text' | 'emoji' | 'on' | 'file' | 'of'>>

export const createMessages = (): Messages => {
  const messages: Kept[] = []
  let keys = 0
  return {
    take: (record, key) => {
      if (key !== null) keys++
      const { header, body, log } = record
      if (header.key === undefined) return key === null ? null : refuse('transcript-malformed', 'a key of no message')
      const opened =
        body === null || key === null ? null : openMessage(key, header.key.commitment, body, fromHex(log.room))
      if (isRefusal(opened)) {
        messages.push({ record: withoutBody(record), said: { kind: 'closed' } })
        return opened
      }
      const said: Said = opened === null ? { kind: body === null ? 'erased' : 'closed' } : saidIn(contentOf(opened))
      messages.push({ record: withoutBody(record), said })
      return null
    },
    hasKeys: () => keys > 0,
    all: (isHidden) =>
      messages
        .toSorted((a, b) => compare(a.record, b.record))
        .map(({ record: { hash, header, log, user }, said }) => ({
          id: hash,
          time: iso(header.time[0]),
          user,
          device: log.device,
          incarnation: log.incarnation,
          seq: header.seq,
          counts: !isHidden(log, header.seq),
          ...said,
        })),
  }
}

/** The ciphertext is of no use any more. */
const withoutBody = (record: RoomRecord): RoomRecord => ({ ...record, body: null })

const compare = (a: RoomRecord, b: RoomRecord): number =>
  a.header.time[0] - b.header.time[0] || a.header.time[1] - b.header.time[1] || (a.hash < b.hash ? -1 : 1)

const saidIn = (content: MessageContent | null): Said => {
  if (content === null) return { kind: 'unreadable' }
  switch (content.kind) {
    case 'text':
      return { kind: 'text', text: content.text, ...(content.reply === undefined ? {} : { of: toHex(content.reply) }) }
    case 'edit':
      return { kind: 'edit', text: content.text, of: toHex(content.of) }
    case 'delete':
      return { kind: 'delete', of: toHex(content.of) }
    case 'reaction':
      return { kind: 'reaction', emoji: content.emoji, on: content.on, of: toHex(content.of) }
    case 'file':
      return { kind: 'file', file: { name: content.name, size: content.size, type: content.type } }
  }
}
