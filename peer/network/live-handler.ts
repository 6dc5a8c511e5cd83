import type { Clock } from '../../shared/clock.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { fromHex, type NetworkId, type PeerId, type RoomId, toRoomId } from '../../shared/ids.ts'
import {
  DAY_MS,
  HELD_HEADS_MAX,
  LIVE_BUFFER_BYTES,
  LIVE_MAX_BYTES,
  LIVE_QUEUE_BYTES,
  TELL_FANOUT,
  TYPING_LASTS_MS,
} from '../../shared/limits.ts'
import { openFrames } from '../../shared/network/frames.ts'
import type { Node, Stream } from '../../shared/network/node.ts'
import { type Random, rotated } from '../../shared/random.ts'
import { type LiveMessage, liveCodec, liveProtocol, type PresenceState } from '../../shared/wire/live.ts'
import type { LogPoint } from '../../shared/wire/sync.ts'
import type { Allowance } from './allowance.ts'
import { isFoul, membersOnly } from './guard.ts'
import { createLastingStreams } from './lasting-streams.ts'
import type { Session, Sessions } from './sessions.ts'

/** What is true for a moment: it goes to who is here, and is never stored. */
export type Live = {
  /** Whether somebody sits at this device; told to all who are here, and to each who comes. `active` from the start. */
  setPresence(state: PresenceState): void
  /** What a device last said of itself; null while it is not here. */
  presenceOf(peer: PeerId): PresenceState | null
  /** Our user writes something in a room; however often it is called, the members hear it every few seconds. */
  typing(room: RoomId): void
  /**
   * Something has changed about a room: its members who are here look at once. Of an open room that is new, `everybody`, or
   * a `few` who pass it on.
   */
  changed(room: RoomId, whom?: 'members' | 'everybody' | 'few'): void
  /** Tells one peer how far we hold some logs of a room; of more than HELD_HEADS_MAX, that something has changed. */
  held(peer: PeerId, room: RoomId, heads: readonly LogPoint[]): void
  stop(): void
}

export type LiveParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly clock: Clock
  readonly random: Random
  readonly allowance: Pick<Allowance, 'spend'>
  /** Whether a session's user and ours are both members of a room, as far as we know. */
  readonly shares: (room: RoomId, session: Session) => boolean
  /** Whether a session's user is in a room, be it that we have just left it. */
  readonly reaches: (room: RoomId, session: Session) => boolean
  readonly onPresence: (session: Session, state: PresenceState) => void
  /** Somebody writes; it holds until this time, milliseconds since the epoch, unless it is said again. */
  readonly onTyping: (session: Session, room: RoomId, until: number) => void
  readonly onChanged: (peer: PeerId, room: RoomId) => void
  readonly onHeld: (peer: PeerId, room: RoomId, heads: readonly LogPoint[]) => void
  /** A peer sent something that is not in the protocol. */
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
}

export const startLive = async (parts: LiveParts): Promise<Live> => {
  const { node, sessions, clock } = parts
  const protocol = liveProtocol(parts.network)
  const streams = createLastingStreams({
    node,
    sessions,
    protocol,
    maxFrameBytes: LIVE_MAX_BYTES,
    queueBytes: LIVE_QUEUE_BYTES,
  })
  const present = new Map<PeerId, PresenceState>()
  const typed = new Map<RoomId, number>()
  let presence: PresenceState = 'active'

  const say = (peer: PeerId, message: LiveMessage): void => void streams.send(peer, liveCodec.encode(message))
  const sayInRoom = (room: RoomId, message: LiveMessage): void => {
    for (const session of sessions.list()) if (parts.reaches(room, session)) say(session.device.peerId, message)
  }
  await node.handle(
    protocol,
    membersOnly(sessions, (stream, session) => listen(parts, stream, session, (message) => hear(session, message))),
  )
  const hear = (session: Session, message: LiveMessage): void => {
    const peer = session.device.peerId
    if (message.kind === 'presence') {
      if (sessions.of(peer) === undefined || present.get(peer) === message.state) return
      present.set(peer, message.state)
      parts.onPresence(session, message.state)
      return
    }
    const room = toRoomId(message.room)
    switch (message.kind) {
      case 'typing':
        if (parts.shares(room, session)) parts.onTyping(session, room, clock.now() + TYPING_LASTS_MS)
        return
      case 'changed':
        parts.onChanged(peer, room)
        return
      case 'held':
        // Who tells of a room that we do not share with it may know better than we do.
        if (parts.shares(room, session)) parts.onHeld(peer, room, message.heads)
        else parts.onChanged(peer, room)
    }
  }
  const end = sessions.onChange(({ kind, session: { device } }) => {
    if (kind === 'began') say(device.peerId, { kind: 'presence', state: presence })
    if (kind === 'ended') present.delete(device.peerId)
  })

  return {
    setPresence: (state) => {
      if (state === presence) return
      presence = state
      for (const { device } of sessions.list()) say(device.peerId, { kind: 'presence', state })
    },
    presenceOf: (peer) => present.get(peer) ?? null,
    typing: (room) => {
      const now = clock.now()
      if (Math.abs(now - (typed.get(room) ?? Number.NEGATIVE_INFINITY)) < TYPING_LASTS_MS / 2) return
      typed.set(room, now)
      sayInRoom(room, { kind: 'typing', room: fromHex(room) })
    },
    changed: (room, whom = 'members') => {
      const message: LiveMessage = { kind: 'changed', room: fromHex(room) }
      const all = rotated(sessions.list(), parts.random)
      if (whom === 'members') sayInRoom(room, message)
      else for (const { device } of whom === 'few' ? all.slice(0, TELL_FANOUT) : all) say(device.peerId, message)
    },
    held: (peer, room, heads) => {
      const few = heads.length <= HELD_HEADS_MAX
      say(peer, few ? { kind: 'held', room: fromHex(room), heads } : { kind: 'changed', room: fromHex(room) })
    },
    stop: () => {
      end()
      streams.stop()
    },
  }
}

/** Who says too much is read no faster than it may speak; its stream fills up, and it drops the rest itself. */
const listen = async (
  parts: LiveParts,
  stream: Stream,
  session: Session,
  hear: (message: LiveMessage) => void,
): Promise<void> => {
  const peer = session.device.peerId
  const frames = openFrames(stream, { maxFrameBytes: LIVE_MAX_BYTES, bufferBytes: LIVE_BUFFER_BYTES })
  for (;;) {
    const frame = await frames.receive(DAY_MS)
    if (isRefusal(frame) && frame.code === 'too-late') continue // a day without a word is no fault here
    const message = isRefusal(frame) ? frame : liveCodec.decode(frame)
    if (isRefusal(message)) {
      if (isFoul(message)) parts.onFoul(message, peer)
      frames.abort(message.code)
      return
    }
    hear(message)
    const wait = parts.allowance.spend(peer, 'live', 1)
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait).unref())
  }
}
