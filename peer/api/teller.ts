import type { RoomId } from '../../shared/ids.ts'
import type { PeerEvent } from '../events.ts'
import type { Peer } from '../peer.ts'
import { type ApiEvent, eventJson } from './event-json.ts'
import { messageJson } from './message-json.ts'
import { placeOf } from './places.ts'

/** Puts what happens at a device into the shape of the API, many times a second; null for what is not shown any more. */
export const createTeller = (peer: Pick<Peer, 'rooms' | 'message'>): ((event: PeerEvent) => ApiEvent | null) => {
  const known = new Map<RoomId, string>()
  /** What rooms are called is asked for anew when something about one has changed. */
  const place = (room: RoomId): string => {
    const found = known.get(room) ?? placeOf(peer, room)
    known.set(room, found)
    return found
  }
  return (event) => {
    if (event.kind === 'room') known.clear()
    if (event.kind !== 'said') return eventJson(event, place)
    const message = peer.message(event.id)
    return message === null ? null : { event: 'said', ...messageJson(message, place(event.room)) }
  }
}
