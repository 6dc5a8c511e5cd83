import { equals } from 'uint8arrays/equals'
import type { Clock } from '../../shared/clock.ts'
import { isRefusal, LanyardError, type Refusal, refuse, refusedThere } from '../../shared/errors.ts'
import {
  fromHex,
  type NetworkId,
  type PeerId,
  type RoomId,
  sha256,
  toEpoch,
  toHex,
  toRecordHash,
  toRoomId,
  type UserName,
} from '../../shared/ids.ts'
import { BODIES_MAX_BYTES, FRAME_MAX_BYTES, KEYS_PER_REQUEST, SYNC_SLICE_MS } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import type { Node, Stream } from '../../shared/network/node.ts'
import {
  type KeysEntry,
  type KeysRequest,
  keysProtocol,
  keysReplyCodec,
  keysRequestCodec,
} from '../../shared/wire/keys.ts'
import { headerCodec } from '../../shared/wire/record.ts'
import type { OpenedMessage } from '../log/opened-message.ts'
import { sliceOf, turn } from '../log/turns.ts'
import { type Allowance, paced } from '../network/allowance.ts'
import { isFoul, membersOnly, openMemberStream } from '../network/guard.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import type { Database } from '../store/database.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import { createDenials, type Denials } from './denials.ts'
import type { Group } from './group.ts'

export type KeyServiceParts = {
  readonly node: Node
  readonly self: UserName
  /** One that is never set back. */
  readonly clock: Clock
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly database: Database
  readonly records: RecordStore
  readonly group: Group
  readonly allowance: Pick<Allowance, 'spend'>
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
   * Asks a member for the keys of messages that we cannot open, and may; not at once again for what it did not give.
   * @returns how many opened
   * @throws LanyardError when the member could not be asked
   */
  ask(peer: PeerId, room: RoomId): Promise<number>
  /** Members of a room have changed, or what counts in it: who did not give may give now. */
  roomChanged(room: RoomId): void
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }

/** Serves message keys to members, and asks members for them: for late joiners, and for boxes that never opened. */
export const startKeyService = async (parts: KeyServiceParts): Promise<KeyService> => {
  const protocol = keysProtocol(parts.network)
  await parts.node.handle(
    protocol,
    membersOnly(parts.sessions, (stream, session) => serve(parts, stream, session)),
  )
  const denials = createDenials(parts.sessions, parts.clock)
  return {
    ask: (peer, room) => ask(parts, protocol, peer, room, denials),
    roomChanged: denials.forget,
  }
}

const serve = async (parts: KeyServiceParts, stream: Stream, session: Session): Promise<void> => {
  const channel = openChannel(stream, { incoming: keysRequestCodec, outgoing: keysReplyCodec }, LIMITS)
  const request = await channel.receive()
  const refused = isRefusal(request) ? request : await admit(parts, request, session)
  if (isRefusal(request) && isFoul(request)) parts.onFoul(request, session.device.peerId)
  if (isRefusal(request) || refused !== null) {
    await channel.send({ kind: 'refused', code: refused?.code ?? 'fault' })
  } else await channel.send({ kind: 'keys', keys: await keysFor(parts, request, session) })
  await channel.close()
}

const admit = async (parts: KeyServiceParts, { room, records }: KeysRequest, session: Session) =>
  (await paced(parts.allowance, session.device.peerId, 'keys', records.length)) ??
  parts.mayRead(toRoomId(room), session)

const keysFor = async (parts: KeyServiceParts, request: KeysRequest, session: Session): Promise<KeysEntry[]> => {
  const room = toRoomId(request.room)
  const bare = new Set(request.bare?.map(toHex))
  const keys: KeysEntry[] = []
  const slice = sliceOf(SYNC_SLICE_MS)
  let left = BODIES_MAX_BYTES
  for (const record of request.records) {
    if (slice.isOver()) {
      await turn()
      slice.begin()
    }
    const stored = parts.records.get(toRecordHash(record))
    // A key is given only for a record of the room that the asker was found to be a member of.
    if (!stored?.key || stored.body === null || stored.room !== room || stored.hidden) continue
    const log = { room, device: stored.device, incarnation: stored.incarnation }
    if (!parts.mayHaveKey(log, stored.seq, session.device.user)) continue
    const isBare = bare.has(stored.hash)
    if (isBare) left -= stored.body.byteLength
    if (isBare && left < 0) continue
    keys.push({ record, key: stored.key, ...(isBare ? { body: stored.body } : {}) })
  }
  return keys
}

/** Page by page, the newest messages first: those that nobody has a key for must not starve the rest. */
const ask = async (
  parts: KeyServiceParts,
  protocol: string,
  peer: PeerId,
  room: RoomId,
  denials: Denials,
): Promise<number> => {
  const since = denials.since(peer, room)
  let opened = 0
  let newest = since
  let before = Number.MAX_SAFE_INTEGER
  for (;;) {
    const page = parts.records.locked(room, KEYS_PER_REQUEST, before).filter(({ arrival }) => arrival > since)
    const [first] = page
    const last = page.at(-1)
    if (first === undefined || last === undefined) break
    newest = Math.max(newest, first.arrival)
    const granted = page.filter(({ log, seq }) => parts.mayHaveKey(log, seq, parts.self))
    if (granted.length > 0) opened += await askPage(parts, protocol, peer, room, granted)
    else await turn()
    before = last.arrival
  }
  if (newest > since) denials.note(peer, room, newest, opened)
  return opened
}

const askPage = async (
  parts: KeyServiceParts,
  protocol: string,
  peer: PeerId,
  room: RoomId,
  wanted: ReturnType<RecordStore['locked']>,
): Promise<number> => {
  const stream = await openMemberStream(parts.node, parts.sessions, peer, protocol)
  const channel = openChannel(stream, { incoming: keysReplyCodec, outgoing: keysRequestCodec }, LIMITS)
  const records = wanted.map(({ hash }) => fromHex(hash))
  const bare = wanted.flatMap((one) => (one.bare ? [fromHex(one.hash)] : []))
  await channel.send({ kind: 'want', room: fromHex(room), records, ...(bare.length === 0 ? {} : { bare }) })
  const reply = await channel.receive()
  await channel.close()
  if (isRefusal(reply)) {
    if (isFoul(reply)) parts.onFoul(reply, peer)
    throw new LanyardError(reply)
  }
  if (reply.kind === 'refused') throw new LanyardError(refusedThere(reply.code))
  const opened: OpenedMessage[] = []
  parts.database.transaction(() => {
    for (const entry of reply.keys) {
      const message = unlock(parts, room, entry)
      if (isRefusal(message)) parts.onFoul(message, peer)
      else if (message !== null) opened.push(message)
    }
    for (const message of opened) parts.note(message)
    parts.group.flush()
  })
  for (const message of opened) parts.onOpened(message)
  return opened.length
}

/** The commitment and the hash in the signed header decide; what we did not ask for is passed over. */
const unlock = (
  parts: KeyServiceParts,
  room: RoomId,
  { record, key, body: sent }: KeysEntry,
): OpenedMessage | Refusal | null => {
  const stored = parts.records.get(toRecordHash(record))
  const body = stored?.body ?? sent
  if (stored === null || stored.key !== null || stored.room !== room || body === undefined) return null
  const header = headerCodec.decode(stored.header)
  if (isRefusal(header) || header.key === undefined) return null
  if (!equals(sha256(body), header.body)) return refuse('record-wrong-body', stored.hash)
  const log = { room, device: stored.device, incarnation: stored.incarnation }
  const message = parts.group.openWith(log, header.key, body, key)
  if (isRefusal(message)) return message
  if (stored.body === null) parts.records.setBody(stored.hash, body)
  if (!parts.records.setKey(stored.hash, key)) return null
  parts.group.pass(log, header.key, toEpoch(header.key.epoch))
  const { hash, arrival, author, seq, ms, count, hidden } = stored
  return { hash, arrival, author, log, seq, ms, count, hidden, plaintext: message.plaintext }
}
