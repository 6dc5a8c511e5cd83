import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal } from '../shared/errors.ts'
import type { NetworkId, PeerId, RoomId, UserName } from '../shared/ids.ts'
import type { Gossip } from '../shared/network/gossip.ts'
import type { Node } from '../shared/network/node.ts'
import type { Random } from '../shared/random.ts'
import { isMembershipKind, removeBodyCodec } from '../shared/wire/membership.ts'
import type { LogPoint } from '../shared/wire/sync.ts'
import { createCarriers } from './carriers.ts'
import type { Core } from './core.ts'
import type { Events } from './events.ts'
import type { KeyService } from './group/key-service.ts'
import { createAnnouncer } from './log/announcer.ts'
import { startCatchUp } from './log/catch-up.ts'
import { joinGossip, publishRecords } from './log/gossip.ts'
import { startPush } from './log/push.ts'
import type { ParsedRecord } from './log/record.ts'
import { startSync } from './log/sync-handler.ts'
import type { Allowance } from './network/allowance.ts'
import { type Live, startLive } from './network/live-handler.ts'
import type { Sessions } from './network/sessions.ts'
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
  readonly stores: Pick<Stores, 'records' | 'serving' | 'incarnation'>
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
  const carriers = createCarriers(parts)
  const { shares, reaches, carrier } = carriers
  const onLie = (peer: PeerId): void => allowance.foul(peer)
  const holds = (peer: PeerId, room: RoomId, heads: readonly LogPoint[]): void => {
    announcer.heard(peer, room, heads)
    carriers.heard(peer, room, heads)
    parts.onHolds(peer, room, heads)
  }

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
    mayHaveKey: (id, seq, { device }) => rooms.mayHaveKey(id, seq, device.user),
    locked: parts.stores.records.hasLocked,
    sharedRooms: carriers.shared,
    openRooms: carriers.openRooms,
    onOpenRooms: async (founding) => {
      const unknown = founding.filter(({ room }) => rooms.get(room) === null)
      await Promise.all(unknown.map(ingest.take))
      for (const { room } of unknown) if (rooms.get(room) !== null) live.changed(room, 'few')
    },
    onFoul,
    onLie,
    onHeads: (peer, room, heads, theyHaveMore) => {
      holds(peer, room, heads)
      if (theyHaveMore) catchUp.soon(peer, room)
    },
  })
  const live = await startLive({
    node,
    network,
    sessions,
    allowance,
    clock: parts.clock,
    random,
    shares,
    reaches,
    onPresence: ({ device: { user, peerId } }, state) => emit({ kind: 'presence', user, device: peerId, state }),
    onTyping: ({ device: { user, peerId } }, room, until) =>
      emit({ kind: 'typing', room, user, device: peerId, until }),
    onChanged: (peer) => catchUp.look(peer),
    onHeld: (peer, room, heads) => {
      holds(peer, room, heads)
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
    reaches,
    onFoul,
    onLie,
    onUnknown: (peer) => catchUp.look(peer),
  })
  const catchUp = startCatchUp({
    sync,
    keys: parts.keys,
    sessions,
    directory: directory.room,
    shares,
    isCarried: carriers.isCarried,
    sharedWith: ({ device }) => rooms.sharedWith(device.user).flatMap(({ room, isMember }) => (isMember ? [room] : [])),
    onRemoved: (device, room) => emit({ kind: 'removed', room, device }),
    locked: parts.stores.records.hasLocked,
    onAgreed: (peer, room) => holds(peer, room, log.heads(room)),
    clock: parts.monotonic,
    random,
    onFailure: (device, refusal) => emit({ kind: 'refused', device, refusal }),
  })
  const announcer = createAnnouncer({
    self: node.peerId,
    log,
    sessions,
    reaches,
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
        live.changed(room, 'members')
        // Of an open room that is new all should know; and who has just come in may not know yet who else is there.
        if (carrier(room) === 'gossip') live.changed(room, header.kind === 'room' ? 'everybody' : 'few')
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
