import type { Clock } from '../../shared/clock.ts'
import type { PeerId, RoomId } from '../../shared/ids.ts'
import { KEYS_AGAIN_MAX_MS, KEYS_AGAIN_MS } from '../../shared/limits.ts'
import type { Session, Sessions } from '../network/sessions.ts'

/** What each session did not give, of each room: all messages that came here up to some moment. */
export type Denials = {
  /** The arrival from which on there is something to ask for; after the last message there is nothing. */
  since(peer: PeerId, room: RoomId): number
  /** A peer has been asked for all that came up to this arrival. */
  note(peer: PeerId, room: RoomId, upTo: number, opened: number): void
  forget(room: RoomId): void
}

type Denial = { readonly upTo: number; readonly again: number; readonly pauseMs: number }

/** @param clock one that is never set back */
export const createDenials = (sessions: Pick<Sessions, 'of' | 'list'>, clock: Clock): Denials => {
  const bySession = new WeakMap<Session, Map<RoomId, Denial>>()
  const of = (peer: PeerId): Map<RoomId, Denial> => {
    const session = sessions.of(peer)
    const known = session === undefined ? undefined : bySession.get(session)
    if (known !== undefined) return known
    const denials = new Map<RoomId, Denial>()
    if (session !== undefined) bySession.set(session, denials)
    return denials
  }
  return {
    since: (peer, room) => {
      const denial = of(peer).get(room)
      return denial === undefined || clock.now() >= denial.again ? -1 : denial.upTo
    },
    note: (peer, room, upTo, opened) => {
      const before = of(peer).get(room)
      const pauseMs =
        opened > 0 || before === undefined ? KEYS_AGAIN_MS : Math.min(KEYS_AGAIN_MAX_MS, before.pauseMs * 2)
      // What is new since the last time does not put off what is old.
      const again = before !== undefined && clock.now() < before.again ? before.again : clock.now() + pauseMs
      of(peer).set(room, { upTo, again, pauseMs: again === before?.again ? before.pauseMs : pauseMs })
    },
    forget: (room) => {
      for (const session of sessions.list()) bySession.get(session)?.delete(room)
    },
  }
}
