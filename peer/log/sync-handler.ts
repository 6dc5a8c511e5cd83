import { fault, isRefusal, LanyardError, type Refusal, refuse, refusedThere } from '../../shared/errors.ts'
import {
  foundedRoomIdOf,
  fromHex,
  type Incarnation,
  type NetworkId,
  type PeerId,
  type RoomId,
  toIncarnation,
  toRoomId,
} from '../../shared/ids.ts'
import { FRAME_MAX_BYTES, HEADS_MAX, SYNC_SLICE_MS } from '../../shared/limits.ts'
import { type Channel, openChannel } from '../../shared/network/channel.ts'
import type { Node } from '../../shared/network/node.ts'
import {
  type Head,
  type RoomDigest,
  type SyncReply,
  type SyncRequest,
  syncProtocol,
  syncReplyCodec,
  syncRequestCodec,
} from '../../shared/wire/sync.ts'
import { isFoul, membersOnly, openMemberStream } from '../network/guard.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import { logOf } from '../store/serving.ts'
import type { Ingest } from './ingest.ts'
import { isLie } from './lies.ts'
import { type ParsedRecord, parseRecord } from './record.ts'
import { lacks, openDigestOf, telling } from './sync.ts'
import { inFrames, type OfferedRoom, type SyncServerParts, serveSync } from './sync-server.ts'
import { createTurns, sliceOf, type Turn } from './turns.ts'

export type SyncParts = SyncServerParts & {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly ingest: Pick<Ingest, 'takeWith'>
  /** Whether messages of a room wait for a key. */
  readonly locked: (room: RoomId) => boolean
  /**
   * A peer told of open rooms: well-formed records that found the rooms whose ids they have. Their signatures are not
   * checked yet. Resolves once they are looked at.
   */
  readonly onOpenRooms: (founding: readonly ParsedRecord[], peer: PeerId) => Promise<void>
  /** A peer served a record that no honest member has; `ingest` tells the user of it. */
  readonly onLie: (peer: PeerId) => void
}

/** How a pull ended: how many records were stored, and whether the peer says it has more. */
export type Pulled = { readonly stored: number; readonly lacking: boolean }
/** A room that a peer says it shares, or would share, with us; and whether both hold the same of it, as it was there when we asked. */
export type SharedRoom = OfferedRoom & { readonly agrees: () => boolean }

export type Sync = {
  /**
   * Fetches from a peer what we lack in a room.
   * @param progress told how many more records are stored
   * @throws LanyardError with why it ended early; what had arrived is kept
   */
  pull(peer: PeerId, room: RoomId, progress?: (records: number) => void): Promise<Pulled>
  /**
   * Asks a peer which rooms we share, in its order. One round trip; where both agree on a room, nothing more is needed.
   * @throws LanyardError when it could not be asked
   */
  rooms(peer: PeerId): Promise<readonly SharedRoom[]>
}

type Asker = Channel<SyncReply, SyncRequest>

/** Answers members' questions about rooms, and asks our own. */
export const startSync = async (parts: SyncParts): Promise<Sync> => {
  const protocol = syncProtocol(parts.network)
  const turns = createTurns()
  await parts.node.handle(
    protocol,
    membersOnly(parts.sessions, (stream, session) =>
      serveSync(parts, stream, session, () => turns(session.device.peerId)),
    ),
  )
  /** Rooms that are being pulled with their keys, or were until the pull broke off. */
  const keyless = new Set<RoomId>()
  /** A newcomer has no sender key for what was said before; nor has who could not open something that came earlier. */
  const wantsKeys = (room: RoomId): boolean =>
    keyless.has(room) || parts.log.heads(room).every(({ device }) => device === parts.node.peerId) || parts.locked(room)
  /** What each session last said its list of open rooms is. */
  const lists = new WeakMap<Session, Uint8Array>()

  const ask = async <T>(peer: PeerId, conversation: (channel: Asker) => Promise<T>): Promise<T> => {
    const stream = await openMemberStream(parts.node, parts.sessions, peer, protocol)
    const channel = openChannel(stream, { incoming: syncReplyCodec, outgoing: syncRequestCodec }, LIMITS)
    try {
      const result = await conversation(channel)
      await channel.close()
      return result
    } catch (error) {
      channel.abort('sync failed')
      throw error
    }
  }
  return {
    pull: (peer, room, progress) =>
      ask(peer, async (channel) => {
        const withKeys = wantsKeys(room)
        if (withKeys) keyless.add(room)
        const pulled = await pull(parts, channel, { peer, room, withKeys }, () => turns(peer), progress)
        keyless.delete(room)
        return pulled
      }),
    rooms: (peer) =>
      ask(peer, async (channel) => {
        const session = parts.sessions.of(peer)
        const own = openDigestOf(parts.openRooms().map(({ room }) => room))
        await channel.send({ kind: 'rooms', open: (session && lists.get(session)) ?? own })
        const reply = await receive(parts, channel, peer)
        if (reply.kind !== 'rooms') throw fault('wrong-order')
        if (session !== undefined) lists.set(session, reply.openDigest)
        const founding = foundingOf(parts, reply.open, peer)
        if (founding.length > 0) await parts.onOpenRooms(founding, peer)
        return reply.rooms.map((shared) => sharedRoom(parts, shared))
      }),
  }
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }

/** @throws LanyardError when there is no reply, or it refuses */
const receive = async (
  parts: SyncParts,
  channel: Asker,
  peer: PeerId,
): Promise<Exclude<SyncReply, { kind: 'refused' }>> => {
  const reply = await channel.receive()
  if (isRefusal(reply)) {
    if (isFoul(reply)) parts.onFoul(reply, peer)
    throw new LanyardError(reply)
  }
  if (reply.kind === 'refused') throw new LanyardError(refusedThere(reply.code))
  return reply
}

const sharedRoom = ({ log }: SyncParts, { room, digest, open }: RoomDigest): SharedRoom => {
  const id = toRoomId(room)
  return { room: id, isMember: open !== 1, agrees: () => Buffer.compare(log.digest(id), digest) === 0 }
}

const foundingOf = (parts: SyncParts, open: readonly Uint8Array[], peer: PeerId): ParsedRecord[] =>
  open.flatMap((bytes) => {
    const record = parseRecord(bytes)
    const refusal = isRefusal(record) ? record : founds(parts.network, record) ? null : refuse('record-wrong-room')
    if (refusal === null) return isRefusal(record) ? [] : [record]
    parts.onFoul(refusal, peer)
    return []
  })

const founds = (network: NetworkId, { room, header, wire }: ParsedRecord): boolean =>
  header.kind === 'room' && header.seq === 0 && wire.body !== null && foundedRoomIdOf(network, wire.body) === room

type Errand = { readonly peer: PeerId; readonly room: RoomId; readonly withKeys: boolean }

const pull = async (
  parts: SyncParts,
  channel: Asker,
  { peer, room, withKeys }: Errand,
  turn: Turn,
  progress: (records: number) => void = () => undefined,
): Promise<Pulled> => {
  const told = telling(parts.log.heads(room))
  let keys = withKeys ? ({ keys: 1 } as const) : {}
  for (const { part, left } of inFrames(told)) {
    await channel.send({ kind: 'heads', room: fromHex(room), heads: part, left, ...keys })
    keys = {}
  }
  const replays = createReplays(parts, room, told)
  const theirs: Head[] = []
  let stored = 0
  for (;;) {
    const reply = await receive(parts, channel, peer)
    switch (reply.kind) {
      case 'rooms':
        throw fault('wrong-order')
      case 'records': {
        const keys = withKeys ? (reply.keys ?? []) : [] // what was not asked for is passed over
        const more = await takeAll(parts, { ...reply, keys }, peer, room, replays, turn)
        stored += more
        progress(more)
        break
      }
      case 'done':
        theirs.push(...reply.heads)
        if (theirs.length > HEADS_MAX) throw fault('frame-malformed', 'too many heads')
        if (reply.left > 0) break
        for (const replay of replays.ofHonest()) parts.onFoul(replay, peer)
        parts.onHeads(peer, room, theirs, false)
        return {
          stored,
          lacking: lacks(parts.log.heads(room), theirs, (device) => parts.log.isFull(room, device as PeerId)),
        }
    }
  }
}

const NO_KEY = new Uint8Array()

/** All of a frame is stored before the next is read: that is the back-pressure. */
const takeAll = async (
  parts: SyncParts,
  { records, keys }: { readonly records: readonly Uint8Array[]; readonly keys: readonly Uint8Array[] },
  peer: PeerId,
  room: RoomId,
  replays: Replays,
  turn: Turn,
): Promise<number> => {
  if (keys.length > records.length) parts.onFoul(refuse('frame-malformed', 'more keys than records'), peer)
  const slice = sliceOf(SYNC_SLICE_MS)
  const outcomes: Promise<boolean>[] = []
  for (const [at, bytes] of records.entries()) {
    outcomes.push(takeOne(parts, bytes, keys[at] ?? NO_KEY, peer, room, replays))
    if (slice.isOver()) {
      await turn()
      slice.begin()
    }
  }
  return (await Promise.all(outcomes)).filter(Boolean).length
}

const takeOne = async (
  parts: SyncParts,
  bytes: Uint8Array,
  key: Uint8Array,
  peer: PeerId,
  room: RoomId,
  replays: Replays,
): Promise<boolean> => {
  const record = parseRecord(bytes)
  if (isRefusal(record) || record.room !== room) {
    parts.onFoul(isRefusal(record) ? record : refuse('record-wrong-room'), peer)
    return false
  }
  const outcome = await parts.ingest.takeWith(record, key, (refusal) => parts.onFoul(refusal, peer))
  if (outcome === 'stored') return true
  if (outcome.code === 'record-replayed') replays.note(record, outcome)
  if (isLie(outcome)) parts.onLie(peer)
  return false
}

/** Records that were sent though we had said that we have them. */
type Replays = {
  note(record: ParsedRecord, refusal: Refusal): void
  /** Those of authors who signed no two records with one number: of the others, what is here may be sent to compare. */
  ofHonest(): Refusal[]
}

/**
 * Gossip may have been faster than a pull; but what we had before we asked, an honest member does not send. Who copies
 * another's incarnation makes it mean nothing: it is left out, or an honest server would seem to send again what we have.
 */
const createReplays = ({ log }: SyncParts, room: RoomId, told: readonly Head[]): Replays => {
  const byIncarnation = Map.groupBy(told, ({ inc }) => toIncarnation(inc))
  const noted = new Map<Incarnation, Refusal>()
  return {
    note: (record, refusal) => {
      const [head, ...more] = byIncarnation.get(record.incarnation) ?? []
      if (head !== undefined && more.length === 0 && record.header.seq <= head.seq)
        noted.set(record.incarnation, refusal)
    },
    ofHonest: () =>
      [...noted].flatMap(([incarnation, refusal]) => {
        const [head] = byIncarnation.get(incarnation) ?? []
        return head !== undefined && log.fork(logOf(room, head)) === null ? [refusal] : []
      }),
  }
}
