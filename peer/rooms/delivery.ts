import { type Incarnation, type PeerId, type RoomId, toHex } from '../../shared/ids.ts'
import type { Head } from '../../shared/wire/sync.ts'

/** Who is known to hold our records: `stored → at k devices`, from the heads that peers tell in sync. */
export type Delivery = {
  /** Notes a peer's heads. @returns whether it now holds more of ours than before */
  heard(peer: PeerId, room: RoomId, heads: readonly Head[]): boolean
  /** How many other devices hold our record with this number. */
  count(room: RoomId, seq: number): number
}

export const createDelivery = (self: PeerId, incarnation: Incarnation): Delivery => {
  const held = new Map<RoomId, Map<PeerId, number>>()
  return {
    heard: (peer, room, heads) => {
      const ours = heads.find(({ device, inc }) => device === self && toHex(inc) === incarnation)
      const peers = held.get(room) ?? new Map<PeerId, number>()
      held.set(room, peers)
      if (ours === undefined || ours.seq <= (peers.get(peer) ?? -1)) return false
      peers.set(peer, ours.seq)
      return true
    },
    count: (room, seq) => [...(held.get(room)?.values() ?? [])].filter((newest) => newest >= seq).length,
  }
}
