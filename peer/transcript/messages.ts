import { compareTimes, type HybridTime } from '../../shared/clock.ts'
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

/** No more than is shown: what a record was read from is let go. */
type Kept = Said & Pick<TranscriptMessage, 'id' | 'user' | 'seq'> & { readonly log: LogName; readonly time: HybridTime }
type Said = Pick<TranscriptMessage, 'kind'> & Partial<Pick<TranscriptMessage, 'text' | 'emoji' | 'on' | 'file' | 'of'>>

export const createMessages = (): Messages => {
  const messages: Kept[] = []
  let keys = 0
  const keep = ({ hash, header, log, user }: RoomRecord, said: Said): void => {
    const { device, incarnation } = log
    const time = { ms: header.time[0], count: header.time[1] }
    messages.push({ id: hash, user, seq: header.seq, log: { device, incarnation }, time, ...said })
  }
  return {
    take: (record, key) => {
      if (key !== null) keys++
      const { header, body, log } = record
      if (header.key === undefined) return key === null ? null : refuse('transcript-malformed', 'a key of no message')
      if (body === null || key === null) {
        keep(record, { kind: body === null ? 'erased' : 'closed' })
        return null
      }
      const opened = openMessage(key, header.key.commitment, body, fromHex(log.room))
      keep(record, isRefusal(opened) ? { kind: 'closed' } : saidIn(contentOf(opened)))
      return isRefusal(opened) ? opened : null
    },
    hasKeys: () => keys > 0,
    all: (isHidden) =>
      messages.toSorted(compare).map(({ time, log, ...rest }) => ({
        ...rest,
        ...log,
        time: iso(time.ms),
        counts: !isHidden(log, rest.seq),
      })),
  }
}

const compare = (a: Kept, b: Kept): number => compareTimes(a.time, b.time) || (a.id < b.id ? -1 : 1)

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
