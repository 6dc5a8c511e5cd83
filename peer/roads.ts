import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal } from '../shared/errors.ts'
import type { NetworkId, PeerId, RoomId, UserName } from '../shared/ids.ts'
import { OPEN_ROOMS_MAX } from '../shared/limits.ts'
import type { Gossip } from '../shared/network/gossip.ts'
import type { Node } from '../shared/network/node.ts'
import type { Random } from '../shared/random.ts'
import { isMembershipKind, removeBodyCodec } from '../shared/wire/membership.ts'
import type { LogPoint } from '../shared/wire/sync.ts'
import type { Core } from './core.ts'
import type { Events } from './events.ts'
import type { KeyService } from './group/key-service.ts'
import { createAnnouncer } from './log/announcer.ts'
import { startCatchUp } from './log/catch-up.ts'
import { joinGossip, publishRecords } from './log/gossip.ts'
import { startPush } from './log/push.ts'
import { encodeRecord, type ParsedRecord } from './log/record.ts'
import { startSync } from './log/sync-handler.ts'
import type { OpenRoom } from './log/sync-server.ts'
import type { Allowance } from './network/allowance.ts'
import { type Live, startLive } from './network/live-handler.ts'
import type { Session, Sessions } from './network/sessions.ts'
import { logOf } from './store/serving.ts'
import type { Stores } from './store/stores.ts'

/** How records travel: gossip or push at once, sync for certain, and live hints of what is where. */
export type Roads = {
  readonly live: Live
  /** Takes part in the gossip of the rooms that have one; the node has to run. */
  join(): void
  /** Records of ours are signed: they go to the members who are here. */
  send(records: readonly ParsedRecord[]): void
  /** A record waits for one that is not here. */
  lack(room: RoomId): void
  /** Members of a room have changed. */
  roomChanged(room: RoomId): void
  stop(): void
}

export type RoadsParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly self: UserName
  readonly gossip: Gossip
  readonly sessions: Sessions
  readonly core: Pick<Core, 'log' | 'directory' | 'rooms' | 'ingest'>
  readonly stores: Pick<Stores, 'records' | 'serving'>
  readonly keys: KeyService
  readonly allowance: Allowance
  readonly clock: Clock
  /** One that is never set back. */
  readonly monotonic: Clock
  readonly random: Random
  readonly emit: Events['emit']
  readonly onFoul: (refusal: Refusal, peer: PeerId) => void
  /** A device is known to hold logs this far. */
  readonly onHolds: (peer: PeerId, room: RoomId, heads: readonly LogPoint[]) => void
}

export const startRoads = async (parts: RoadsParts): Promise<Roads> => {
  const { node, network, gossip, sessions, allowance, random, emit, onFoul } = parts
  const { log, directory, rooms, ingest } = parts.core
  const carriers = createCarriers(parts.core, parts.stores, parts.self)
  const { shares, carrier } = carriers
  const onLie = (peer: PeerId): void => allowance.foul(peer)

  const sync = await startSync({
    node,
    network,
    sessions,
    log,
    ingest,
    allowance,
    records: parts.stores.records,
    serving: parts.stores.serving,
    mayRead: (room, { device }) => rooms.mayRead(room, device.user),
    sharedRooms: ({ device }) => rooms.sharedWith(device.user),
    openRooms: carriers.open,
    onOpenRooms: async (founding) => {
      await Promise.all(founding.filter(({ room }) => rooms.get(room) === null).map(ingest.take))
    },
    onFoul,
    onLie,
    onHeads: (peer, room, heads, theyHaveMore) => {
      announcer.heard(peer, room, heads)
      parts.onHolds(peer, room, heads)
      if (theyHaveMore) catchUp.soon(peer, room)
    },
  })
  const live = await startLive({
    node,
    network,
    sessions,
    allowance,
    clock: parts.clock,
    shares,
    onPresence: ({ device: { user, peerId } }, state) => emit({ kind: 'presence', user, device: peerId, state }),
    onTyping: ({ device: { user, peerId } }, room, until) =>
      emit({ kind: 'typing', room, user, device: peerId, until }),
    onChanged: (peer) => catchUp.look(peer),
    onHeld: (peer, room, heads) => {
      announcer.heard(peer, room, heads)
      parts.onHolds(peer, room, heads)
      const isNeeded = (): boolean => heads.some((head) => head.seq > (log.head(logOf(room, head))?.seq ?? -1))
      if (isNeeded()) catchUp.soon(peer, room, isNeeded)
    },
    onFoul,
  })
  const push = await startPush({
    node,
    network,
    sessions,
    ingest,
    allowance,
    shares,
    onFoul,
    onLie,
    onUnknown: (peer) => catchUp.look(peer),
  })
  const catchUp = startCatchUp({
    sync,
    keys: parts.keys,
    sessions,
    directory: directory.room,
    wants: ({ room, isMember }) => isMember || carriers.isCarried(room),
    shares,
    sharedWith: ({ device }) => rooms.sharedWith(device.user).flatMap(({ room, isMember }) => (isMember ? [room] : [])),
    onRemoved: (device, room) => emit({ kind: 'removed', room, device }),
    locked: (room) => parts.stores.records.hasLocked(room),
    onAgreed: (peer, room) => parts.onHolds(peer, room, log.heads(room)),
    clock: parts.monotonic,
    random,
    onFailure: (device, refusal) => emit({ kind: 'refused', device, refusal }),
  })
  const announcer = createAnnouncer({
    self: node.peerId,
    log,
    sessions,
    shares,
    carrier,
    isBehind: catchUp.isPulling,
    tell: live.held,
    clock: parts.monotonic,
    random,
  })

  let running = false
  const topics = new Map<RoomId, () => void>()
  const join = (room: RoomId): void => {
    const wanted = carriers.isCarried(room) && carrier(room) === 'gossip'
    if (wanted && !topics.has(room)) {
      topics.set(room, joinGossip({ gossip, network, ingest, allowance, onFoul, onLie }, room))
    }
    if (wanted) return
    topics.get(room)?.()
    topics.delete(room)
  }
  return {
    live,
    join: () => {
      running = true
      for (const room of rooms.carried()) join(room)
    },
    send: (signed) => {
      const byCarrier = Map.groupBy(signed, ({ room }) => carrier(room))
      publishRecords(gossip, network, byCarrier.get('gossip') ?? []).catch(() => undefined) // sync brings what gossip could not
      push.send(byCarrier.get('push') ?? [])
      for (const record of signed) {
        const { room, header } = record
        if (!isMembershipKind(header.kind)) continue
        // Who is removed is no member any more, and is to know it all the same.
        const removed = header.kind === 'remove' ? removedBy(record) : null
        if (removed !== null) push.send([record], ({ device }) => device.user === removed)
        live.changed(room, header.kind === 'room' && carrier(room) === 'gossip' ? 'everybody' : 'members')
      }
    },
    lack: (room) => catchUp.lack(room),
    roomChanged: (room) => {
      parts.keys.roomChanged(room)
      if (running) join(room)
    },
    stop: () => {
      announcer.stop()
      catchUp.stop()
      push.stop()
      live.stop()
    },
  }
}

const removedBy = ({ wire }: ParsedRecord): string | null => {
  const body = wire.body === null ? null : removeBodyCodec.decode(wire.body)
  return body === null || isRefusal(body) ? null : body.user
}

/** Which way each room's records go, and to whom. */
const createCarriers = ({ rooms }: RoadsParts['core'], { records }: RoadsParts['stores'], self: UserName) => {
  /** How a room may be entered never changes; those that are not known yet are not kept. */
  const known = new Map<RoomId, 'gossip' | 'push'>()
  const founding = new Map<RoomId, Uint8Array>()
  const isCarried = (room: RoomId): boolean => rooms.get(room)?.isMember(self) === true
  const carrier = (room: RoomId): 'gossip' | 'push' => {
    const carrier = known.get(room)
    if (carrier !== undefined) return carrier
    const access = rooms.get(room)?.facts().access
    const found = access === 'all' || access === 'open' ? 'gossip' : 'push'
    if (access !== undefined) known.set(room, found)
    return found
  }
  const foundingOf = (room: RoomId): Uint8Array | null => {
    const bytes = founding.get(room)
    if (bytes !== undefined) return bytes
    const [first] = records.ofKind(room, 'room')
    const wire = first === undefined ? null : records.wire(first.hash)
    if (wire === null) return null
    const encoded = encodeRecord(wire)
    founding.set(room, encoded)
    return encoded
  }
  return {
    carrier,
    isCarried,
    /** Both we and the session's user are in the room. */
    shares: (room: RoomId, { device }: Session): boolean =>
      isCarried(room) && rooms.get(room)?.isMember(device.user) === true,
    open: (): OpenRoom[] =>
      rooms
        .all()
        .filter(({ id, kind }) => kind === 'founded' && carrier(id) === 'gossip')
        .slice(0, OPEN_ROOMS_MAX)
        .flatMap(({ id }) => {
          const record = foundingOf(id)
          return record === null ? [] : [{ room: id, record }]
        }),
  }
}
