import type { Clock } from '../../shared/clock.ts'
import { type Refusal, refusalOf } from '../../shared/errors.ts'
import type { PeerId, RoomId } from '../../shared/ids.ts'
import { PULLS_AT_ONCE, SYNC_AGAIN_MS, SYNC_DEBOUNCE_MS, SYNC_INTERVAL_MS } from '../../shared/limits.ts'
import { type Random, rotated } from '../../shared/random.ts'
import type { KeyService } from '../group/key-service.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import { createLanes } from './lanes.ts'
import type { Sync } from './sync-handler.ts'

/** Decides when to sync with whom; it never runs two pulls of one room with one peer at once. */
export type CatchUp = {
  /** Soon, with this peer: it has more of this room. @param isNeeded asked once more when it begins */
  soon(peer: PeerId, room: RoomId, isNeeded?: () => boolean): void
  /** Whether a room is being pulled from anybody. */
  isPulling(room: RoomId): boolean
  /** Soon, with this peer: something has changed about the rooms that we share. */
  look(peer: PeerId): void
  /** Soon, with anybody in the room: something is missing, and it is not known who has it. */
  lack(room: RoomId): void
  stop(): void
}

export type CatchUpParts = {
  readonly sync: Sync
  readonly keys: KeyService
  readonly sessions: Sessions
  /** It comes first, since it has the certificates that verify the rest. */
  readonly directory: RoomId
  /** Whether a session may be asked about a room: its user is in it, as far as we know. */
  readonly shares: (room: RoomId, session: Session) => boolean
  /** Whether we are in a room. */
  readonly isCarried: (room: RoomId) => boolean
  /** Rooms that a session's user and ours are in, as far as we know. */
  readonly sharedWith: (session: Session) => readonly RoomId[]
  /** A peer says that our user was removed from a room; told once a session. */
  readonly onRemoved: (peer: PeerId, room: RoomId) => void
  /** Whether messages of the room wait for a key. */
  readonly locked: (room: RoomId) => boolean
  /** Both hold the same of a room. */
  readonly onAgreed: (peer: PeerId, room: RoomId) => void
  /** One that is never set back. */
  readonly clock: Clock
  readonly random: Random
  readonly onFailure: (peer: PeerId, refusal: Refusal) => void
}

export const startCatchUp = (parts: CatchUpParts): CatchUp => {
  const running = new Map<string, { again: boolean }>()
  const timers = new Set<NodeJS.Timeout>()
  const planned = new Set<string>()
  /** How often in a row a peer claimed to have more and gave nothing that could be taken. */
  const vain = new Map<PeerId, Map<RoomId, number>>()
  const lanes = createLanes(parts.clock)
  const removedFrom = new Map<PeerId, Set<RoomId>>()
  let stopped = false

  /** One at a time of a name; whoever asks meanwhile gets it once more. */
  const once = async (name: string, peer: PeerId, work: () => Promise<void>, room?: RoomId): Promise<void> => {
    const present = running.get(name)
    if (present !== undefined) {
      present.again = true
      return
    }
    const state = { again: false }
    running.set(name, state)
    try {
      do {
        state.again = false
        await work()
      } while (state.again && !stopped)
    } catch (error) {
      const refusal = refusalOf(error)
      // Two members may honestly differ for a moment over who is in a room.
      const isHonest = refusal.by === 'there' && refusal.code === 'not-a-member'
      if (refusal.by === 'there' && refusal.code === 'removed' && room !== undefined) toldRemoved(peer, room)
      else if (!isHonest && !stopped && parts.sessions.of(peer) !== undefined) parts.onFailure(peer, refusal)
    } finally {
      running.delete(name)
    }
  }
  const toldRemoved = (peer: PeerId, room: RoomId): void => {
    const told = removedFrom.get(peer) ?? new Set<RoomId>()
    if (told.has(room)) return
    removedFrom.set(peer, told.add(room))
    parts.onRemoved(peer, room)
  }
  const plan = (name: string, peer: PeerId, pauseMs: number, work: () => void): void => {
    if (stopped || planned.has(name)) return
    planned.add(name)
    const timer = setTimeout(() => {
      timers.delete(timer)
      planned.delete(name)
      if (parts.sessions.of(peer) !== undefined) work()
    }, pauseMs)
    timers.add(timer)
  }

  const pull = (peer: PeerId, room: RoomId, isNeeded = () => true): Promise<void> =>
    once(`${peer}/${room}`, peer, () => pullNow(peer, room, isNeeded), room)
  const pullNow = async (peer: PeerId, room: RoomId, isNeeded: () => boolean): Promise<void> => {
    const lane = await lanes.enter(room)
    if (stopped || !isNeeded()) {
      lane.leave()
      return
    }
    const { stored, lacking } = await parts.sync.pull(peer, room, lane.progress).finally(lane.leave)
    const before = vain.get(peer) ?? new Map<RoomId, number>()
    vain.set(peer, before.set(room, lacking && stored === 0 ? (before.get(room) ?? 0) + 1 : 0))
    if (lacking) soon(peer, room)
    if (parts.locked(room)) await parts.keys.ask(peer, room)
  }
  const soon = (peer: PeerId, room: RoomId, isNeeded?: () => boolean): void =>
    plan(`${peer}/${room}`, peer, pauseOf(peer, room), () => void pull(peer, room, isNeeded))
  /** Of two forks each member keeps its own, and a liar may claim anything: such a pair must not sync without end. */
  const pauseOf = (peer: PeerId, room: RoomId): number =>
    Math.min(SYNC_INTERVAL_MS, SYNC_DEBOUNCE_MS * 2 ** Math.min(vain.get(peer)?.get(room) ?? 0, 10))

  const askKeys = (peer: PeerId, room: RoomId): Promise<void> =>
    once(`${peer}/${room}/keys`, peer, async () => void (await parts.keys.ask(peer, room)))

  /** One question tells where we differ; only there is anything pulled. It does not wait for that: more may change meanwhile. */
  const look = (peer: PeerId): Promise<void> =>
    once(peer, peer, async () => {
      const told = await parts.sync.rooms(peer)
      // Where the peer takes us for a member and we do not, it may know better; where nobody does, we have no business.
      const shared = told.filter(({ room, isMember }) => isMember || parts.isCarried(room))
      const directory = shared.find(({ room, agrees }) => room === parts.directory && !agrees())
      if (directory !== undefined) await pull(peer, parts.directory, () => !directory.agrees())
      for (const { room, agrees } of shared) {
        if (agrees()) parts.onAgreed(peer, room)
        else if (room !== parts.directory) inLine(peer, () => pull(peer, room, () => !agrees()))
        if (agrees() && parts.locked(room)) inLine(peer, () => askKeys(peer, room))
      }
      askUnlisted(peer, new Set(told.map(({ room }) => room)))
    })
  /** What a peer does not list, and should: it has not heard of the room yet; or we have not heard of our removal. */
  const askUnlisted = (peer: PeerId, listed: ReadonlySet<RoomId>): void => {
    const session = parts.sessions.of(peer)
    if (session === undefined || unlistedAsked.has(session)) return
    unlistedAsked.add(session)
    for (const room of parts.sharedWith(session)) if (!listed.has(room)) inLine(peer, () => pull(peer, room))
  }
  const unlistedAsked = new WeakSet<Session>()
  const lines = new Map<PeerId, { readonly work: (() => Promise<void>)[]; running: number }>()
  /** A few at a time with each peer, however many rooms we share. */
  const inLine = (peer: PeerId, work: () => Promise<void>): void => {
    const line = lines.get(peer) ?? { work: [], running: 0 }
    lines.set(peer, line)
    line.work.push(work)
    if (line.running < PULLS_AT_ONCE) void runLine(peer, line)
  }
  const runLine = async (
    peer: PeerId,
    line: { readonly work: (() => Promise<void>)[]; running: number },
  ): Promise<void> => {
    line.running++
    for (let work = line.work.shift(); work !== undefined && !stopped; work = line.work.shift()) await work()
    line.running--
    if (line.running === 0 && line.work.length === 0) lines.delete(peer)
  }
  const anybody = (sessions: readonly Session[]): PeerId | undefined =>
    rotated(sessions, parts.random)[0]?.device.peerId

  const end = parts.sessions.onChange(({ kind, session }) => {
    const { peerId } = session.device
    if (kind === 'began') void look(peerId)
    if (kind === 'began') plan(`${peerId}/again`, peerId, SYNC_AGAIN_MS, () => void look(peerId))
    if (kind !== 'ended') return
    vain.delete(peerId)
    removedFrom.delete(peerId)
  })
  const interval = setInterval(() => {
    const peer = anybody(parts.sessions.list())
    if (peer !== undefined) void look(peer)
  }, SYNC_INTERVAL_MS)

  return {
    soon,
    isPulling: lanes.isBusy,
    look: (peer) => plan(peer, peer, SYNC_DEBOUNCE_MS, () => void look(peer)),
    lack: (room) => {
      const peer = anybody(parts.sessions.list().filter((session) => parts.shares(room, session)))
      if (peer === undefined) return
      if (room !== parts.directory) soon(peer, parts.directory)
      soon(peer, room)
    },
    stop: () => {
      stopped = true
      end()
      clearInterval(interval)
      for (const timer of timers) clearTimeout(timer)
      lanes.stop()
    },
  }
}
