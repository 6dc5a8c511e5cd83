import type { PeerId, RoomId, UserName } from '../../shared/ids.ts'
import { toIncarnation } from '../../shared/ids.ts'
import type { LogPoint } from '../../shared/wire/sync.ts'
import type { LogId } from '../store/log-id.ts'
import type { ReceiptStore } from '../store/receipts.ts'

/** How far a message of ours has come: it is stored here; so many other devices hold it; these users have read it. */
export type DeliveryState = { readonly devices: number; readonly readBy: readonly UserName[] }

/** `stored → at k devices → read by`, from what peers tell in sync and live, and from receipts. It outlives a restart. */
export type Delivery = {
  /** Notes how far a device holds logs. @returns whether it now holds more of our user's than before */
  heard(by: PeerId, room: RoomId, points: readonly LogPoint[]): boolean
  /** Notes how far a user has read logs. @returns whether that is more of our user's than before */
  read(by: UserName, room: RoomId, points: readonly LogPoint[]): boolean
  of(log: LogId, seq: number): DeliveryState
}

export type DeliveryParts = {
  readonly store: Pick<ReceiptStore, 'held' | 'read' | 'holders' | 'readers'>
  /** Whether a device is one of our user's. */
  readonly isOurs: (device: PeerId) => boolean
}

export const createDelivery = ({ store, isOurs }: DeliveryParts): Delivery => {
  /** What the store has already: heads are told again and again. */
  const known = new Map<string, number>()
  const note = (what: 'held' | 'read', by: string, room: RoomId, points: readonly LogPoint[], keep: Keep): boolean => {
    let news = false
    for (const { device, inc, seq } of points) {
      if (device === by || !isOurs(device as PeerId)) continue
      const log: LogId = { room, device: device as PeerId, incarnation: toIncarnation(inc) }
      const name = `${what}/${by}/${room}/${device}/${log.incarnation}`
      if (seq <= (known.get(name) ?? -1)) continue
      known.set(name, seq)
      if (keep({ log, seq })) news = true
    }
    return news
  }
  return {
    heard: (by, room, points) => note('held', by, room, points, (mark) => store.held(mark, by)),
    read: (by, room, points) => note('read', by, room, points, (mark) => store.read(mark, by)),
    of: (log, seq) => ({ devices: store.holders(log, seq), readBy: store.readers(log, seq) }),
  }
}

type Keep = (mark: { readonly log: LogId; readonly seq: number }) => boolean
