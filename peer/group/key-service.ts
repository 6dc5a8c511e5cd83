import { isRefusal, LanyardError, type Refusal, refusedThere } from '../../shared/errors.ts'
import {
  fromHex,
  type NetworkId,
  type PeerId,
  type RecordHash,
  type RoomId,
  toRecordHash,
  toRoomId,
  type UserName,
} from '../../shared/ids.ts'
import { FRAME_MAX_BYTES, KEYS_PER_REQUEST } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import type { Node, Stream } from '../../shared/network/node.ts'
import { keysProtocol, keysReplyCodec, keysRequestCodec } from '../../shared/wire/keys.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import type { OpenedMessage } from '../log/ingest.ts'
import { isFoul, membersOnly, openMemberStream } from '../network/guard.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import type { Database } from '../store/database.ts'
import type { LogId, RecordStore } from '../store/records.ts'
import type { Group } from './group.ts'

export type KeyServiceParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly database: Database
  readonly records: RecordStore
  readonly group: Group
  readonly mayRead: (room: RoomId, session: Session) => Refusal | null
  /** Whether the room's history policy grants a user the key of a message. */
  readonly mayHaveKey: (log: LogId, seq: number, user: UserName) => boolean
  /** A message became readable; within the transaction that stores its key. */
  readonly note: (message: OpenedMessage) => void
  readonly onOpened: (message: OpenedMessage) => void
  /** A member sent what is not in the protocol, or a key that the signed record does not commit to. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
}

export type KeyService = {
  /**
   * Asks a member for the keys of messages that we cannot open.
   * @returns how many opened
   * @throws LanyardError when the member could not be asked
   */
  ask(peer: PeerId, room: RoomId): Promise<number>
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }

/** Serves message keys to members, and asks members for them: for late joiners, and for boxes that never opened. */
export const startKeyService = async (parts: KeyServiceParts): Promise<KeyService> => {
  const protocol = keysProtocol(parts.network)
  await parts.node.handle(
    protocol,
    membersOnly(parts.sessions, (stream, session) => serve(parts, stream, session)),
  )
  return { ask: (peer, room) => ask(parts, protocol, peer, room) }
}

const serve = async (parts: KeyServiceParts, stream: Stream, session: Session): Promise<void> => {
  const channel = openChannel(stream, { incoming: keysRequestCodec, outgoing: keysReplyCodec }, LIMITS)
  const request = await channel.receive()
  const refused = isRefusal(request) ? request : parts.mayRead(toRoomId(request.room), session)
  if (isRefusal(request) && isFoul(request)) parts.onFoul(request, session.device.peerId)
  if (isRefusal(request) || refused !== null) {
    await channel.send({ kind: 'refused', code: refused?.code ?? 'fault' })
  } else {
    const header = request.records.flatMap((record) => {
      const stored = parts.records.get(toRecordHash(record))
      // A key is given only for a record of the room that the asker was found to be a member of.
      if (!stored?.key || stored.room !== toRoomId(request.room) || stored.hidden) return []
      const log = { room: stored.room, device: stored.device, incarnation: stored.incarnation }
      return parts.mayHaveKey(log, stored.seq, session.device.user) ? [{ record, key: stored.key }] : []
    })
    await channel.send({ kind: 'keys', keys: header })
  }
  await channel.close()
}

/** Page by page, the newest messages first: those that nobody has a key for must not starve the rest. */
const ask = async (parts: KeyServiceParts, protocol: string, peer: PeerId, room: RoomId): Promise<number> => {
  let opened = 0
  let before = Number.MAX_SAFE_INTEGER
  for (;;) {
    const page = parts.records.locked(room, KEYS_PER_REQUEST, before)
    const last = page.at(-1)
    if (last === undefined) return opened
    opened += await askPage(
      parts,
      protocol,
      peer,
      room,
      page.map(({ hash }) => hash),
    )
    before = last.arrival
  }
}

const askPage = async (
  parts: KeyServiceParts,
  protocol: string,
  peer: PeerId,
  room: RoomId,
  wanted: readonly RecordHash[],
): Promise<number> => {
  const stream = await openMemberStream(parts.node, parts.sessions, peer, protocol)
  const channel = openChannel(stream, { incoming: keysReplyCodec, outgoing: keysRequestCodec }, LIMITS)
  await channel.send({ kind: 'want', room: fromHex(room), records: wanted.map(fromHex) })
  const reply = await channel.receive()
  await channel.close()
  if (isRefusal(reply)) {
    if (isFoul(reply)) parts.onFoul(reply, peer)
    throw new LanyardError(reply)
  }
  if (reply.kind === 'refused') throw new LanyardError(refusedThere(reply.code))
  const opened: OpenedMessage[] = []
  parts.database.transaction(() => {
    for (const { record, key } of reply.keys) {
      const message = unlock(parts, room, record, key)
      if (isRefusal(message)) parts.onFoul(message, peer)
      else if (message !== null) opened.push(message)
    }
    for (const message of opened) parts.note(message)
  })
  for (const message of opened) parts.onOpened(message)
  return opened.length
}

/** The commitment in the signed header decides; what we did not ask for is passed over. */
const unlock = (
  parts: KeyServiceParts,
  room: RoomId,
  record: Uint8Array,
  key: Uint8Array,
): OpenedMessage | Refusal | null => {
  const stored = parts.records.get(toRecordHash(record))
  if (stored === null || stored.key !== null || stored.room !== room || stored.body === null) return null
  const header = headerCodec.decode(stored.header)
  if (isRefusal(header) || header.key === undefined) return null
  const log = { room, device: stored.device, incarnation: stored.incarnation }
  const message = parts.group.openWith(log, header.key, stored.body, key)
  if (isRefusal(message)) return message
  parts.records.setKey(stored.hash, key)
  const { hash, author, seq, ms, count, hidden } = stored
  return { hash, author, log, seq, ms, count, hidden, plaintext: message.plaintext }
}
