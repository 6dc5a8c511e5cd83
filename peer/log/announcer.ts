import type { Clock } from '../../shared/clock.ts'
import { fromHex, type PeerId, type RoomId } from '../../shared/ids.ts'
import {
  ACK_AFTER_MS,
  ACK_EVERY_MS,
  HINT_FANOUT,
  TELL_AFTER_MS,
  TELL_EVERY_MS,
  TELL_FANOUT,
  TELL_JITTER_MS,
} from '../../shared/limits.ts'
import { type Random, rotated } from '../../shared/random.ts'
import type { LogPoint } from '../../shared/wire/sync.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import type { LogId } from '../store/log-id.ts'
import { logOf } from '../store/serving.ts'
import type { Log } from './log.ts'

/**
 * Tells who is here how far we hold what is new: its author, soon, as an acknowledgement; and a little later whoever has
 * not said that it holds it, so that it pulls what live carriers lost, or what no carrier brings it because it has no
 * connection with the author.
 */
export type Announcer = {
  /** A peer is known to hold these logs this far. */
  heard(peer: PeerId, room: RoomId, heads: readonly LogPoint[]): void
  stop(): void
}

export type AnnouncerParts = {
  readonly self: PeerId
  readonly log: Pick<Log, 'head' | 'onAdvance'>
  readonly sessions: Pick<Sessions, 'list' | 'of'>
  /** Whether a session's user is in a room, as far as we know. */
  readonly reaches: (room: RoomId, session: Session) => boolean
  /** Gossip passes others' records on by itself, and a few are told in case; of what is pushed, each member tells all others. */
  readonly carrier: (room: RoomId) => 'gossip' | 'push'
  /** Whether we are catching up with a room: then there is nothing to tell yet. */
  readonly isBehind: (room: RoomId) => boolean
  readonly tell: (peer: PeerId, room: RoomId, heads: readonly LogPoint[]) => void
  /** One that is never set back. */
  readonly clock: Clock
  readonly random: Random
}

/** A log with something new: how far it was when it was noted, and how far it is by now. */
type News = { readonly log: LogId; readonly upTo: number; readonly latest: number }

export const createAnnouncer = (parts: AnnouncerParts): Announcer => {
  const { log, sessions } = parts
  /** How far peers hold the logs that are news, or were told of them. */
  const settled = new Map<RoomId, Map<PeerId, Map<string, number>>>()

  const seqOf = (id: LogId): number => log.head(id)?.seq ?? -1
  const pointOf = (id: LogId): LogPoint => ({ device: id.device, inc: fromHex(id.incarnation), seq: seqOf(id) })
  const settle = (room: RoomId, peer: PeerId, id: LogId, seq: number): void => {
    const peers = settled.get(room) ?? new Map<PeerId, Map<string, number>>()
    const logs = peers.get(peer) ?? new Map<string, number>()
    settled.set(room, peers.set(peer, logs))
    const name = nameOf(id)
    logs.set(name, Math.max(seq, logs.get(name) ?? -1))
  }
  const isSettled = (room: RoomId, peer: PeerId, id: LogId, seq: number): boolean =>
    (settled.get(room)?.get(peer)?.get(nameOf(id)) ?? -1) >= seq

  const acknowledge = (room: RoomId, news: readonly News[]): Outcome => {
    for (const [author, ofAuthor] of Map.groupBy(news, ({ log: id }) => id.device)) {
      const session = sessions.of(author)
      if (session === undefined || !parts.reaches(room, session)) continue
      parts.tell(
        author,
        room,
        ofAuthor.map(({ log: id }) => pointOf(id)),
      )
    }
    return 'all told'
  }
  /** Who does not say within a moment that it holds what was new then is told how it is now. */
  const tellSome = (room: RoomId, news: readonly News[], fanout: number, whenTold: Outcome): Outcome => {
    if (parts.isBehind(room)) return 'later'
    let told = 0
    for (const session of rotated(sessions.list(), parts.random)) {
      if (!parts.reaches(room, session)) continue
      const peer = session.device.peerId
      const unknown = news.filter(
        ({ log: id, upTo }) => id.device !== peer && !isSettled(room, peer, id, Math.min(upTo, seqOf(id))),
      )
      if (unknown.length === 0) continue
      if (told++ === fanout) return whenTold
      const heads = unknown.map(({ log: id }) => pointOf(id))
      parts.tell(peer, room, heads)
      for (const head of heads) settle(room, peer, logOf(room, head), head.seq)
    }
    return 'told so far'
  }

  const acks = createRounds(parts.clock, ACK_AFTER_MS, ACK_EVERY_MS, acknowledge, () => undefined)
  const tellAfter = TELL_AFTER_MS + jitter(parts.random)
  const forget = (room: RoomId): void => {
    if (tells.isIdle(room) && hints.isIdle(room)) settled.delete(room)
  }
  /** All must know in the end. */
  const tellAll: Work = (room, news) => tellSome(room, news, TELL_FANOUT, 'later')
  const tells = createRounds(parts.clock, tellAfter, TELL_EVERY_MS, tellAll, forget)
  /** Gossip brings it to all but a few. */
  const hint: Work = (room, news) => tellSome(room, news, HINT_FANOUT, 'told so far')
  const hints = createRounds(parts.clock, tellAfter, TELL_EVERY_MS, hint, forget)
  const end = log.onAdvance((id) => {
    const own = id.device === parts.self
    if (!own && sessions.of(id.device) !== undefined) acks.add(id, seqOf(id))
    const rounds = own || parts.carrier(id.room) === 'push' ? tells : hints
    rounds.add(id, seqOf(id))
  })
  return {
    heard: (peer, room, heads) => {
      for (const head of heads) {
        const id = logOf(room, head)
        if (tells.has(id) || hints.has(id)) settle(room, peer, id, head.seq)
      }
    },
    stop: () => {
      end()
      acks.stop()
      tells.stop()
      hints.stop()
    },
  }
}

const jitter = (random: Random): number => ((random.bytes(1)[0] ?? 0) / 256) * TELL_JITTER_MS

const nameOf = ({ device, incarnation }: LogId): string => `${device}/${incarnation}`

/** What a round has done: all that is known by now is told; or what was new when it was noted; or it must be done again. */
type Outcome = 'all told' | 'told so far' | 'later'
type Work = (room: RoomId, news: readonly News[]) => Outcome

/** Gathers what is new in each room, and works it off a moment after the first of it, and not too often. */
const createRounds = (
  clock: Clock,
  afterMs: number,
  everyMs: number,
  work: Work,
  /** There is nothing new left in a room. */
  onDone: (room: RoomId) => void,
) => {
  const rooms = new Map<RoomId, { news: Map<string, News>; timer: NodeJS.Timeout | null; last: number }>()

  const plan = (room: RoomId): void => {
    const round = rooms.get(room)
    if (round === undefined || round.timer !== null) return
    round.timer = setTimeout(() => run(room), Math.max(afterMs, round.last + everyMs - clock.now()))
  }
  const run = (room: RoomId): void => {
    const round = rooms.get(room)
    if (round === undefined) return
    round.timer = null
    round.last = clock.now()
    const outcome = work(room, [...round.news.values()])
    if (outcome === 'all told') round.news.clear()
    if (outcome === 'told so far') {
      const newer = [...round.news].filter(([, { upTo, latest }]) => latest > upTo)
      round.news = new Map(newer.map(([name, news]) => [name, { ...news, upTo: news.latest }]))
    }
    if (round.news.size > 0) plan(room)
    else onDone(room)
  }
  return {
    add: (log: LogId, seq: number): void => {
      const round = rooms.get(log.room) ?? { news: new Map(), timer: null, last: Number.NEGATIVE_INFINITY }
      rooms.set(log.room, round)
      const name = nameOf(log)
      round.news.set(name, { log, upTo: round.news.get(name)?.upTo ?? seq, latest: seq })
      plan(log.room)
    },
    has: (log: LogId): boolean => rooms.get(log.room)?.news.has(nameOf(log)) ?? false,
    isIdle: (room: RoomId): boolean => (rooms.get(room)?.news.size ?? 0) === 0,
    stop: (): void => {
      for (const { timer } of rooms.values()) clearTimeout(timer ?? undefined)
      rooms.clear()
    },
  }
}
