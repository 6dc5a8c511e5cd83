import { timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../../shared/clock.ts'
import { isRefusal, type Refusal, refuse } from '../../../shared/errors.ts'
import { type PeerId, toHex } from '../../../shared/ids.ts'
import { BULK_DOOR_BYTES, BULK_DOORS_MAX, BULK_TICKET_BYTES, BULK_TICKET_MS } from '../../../shared/limits.ts'
import type { Random } from '../../../shared/random.ts'
import type { Session } from '../../network/sessions.ts'

/** One TLS connection that one session may make, once and soon. */
export type Door = {
  readonly name: Uint8Array
  readonly ticket: Uint8Array
  readonly session: Session
  /** The IP address that the session's connection comes from: nobody else is expected. */
  readonly from: string
}

/** The tickets that are out. What opens a road is the ticket, inside TLS; the name only keeps the port silent for others. */
export type Doors = {
  /** `busy` when that session has too many that it does not use. */
  make(session: Session, from: string): Door | Refusal
  /** Whether anybody at that address may come now. */
  expects(address: string): boolean
  /** A handshake names a door, in hex: the first one gets it. */
  knock(name: string): Door | Refusal
  /** The door that a handshake has got. */
  behind(name: string): Door | null
  /** Spends the ticket. Null: it is that door's, and in time. */
  enter(door: Door, ticket: Uint8Array): Refusal | null
  /** Of a peer whose session has ended. */
  forget(peer: PeerId): void
}

type Entry = { readonly door: Door; readonly until: number; state: 'waiting' | 'knocked' | 'spent' }

/** @param clock one that is never set back */
export const createDoors = (clock: Clock, random: Random): Doors => {
  const entries = new Map<string, Entry>()
  /** Those that are used or past their time are still known for a while, so that it can be told what was wrong. */
  const sweep = (): void => {
    for (const [name, { until }] of entries) if (clock.now() > until + BULK_TICKET_MS) entries.delete(name)
  }
  const inTime = (entry: Entry | undefined): Entry | Refusal => {
    if (entry === undefined) return refuse('road-ticket-unknown')
    return clock.now() > entry.until ? refuse('road-ticket-late') : entry
  }
  return {
    make: (session, from) => {
      sweep()
      const open = [...entries.values()].filter(
        ({ door, until, state }) =>
          door.session.device.peerId === session.device.peerId && state === 'waiting' && clock.now() <= until,
      )
      if (open.length >= BULK_DOORS_MAX) return refuse('busy', 'tickets that were not used')
      const door = { name: random.bytes(BULK_DOOR_BYTES), ticket: random.bytes(BULK_TICKET_BYTES), session, from }
      entries.set(toHex(door.name), { door, until: clock.now() + BULK_TICKET_MS, state: 'waiting' })
      return door
    },
    expects: (address) =>
      [...entries.values()].some(({ door, until }) => door.from === address && clock.now() <= until + BULK_TICKET_MS),
    knock: (name) => {
      const entry = inTime(entries.get(name))
      if (isRefusal(entry)) return entry
      if (entry.state !== 'waiting') return refuse('road-ticket-unknown', 'used before')
      entry.state = 'knocked'
      return entry.door
    },
    behind: (name) => {
      const entry = entries.get(name)
      return entry?.state === 'knocked' ? entry.door : null
    },
    enter: (door, ticket) => {
      const entry = inTime(entries.get(toHex(door.name)))
      if (isRefusal(entry)) return entry
      if (entry.state === 'spent') return refuse('road-ticket-unknown', 'used before')
      entry.state = 'spent' // whatever comes of it: one try a ticket
      const isIt = ticket.byteLength === door.ticket.byteLength && timingSafeEqual(ticket, door.ticket)
      return isIt ? null : refuse('road-ticket-unknown')
    },
    forget: (peer) => {
      for (const [name, { door }] of entries) if (door.session.device.peerId === peer) entries.delete(name)
    },
  }
}
