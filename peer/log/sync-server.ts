import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { fromHex, type PeerId, type RoomId, toRoomId } from '../../shared/ids.ts'
import {
  FRAME_MAX_BYTES,
  HEADS_MAX,
  HEADS_PER_FRAME,
  LOGS_PER_DEVICE,
  OPEN_ROOMS_MAX,
  PACE_MAX_MS,
  ROOMS_MAX,
  SYNC_SLICE_MS,
} from '../../shared/limits.ts'
import { type Channel, openChannel } from '../../shared/network/channel.ts'
import type { Stream } from '../../shared/network/node.ts'
import {
  type Head,
  type LogPoint,
  type SyncReply,
  type SyncRequest,
  syncReplyCodec,
  syncRequestCodec,
} from '../../shared/wire/sync.ts'
import { type Allowance, paced } from '../network/allowance.ts'
import { isFoul } from '../network/guard.ts'
import type { Session } from '../network/sessions.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore } from '../store/records.ts'
import { logOf, type ServingStore } from '../store/serving.ts'
import type { Log } from './log.ts'
import { framesOf } from './serve-records.ts'
import { headsByLog, isAhead, type Missing, missingOf, nameOf, openDigestOf, telling } from './sync.ts'
import { sliceOf, type Turn } from './turns.ts'

export type SyncServerParts = {
  readonly log: Log
  readonly records: Pick<RecordStore, 'hashAt'>
  readonly serving: ServingStore
  readonly allowance: Pick<Allowance, 'spend'>
  readonly mayRead: (room: RoomId, session: Session) => Refusal | null
  /** Whether the room's history policy grants the session's user the key of a message. */
  readonly mayHaveKey: (log: LogId, seq: number, session: Session) => boolean
  /** The rooms that we are in and the session's user is in, too, or may come into. */
  readonly sharedRooms: (session: Session) => readonly OfferedRoom[]
  /** The open rooms that we know of, at most OPEN_ROOMS_MAX. */
  readonly openRooms: () => readonly OpenRoom[]
  /** A peer sent something that is not in the protocol. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
  /** How far a peer that asked holds logs that we know; and whether it has more than we do. */
  readonly onHeads: (peer: PeerId, room: RoomId, heads: readonly LogPoint[], theyHaveMore: boolean) => void
}

/** A room that is told of: the asker is in it, as far as we know, or may come into it by itself. */
export type OfferedRoom = { readonly room: RoomId; readonly isMember: boolean }

/** An open room, and the record that founds it, as `encodeRecord` makes it. */
export type OpenRoom = { readonly room: RoomId; readonly record: Uint8Array }

type Server = Channel<SyncRequest, SyncReply>
type Question = Extract<SyncRequest, { kind: 'heads' }>

/** Answers one question of a member. */
export const serveSync = async (
  parts: SyncServerParts,
  stream: Stream,
  session: Session,
  turn: Turn,
): Promise<void> => {
  const channel = openChannel(stream, { incoming: syncRequestCodec, outgoing: syncReplyCodec }, LIMITS)
  const request = await channel.receive()
  const refused = isRefusal(request) ? request : await admit(parts, request, session)
  if (isRefusal(request) && isFoul(request)) parts.onFoul(request, session.device.peerId)
  if (refused !== null) await channel.send({ kind: 'refused', code: refused.code })
  else if (!isRefusal(request)) {
    if (request.kind === 'rooms') await channel.send(roomsFor(parts, session, request.open))
    else await serveRoom(parts, channel, session, request, turn)
  }
  await channel.close()
}

const admit = async (parts: SyncServerParts, request: SyncRequest, session: Session): Promise<Refusal | null> => {
  const flooding = await paced(parts.allowance, session.device.peerId, 'requests', 1)
  if (flooding !== null || request.kind === 'rooms') return flooding
  const refused = parts.mayRead(toRoomId(request.room), session)
  // Who is not in a room does not learn whether there is one.
  return refused?.code === 'room-unknown' ? refuse('not-a-member') : refused
}

const roomsFor = (parts: SyncServerParts, session: Session, open: Uint8Array): SyncReply => {
  const shared = parts.sharedRooms(session).slice(0, ROOMS_MAX)
  const known = parts.openRooms().slice(0, OPEN_ROOMS_MAX)
  const openDigest = openDigestOf(known.map(({ room }) => room))
  return {
    kind: 'rooms',
    rooms: shared.map(({ room, isMember }) => {
      return { room: fromHex(room), digest: parts.log.digest(room), ...(isMember ? {} : { open: 1 }) }
    }),
    open: Buffer.compare(open, openDigest) === 0 ? [] : known.map(({ record }) => record),
    openDigest,
  }
}

const serveRoom = async (
  parts: SyncServerParts,
  channel: Server,
  session: Session,
  question: Question,
  turn: Turn,
): Promise<void> => {
  const room = toRoomId(question.room)
  const peer = session.device.peerId
  const mine = parts.log.heads(room)
  const theirs = await hear(parts.log, channel, question, mine)
  if (isRefusal(theirs)) {
    if (isFoul(theirs)) parts.onFoul(theirs, peer)
    await channel.send({ kind: 'refused', code: theirs.code })
    return
  }
  const missing = await compare(parts, room, mine, theirs, turn)
  const mayHaveKey = (log: LogId, seq: number): boolean => question.keys === 1 && parts.mayHaveKey(log, seq, session)
  for await (const { records, keys } of framesOf(parts.serving, room, missing, mayHaveKey, turn)) {
    await channel.send({ kind: 'records', records, ...(keys.some(({ byteLength }) => byteLength > 0) ? { keys } : {}) })
    const bytes = records.reduce((sum, record) => sum + record.byteLength, 0)
    await pause(Math.min(PACE_MAX_MS, parts.allowance.spend(peer, 'served', bytes)))
    if (parts.mayRead(room, session) !== null) break // removed meanwhile
  }
  for (const done of doneFrames(mine)) await channel.send(done)
  parts.onHeads(peer, room, [...theirs.known.values()], theirs.more)
}

type Heard = {
  readonly known: ReadonlyMap<string, Head>
  /** Whether the asker has anything that we lack. */
  readonly more: boolean
  /** Whether the asker has as many logs of a device as one may have: it takes no other. */
  readonly isFull: (device: string) => boolean
}

/**
 * The asker's heads, in as many frames as it takes. Of logs that we do not know only that there are some is kept: what a
 * stranger makes up takes no memory.
 */
const hear = async (
  log: Pick<Log, 'isFull'>,
  channel: Server,
  first: Question,
  mine: readonly Head[],
): Promise<Heard | Refusal> => {
  const ours = headsByLog(mine)
  const room = toRoomId(first.room)
  const devices = new Set(mine.map(({ device }) => device))
  const counts = new Map<string, number>()
  const known = new Map<string, Head>()
  let more = false
  let heard = 0
  let left = first.left
  for (let frame = first; ; ) {
    for (const head of frame.heads) {
      const name = nameOf(head)
      const our = ours.get(name)
      if (our !== undefined) known.set(name, head)
      const mayTake = our !== undefined || !log.isFull(room, head.device as PeerId)
      more ||= mayTake && isAhead(head, our)
      if (devices.has(head.device)) counts.set(head.device, (counts.get(head.device) ?? 0) + 1)
    }
    heard += frame.heads.length
    if (left === 0) return { known, more, isFull: (device) => (counts.get(device) ?? 0) >= LOGS_PER_DEVICE }
    const next = await channel.receive()
    if (isRefusal(next)) return next
    const whole = next.kind === 'heads' && next.heads.length > 0 && next.left === left - next.heads.length
    if (!whole || heard > HEADS_MAX) return refuse('frame-malformed', 'heads that do not add up')
    left = next.left
    frame = next
  }
}

const compare = async (
  parts: SyncServerParts,
  room: RoomId,
  mine: readonly Head[],
  { known, isFull }: Heard,
  turn: Turn,
): Promise<Missing[]> => {
  const missing: Missing[] = []
  const slice = sliceOf(SYNC_SLICE_MS)
  for (const head of mine) {
    const theirs = known.get(nameOf(head))
    if (theirs === undefined && isFull(head.device) && parts.log.isFull(room, head.device as PeerId)) continue
    const lack = missingOf(head, theirs, (name, seq) => {
      const hash = parts.records.hashAt(logOf(room, name), seq)
      return hash === null ? null : fromHex(hash)
    })
    if (lack !== null) missing.push(lack)
    if (slice.isOver()) {
      await turn()
      slice.begin()
    }
  }
  return missing
}

function* doneFrames(heads: readonly Head[]): Generator<SyncReply> {
  for (const { part, left } of inFrames(telling(heads))) yield { kind: 'done', heads: part, left }
}

/** Cuts heads into parts that each fit into a message; at least one, which may be empty. */
export function* inFrames(
  heads: readonly Head[],
): Generator<{ readonly part: readonly Head[]; readonly left: number }> {
  for (let at = 0; at === 0 || at < heads.length; at += HEADS_PER_FRAME) {
    const part = heads.slice(at, at + HEADS_PER_FRAME)
    yield { part, left: Math.max(0, heads.length - at - part.length) }
  }
}

const LIMITS = { maxFrameBytes: FRAME_MAX_BYTES }

const pause = async (ms: number): Promise<void> => {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms).unref())
}
