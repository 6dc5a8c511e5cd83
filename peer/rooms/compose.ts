import { fault, LanyardError, type Refusal } from '../../shared/errors.ts'
import type { PeerId, RecordHash, RoomId } from '../../shared/ids.ts'
import { MESSAGE_TEXT_MAX_BYTES } from '../../shared/limits.ts'
import { type MessageContent, messageContentCodec, senderKeyBodyCodec } from '../../shared/wire/bodies.ts'
import type { Audience, Group } from '../group/group.ts'
import { wipe } from '../group/sender-key.ts'
import type { Author, Unsigned } from '../log/author.ts'
import type { OpenedMessage } from '../log/opened-message.ts'
import { turn } from '../log/turns.ts'

export type Compose = {
  /**
   * Seals and stores one message; resolves once it is on the disk. Never waits for a peer. Calls keep their order.
   * @throws LanyardError `message-too-long` or `storage-failed`
   */
  send(room: RoomId, content: MessageContent): Promise<RecordHash>
  /** Makes a new sender key now, whatever the age of the present one. */
  rekey(room: RoomId): Promise<void>
}

export type ComposeParts = {
  readonly group: Group
  readonly author: Author
  /** Who is to read what is sent now, and whether a newcomer among them may read what was sent before. */
  readonly recipients: (room: RoomId) => Audience
  /** Whether we may write in the room at all; the refusal says why not. */
  readonly mayWrite: (room: RoomId) => Refusal | null
  readonly self: PeerId
  /** What we say we can read too: within the transaction that stores it … */
  readonly note: (message: OpenedMessage) => void
  /** … and when it is stored. */
  readonly onSaid: (message: OpenedMessage) => void
}

export const createCompose = (parts: ComposeParts): Compose => {
  const { group, author, recipients, mayWrite } = parts
  /** The list that the present key was last prepared for: the same list needs no second look. */
  const prepared = new Map<RoomId, Audience>()
  let line: Promise<unknown> = Promise.resolve()

  /** One at a time: a key is prepared, published, and only then used. */
  const inLine = <T>(work: () => Promise<T>): Promise<T> => {
    const result = line.then(work)
    line = result.catch(() => undefined)
    return result
  }
  const publishKey = async (room: RoomId, options: { rekey: boolean }): Promise<void> => {
    const audience = recipients(room)
    const preparation = await group.prepare(room, audience, options)
    if (preparation !== null) {
      const stored: Promise<unknown>[] = []
      for (const [at, body] of preparation.bodies.entries()) {
        const together = (): void => {
          if (at === 0) group.use(preparation)
          group.boxed(room, body)
        }
        if (at > 0) await turn() // the boxes of 1,000 members at once would hold everything up
        const record = author.append({ room, kind: 'sender-key', body: senderKeyBodyCodec.encode(body), together })
        record.catch(() => undefined) // it is awaited below
        stored.push(record)
      }
      await Promise.all(stored)
    }
    prepared.set(room, audience)
  }

  return {
    send: async (room, content) => {
      const barredNow = mayWrite(room)
      if (barredNow !== null) throw new LanyardError(barredNow)
      const plaintext = messageContentCodec.encode(content)
      if ('text' in content && Buffer.byteLength(content.text) > MESSAGE_TEXT_MAX_BYTES) {
        throw fault('message-too-long', `${Buffer.byteLength(content.text)} bytes`)
      }
      const { stored } = await inLine(async () => {
        // Again after each wait: what is sealed under a key must be for exactly those whom the record's `after` makes members.
        while (prepared.get(room) !== recipients(room) || group.due(room)) await publishKey(room, { rekey: false })
        const barred = mayWrite(room)
        if (barred !== null) throw new LanyardError(barred)
        const sealed = group.seal(room, plaintext)
        let said: OpenedMessage | null = null
        // Not awaited inside the line: messages that follow join the same batch.
        const stored = author.append({
          room,
          kind: 'message',
          body: sealed.body,
          key: sealed.header,
          messageKey: sealed.messageKey,
          together: (record, arrival) => {
            group.used(sealed)
            said = openedOf(record, arrival, parts.self, plaintext)
            parts.note(said)
          },
        })
        stored
          .then(
            () => said !== null && parts.onSaid(said),
            () => group.forget(),
          )
          .finally(() => wipe(sealed.messageKey)) // the store has it, sealed, as long as the room keeps the message
        return { stored }
      })
      return await stored
    },
    rekey: (room) => inLine(() => publishKey(room, { rekey: true })),
  }
}

const openedOf = (record: Unsigned, arrival: number, device: PeerId, plaintext: Uint8Array): OpenedMessage => {
  const { hash, author, room, incarnation, header } = record
  const [ms, count] = header.time
  return {
    hash,
    arrival,
    author,
    log: { room, device, incarnation },
    seq: header.seq,
    ms,
    count,
    hidden: false,
    plaintext,
  }
}
