import { fault, isRefusal, LanyardError, type Refusal, refuse, refusedThere } from '../../shared/errors.ts'
import {
  fromHex,
  type Incarnation,
  type NetworkId,
  type PeerId,
  type RoomId,
  toIncarnation,
  toRoomId,
} from '../../shared/ids.ts'
import { BATCH_MAX_RECORDS, FRAME_MAX_BYTES, SYNC_BATCH_BYTES } from '../../shared/limits.ts'
import { openChannel } from '../../shared/network/channel.ts'
import type { Node, Stream } from '../../shared/network/node.ts'
import { type Head, syncProtocol, syncReplyCodec, syncRequestCodec } from '../../shared/wire/sync.ts'
import { isFoul, membersOnly, openMemberStream } from '../network/guard.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import type { RecordStore } from '../store/records.ts'
import { logOf } from '../store/serving.ts'
import type { Ingest } from './ingest.ts'
import type { Log } from './log.ts'
import { encodeRecord, type ParsedRecord, parseRecord } from './record.ts'
import { beyond, type HashAt, lacks } from './sync.ts'

export type SyncParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly log: Log
  readonly records: RecordStore
  readonly ingest: Ingest
  readonly mayRead: (room: RoomId, session: Session) => Refusal | null
  /** The rooms that the session's user is a member of, as far as we know; the directory is the first. */
  readonly sharedRooms: (session: Session) => readonly RoomId[]
  /** The open rooms that we know of, at most OPEN_ROOMS_MAX. */
  readonly openRooms: () => readonly OpenRoom[]
  /** A peer told of open rooms: records that are well formed and found the rooms whose ids they have; no signature is checked yet. */
  readonly onOpenRooms: (founding: readonly ParsedRecord[], peer: PeerId) => void
  /** A peer sent something that is not in the protocol, no record of the room, or what we said that we have. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
  /** What a peer that asked says it holds: acknowledgement, and a hint that it has more than we do. */
  readonly onHeads: (peer: PeerId, room: RoomId, heads: readonly Head[], theyHaveMore: boolean) => void
}

/** An open room, and the record that founds it, as `encodeRecord` makes it. */
export type OpenRoom = { readonly room: RoomId; readonly record: Uint8Array }

/** How a pull ended: how many records were stored, and whether the peer says it has more. */
export type Pulled = { readonly stored: number; readonly lacking: boolean }

export type Sync = {
  /**
   * Fetches from a peer what we lack in a room.
   * @throws LanyardError with why it ended early; what had arrived is kept
   */
  pull(peer: PeerId, room: RoomId): Promise<Pulled>
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }

export const startSync = async (parts: SyncParts): Promise<Sync> => {
  const protocol = syncProtocol(parts.network)
  await parts.node.handle(
    protocol,
    membersOnly(parts.sessions, (stream, session) => serve(parts, stream, session)),
  )
  return { pull: (peer, room) => pull(parts, protocol, peer, room) }
}

const serve = async (parts: SyncParts, stream: Stream, session: Session): Promise<void> => {
  const channel = openChannel(stream, { incoming: syncRequestCodec, outgoing: syncReplyCodec }, LIMITS)
  const request = await channel.receive()
  if (isRefusal(request)) {
    if (isFoul(request)) parts.onFoul(request, session.device.peerId)
    await channel.send({ kind: 'refused', code: request.code })
    await channel.close()
    return
  }
  if (request.kind === 'rooms') {
    const rooms = parts.sharedRooms(session).map((room) => ({ room: fromHex(room), digest: parts.log.digest(room) }))
    await channel.send({ kind: 'rooms', rooms, open: [], openDigest: request.open })
    await channel.close()
    return
  }
  const room = toRoomId(request.room)
  const refused = parts.mayRead(room, session)
  if (refused !== null) {
    await channel.send({ kind: 'refused', code: refused.code })
    await channel.close()
    return
  }
  const mine = parts.log.heads(room)
  const hashAt: HashAt = (point, seq) => {
    const hash = parts.records.hashAt(logOf(room, point), seq)
    return hash === null ? null : fromHex(hash)
  }
  for (const missing of beyond(mine, request.heads, hashAt)) {
    const log = logOf(room, missing)
    for await (const records of batches(parts.records, log, missing.after))
      await channel.send({ kind: 'records', records })
  }
  await channel.send({ kind: 'done', heads: mine, left: 0 })
  await channel.close()
  parts.onHeads(session.device.peerId, room, request.heads, lacks(mine, request.heads))
}

/** Frames of one log's records: the next is read when the last is on its way, so a slow reader costs no memory. */
async function* batches(
  store: RecordStore,
  log: Parameters<RecordStore['after']>[0],
  from: number,
): AsyncGenerator<Uint8Array[]> {
  let seq = from
  for (;;) {
    const records = store.after(log, seq, BATCH_MAX_RECORDS)
    if (records.length === 0) return
    seq += records.length
    let frame: Uint8Array[] = []
    let size = 0
    for (const record of records) {
      const bytes = encodeRecord(record)
      if (size + bytes.byteLength > SYNC_BATCH_BYTES) {
        yield frame
        frame = []
        size = 0
      }
      frame.push(bytes)
      size += bytes.byteLength
    }
    yield frame
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const pull = async (parts: SyncParts, protocol: string, peer: PeerId, room: RoomId): Promise<Pulled> => {
  const stream = await openMemberStream(parts.node, parts.sessions, peer, protocol)
  const channel = openChannel(stream, { incoming: syncReplyCodec, outgoing: syncRequestCodec }, LIMITS)
  try {
    const heads = parts.log.heads(room)
    const told = toldOf(heads)
    await channel.send({ kind: 'heads', room: fromHex(room), heads, left: 0 })
    let stored = 0
    for (;;) {
      const reply = await channel.receive()
      if (isRefusal(reply)) {
        if (isFoul(reply)) parts.onFoul(reply, peer)
        throw new LanyardError(reply)
      }
      switch (reply.kind) {
        case 'refused':
          throw new LanyardError(refusedThere(reply.code))
        case 'done':
          await channel.close()
          parts.onHeads(peer, room, reply.heads, false)
          return { stored, lacking: lacks(parts.log.heads(room), reply.heads) }
        case 'rooms':
          throw fault('wrong-order')
        case 'records':
          stored += await takeAll(parts, reply.records, peer, room, told)
      }
    }
  } catch (error) {
    channel.abort('sync failed')
    throw error
  }
}

/**
 * How far we said to be, by incarnation. Who copies another's incarnation makes it mean nothing: it is left out, or an honest
 * server would seem to send again what we have.
 */
const toldOf = (heads: readonly Head[]): ReadonlyMap<Incarnation, number> => {
  const byIncarnation = Map.groupBy(heads, ({ inc }) => toIncarnation(inc))
  return new Map(
    [...byIncarnation].flatMap(([inc, [head, ...more]]) => (head && more.length === 0 ? [[inc, head.seq]] : [])),
  )
}

/** All of a frame is stored before the next is read: that is the back-pressure. */
const takeAll = async (
  parts: SyncParts,
  frame: readonly Uint8Array[],
  peer: PeerId,
  room: RoomId,
  told: ReadonlyMap<Incarnation, number>,
): Promise<number> => {
  const outcomes = await Promise.all(
    frame.map(async (bytes) => {
      const record = parseRecord(bytes)
      if (isRefusal(record) || record.room !== room) {
        parts.onFoul(isRefusal(record) ? record : refuse('record-wrong-room'), peer)
        return 'refused'
      }
      const outcome = await parts.ingest.take(record)
      // Gossip may have been faster; but what we had before we asked, an honest member does not send.
      const known = told.get(record.incarnation) ?? -1
      if (isRefusal(outcome) && outcome.code === 'record-replayed' && record.header.seq <= known) {
        parts.onFoul(outcome, peer)
      }
      return outcome
    }),
  )
  return outcomes.filter((outcome) => outcome === 'stored').length
}
