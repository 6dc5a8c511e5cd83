import { fault, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { userNameOf } from '../../shared/user-name.ts'
import type { PeerEvent } from '../events.ts'
import type { ListedRoom, Peer } from '../peer.ts'

// How people write where something goes: `#room`, `@user`, or the beginning of a room's id.

/** `#name` of a room, `@name` of a direct one. */
export const placeOf = (peer: Pick<Peer, 'rooms'>, room: RoomId): string => {
  const known = peer.rooms().find(({ id }) => id === room)
  return known === undefined ? `#${room.slice(0, 8)}` : labelOf(known)
}

/** As `placeOf`, for many times a second: what rooms are called is asked for anew when something about one has changed. */
export const createPlaces = (peer: Pick<Peer, 'rooms'>) => {
  const known = new Map<RoomId, string>()
  return {
    heard: (event: PeerEvent): void => {
      if (event.kind === 'room') known.clear()
    },
    of: (room: RoomId): string => {
      const place = known.get(room) ?? placeOf(peer, room)
      known.set(room, place)
      return place
    },
  }
}

export const labelOf = ({ access, name }: Pick<ListedRoom, 'access' | 'name'>): string =>
  `${access === 'direct' ? '@' : '#'}${name}`

/** The room that a word means; `room-unknown`, `room-ambiguous`, `user-unknown` when it means none, or several. */
export const findPlace = (peer: Peer, word: string): RoomId | Refusal => {
  if (word.startsWith('@')) {
    const user = findUser(peer, word)
    return isRefusal(user) ? user : peer.direct(user)
  }
  const name = word.replace(/^#/, '').normalize('NFKC').toLowerCase()
  if (name === '') return refuse('room-unknown', 'a name is missing')
  const all = peer.rooms()
  const exact = all.find(({ id }) => id === word)
  if (exact !== undefined) return exact.id
  const rooms = all.filter(({ access }) => access !== 'direct')
  const fitting = rooms.filter((room) => room.name.toLowerCase() === name)
  // Of rooms of one name, those that we are in are meant.
  const [found, ...more] = narrowed(fitting.length > 0 ? fitting : rooms.filter(({ id }) => id.startsWith(name)))
  if (found === undefined) return refuse('room-unknown', word)
  if (more.length > 0) {
    return refuse('room-ambiguous', [found, ...more].map(({ id, name: one }) => `${one} ${id.slice(0, 8)}`).join(', '))
  }
  return found.id
}

const narrowed = (rooms: readonly ListedRoom[]): readonly ListedRoom[] => {
  const ours = rooms.filter(({ member }) => member)
  return ours.length > 0 ? ours : rooms
}

/** A user of the network, with or without `@` in front. */
export const findUser = (peer: Pick<Peer, 'users'>, word: string): UserName | Refusal => {
  const user = userNameOf(word.replace(/^@/, ''))
  if (isRefusal(user)) return user
  return peer.users().some((known) => known.user === user) ? user : refuse('user-unknown', word)
}

/** An offer by its id or the beginning of it; the newest one that fits. @throws LanyardError `file-not-held` */
export const findFile = (peer: Pick<Peer, 'files' | 'message'>, start: string): RecordHash => {
  const found = peer.files.list().findLast(({ id }) => id.startsWith(start))
  if (found !== undefined) return found.id
  // Our own from another device, and what came before files were listed, are messages all the same.
  const message = peer.message(start as RecordHash)
  if (message?.content?.kind === 'file') return message.id
  throw fault('file-not-held', `no file message ${start}`)
}
