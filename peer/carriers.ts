import { fromHex, type PeerId, type RoomId, type UserName } from '../shared/ids.ts'
import { OPEN_ROOMS_MAX } from '../shared/limits.ts'
import type { LogPoint } from '../shared/wire/sync.ts'
import type { Log } from './log/log.ts'
import { encodeRecord } from './log/record.ts'
import type { OfferedRoom, OpenRoom } from './log/sync-server.ts'
import type { Session } from './network/sessions.ts'
import type { Rooms } from './rooms/rooms.ts'
import type { LogId } from './store/log-id.ts'
import type { Stores } from './store/stores.ts'

type CarriersParts = {
  readonly self: UserName
  readonly core: { readonly log: Log; readonly rooms: Rooms }
  readonly stores: Pick<Stores, 'records' | 'incarnation'>
  readonly node: { readonly peerId: PeerId }
}

export const createCarriers = ({ self, core: { log, rooms }, stores, node }: CarriersParts) => {
  /** How a room may be entered never changes; those that are not known yet are not kept. */
  const known = new Map<RoomId, 'gossip' | 'push'>()
  const founding = new Map<RoomId, Uint8Array>()
  /** Sessions that hold all that we ever wrote in a room. */
  const done = new Map<RoomId, Set<PeerId>>()

  const isIn = (room: RoomId, user: UserName): boolean => rooms.get(room)?.isMember(user) === true
  const isCarried = (room: RoomId): boolean => isIn(room, self)
  const reaches = (room: RoomId, { device }: Session): boolean => isIn(room, device.user)
  const ownLog = (room: RoomId): LogId => ({ room, device: node.peerId, incarnation: stores.incarnation })

  const carrier = (room: RoomId): 'gossip' | 'push' => {
    const present = known.get(room)
    if (present !== undefined) return present
    const access = rooms.get(room)?.facts().access
    const found = access === 'all' || access === 'open' ? 'gossip' : 'push'
    if (access !== undefined) known.set(room, found)
    return found
  }
  const foundingOf = (room: RoomId): Uint8Array | null => {
    const present = founding.get(room)
    if (present !== undefined) return present
    const [first] = stores.records.ofKind(room, 'room')
    const wire = first === undefined ? null : stores.records.wire(first.hash)
    if (wire === null) return null
    const encoded = encodeRecord(wire)
    founding.set(room, encoded)
    return encoded
  }
  const isOpen = (room: RoomId): boolean => rooms.get(room)?.kind === 'founded' && carrier(room) === 'gossip'
  /** Who has left a room still has something to say there: that it has left. */
  const owes = (room: RoomId, peer: PeerId): boolean =>
    log.head(ownLog(room)) !== null && done.get(room)?.has(peer) !== true

  return {
    carrier,
    isCarried,
    /** Whether a session's user is in a room: it may have what we write there, be it that we leave. */
    reaches,
    /** Both we and the session's user are in a room. */
    shares: (room: RoomId, session: Session): boolean => isCarried(room) && reaches(room, session),
    /** What a session's user may hear of from us: the directory comes first. */
    shared: (session: Session): OfferedRoom[] =>
      rooms.all().flatMap(({ id }): OfferedRoom[] => {
        if (reaches(id, session))
          return isCarried(id) || owes(id, session.device.peerId) ? [{ room: id, isMember: true }] : []
        return isCarried(id) && isOpen(id) ? [{ room: id, isMember: false }] : []
      }),
    openRooms: (): OpenRoom[] =>
      rooms
        .all()
        .filter(({ id }) => isOpen(id))
        .slice(0, OPEN_ROOMS_MAX)
        .flatMap(({ id }) => {
          const record = foundingOf(id)
          return record === null ? [] : [{ room: id, record }]
        }),
    /** A peer holds these logs this far. */
    heard: (peer: PeerId, room: RoomId, heads: readonly LogPoint[]): void => {
      const own = ownLog(room)
      const inc = fromHex(own.incarnation)
      const theirs = heads.find((head) => head.device === own.device && Buffer.compare(head.inc, inc) === 0)
      if (theirs === undefined) return
      const peers = done.get(room) ?? new Set<PeerId>()
      done.set(room, peers)
      if (theirs.seq >= (log.head(own)?.seq ?? 0)) peers.add(peer)
      else peers.delete(peer)
    },
  }
}
