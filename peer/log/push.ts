import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { NetworkId, PeerId, RoomId } from '../../shared/ids.ts'
import {
  DAY_MS,
  GOSSIP_MAX_RECORDS,
  PUSH_BUFFER_BYTES,
  PUSH_QUEUE_BYTES,
  RECORD_MAX_BYTES,
} from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import type { Node, Stream } from '../../shared/network/node.ts'
import { pushProtocol } from '../../shared/wire/push.ts'
import type { Allowance } from '../network/allowance.ts'
import { isFoul, membersOnly } from '../network/guard.ts'
import { createLastingStreams } from '../network/lasting-streams.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import { bundlesOf } from './bundle.ts'
import type { Ingest } from './ingest.ts'
import { isLie } from './lies.ts'
import { type ParsedRecord, parseRecords } from './record.ts'

/** Carries fresh records of rooms that not everybody may know of, to the members who are here, and to nobody else. */
export type Push = {
  /**
   * Sends records on, each room's in their order. Nobody waits: what a slow member does not take, it pulls later.
   * @param to who gets them; the members, unless given
   */
  send(records: readonly ParsedRecord[], to?: (session: Session) => boolean): void
  stop(): void
}

export type PushParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly ingest: Pick<Ingest, 'take'>
  readonly allowance: Pick<Allowance, 'spend'>
  /** Whether a session's user is in a room, as far as we know. */
  readonly reaches: (room: RoomId, session: Session) => boolean
  /** A peer sent something that is not in the protocol. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
  /** A peer sent a record that no honest member does; `ingest` tells the user of it. */
  readonly onLie: (peer: PeerId) => void
  /** A peer sent records of a room that we do not know: we may just have been invited. */
  readonly onUnknown: (peer: PeerId, room: RoomId) => void
}

export const startPush = async (parts: PushParts): Promise<Push> => {
  const { node, sessions } = parts
  const protocol = pushProtocol(parts.network)
  const streams = createLastingStreams({
    node,
    sessions,
    protocol,
    maxFrameBytes: FRAME_BYTES,
    queueBytes: PUSH_QUEUE_BYTES,
  })
  await node.handle(
    protocol,
    membersOnly(sessions, (stream, session) => listen(parts, stream, session.device.peerId)),
  )
  return {
    send: (records, to) => {
      for (const { room, data } of bundlesOf(records)) {
        for (const session of sessions.list()) {
          if (to?.(session) ?? parts.reaches(room, session)) streams.send(session.device.peerId, data)
        }
      }
    },
    stop: streams.stop,
  }
}

/** Several records have GOSSIP_MAX_BYTES, which is as much as one may have. */
const FRAME_BYTES = RECORD_MAX_BYTES

/** A frame is taken in before the next is read: who sends faster than that, or than it may, waits, and drops the rest itself. */
const listen = async (parts: PushParts, stream: Stream, peer: PeerId): Promise<void> => {
  const frames = openFrames(stream, { maxFrameBytes: FRAME_BYTES, bufferBytes: PUSH_BUFFER_BYTES })
  for (;;) {
    const frame = await frames.receive(DAY_MS)
    if (isRefusal(frame) && frame.code === 'too-late') continue // a day without a word is no fault here
    const records = isRefusal(frame) ? frame : parseRecords(frame, GOSSIP_MAX_RECORDS)
    if (isRefusal(frame) || isRefusal(records)) {
      const refusal = isRefusal(records) ? records : refuse('stream-closed')
      if (isFoul(refusal) || isLie(refusal)) parts.onFoul(refusal, peer)
      frames.abort(refusal.code)
      return
    }
    await takeAll(parts, records, peer)
    const { allowance } = parts
    const wait = Math.max(
      allowance.spend(peer, 'bytes', frame.byteLength),
      allowance.spend(peer, 'records', records.length),
    )
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait).unref())
  }
}

const takeAll = async (parts: PushParts, records: readonly ParsedRecord[], peer: PeerId): Promise<void> => {
  const outcomes = await Promise.all(records.map(parts.ingest.take))
  const unknown = new Set<RoomId>()
  for (const [at, { room }] of records.entries()) {
    const outcome = outcomes[at]
    if (outcome === undefined || outcome === 'stored') continue
    if (outcome.code === 'room-unknown') unknown.add(room)
    if (isLie(outcome)) parts.onLie(peer)
  }
  for (const room of unknown) parts.onUnknown(peer, room)
}
