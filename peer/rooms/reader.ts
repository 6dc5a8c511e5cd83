import { isRefusal } from '../../shared/errors.ts'
import { toIncarnation } from '../../shared/ids.ts'
import { type MessageContent, messageContentCodec } from '../../shared/wire/bodies.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import type { Group } from '../group/group.ts'
import type { StoredRecord } from '../store/records.ts'

/** What a stored message says; null while no key is here for it, once it is erased, and for what is not in the protocol. */
export type ReadContent = (stored: StoredRecord) => MessageContent | null

export const createReader =
  (group: Pick<Group, 'openWith'>): ReadContent =>
  ({ header: bytes, room, device, body, key }) => {
    if (key === null || body === null) return null
    const header = headerCodec.decode(bytes)
    if (isRefusal(header) || header.key === undefined) return null
    const opened = group.openWith({ room, device, incarnation: toIncarnation(header.inc) }, header.key, body, key)
    return isRefusal(opened) ? null : contentOf(opened.plaintext)
  }

/** Null for what is not in the protocol: its author alone could have sealed it. */
export const contentOf = (plaintext: Uint8Array): MessageContent | null => {
  const content = messageContentCodec.decode(plaintext)
  return isRefusal(content) ? null : content
}
