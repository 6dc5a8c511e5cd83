import { LanyardError, orThrow, refuse } from '../../shared/errors.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { type RoomJson, roomJson } from '../api/operations/rooms.ts'
import { findPlace, findUser, placeOf } from '../api/places.ts'
import { type Commands, type Desk, firstWord, needed, roomOrHere } from './desk.ts'

/** What the commands of rooms do, a line each. */
export const ROOM_HELP = `/rooms                     your rooms, and open ones that you may join
/room #ROOM or @USER       go there: lines that you write are said there
/create NAME [invite|open] [since-join]   make a room (invite: only who was invited)
/join #ROOM                come into an open room
/leave [#ROOM]             leave a room
/invite @USER              bring somebody into this room
/remove @USER              nothing that is said from now on is for them
/admin @USER, /member @USER   make somebody an admin, or a member again
/topic TEXT, /rename NAME  what this room is about, and is called
/keep DAYS or forever      how long messages of this room are kept
/members                   who is in this room
/msg @USER TEXT            say something to one user alone`

export const roomCommands = (desk: Desk): Commands => {
  const { peer, show } = desk
  const { politics } = peer
  const user = (word: string, usage: string) => orThrow(findUser(peer, needed(word, usage)))
  const did = (what: string, object: Record<string, unknown>): void =>
    show(`* ${what}`, { event: 'room', room: placeOf(peer, desk.here()), ...object })
  return {
    '/rooms': () => {
      const rooms = peer.rooms().map((room) => roomJson(peer, room))
      show(roomLines(rooms).join('\n'), { event: 'rooms', rooms })
    },
    '/room': (rest) => {
      desk.goTo(orThrow(findPlace(peer, needed(rest, '/room #ROOM or /room @USER'))))
    },
    '/create': async (rest) => {
      const words = rest.split(/\s+/)
      const options = new Set(['invite', 'open', 'since-join', 'all'])
      const name = words.filter((word) => !options.has(word)).join(' ')
      const room = await politics.found({
        name: needed(name, '/create NAME [invite|open] [since-join]').replace(/^#/, ''),
        access: words.includes('open') ? 'open' : 'invite',
        history: words.includes('since-join') ? 'since-join' : 'all',
      })
      desk.goTo(room)
    },
    '/join': async (rest) => {
      const room = orThrow(findPlace(peer, needed(rest, '/join #ROOM')))
      await politics.join(room)
      desk.goTo(room)
    },
    '/leave': async (rest) => {
      const room = roomOrHere(desk, rest)
      const place = placeOf(peer, room)
      await politics.leave(room)
      did(`you have left ${place}`, { room: place, left: true })
      if (room === desk.here()) desk.goTo(peer.general)
    },
    '/invite': async (rest) => {
      const name = user(rest, '/invite @USER')
      await politics.invite(desk.here(), name)
      did(`${name} is invited`, { invited: name })
    },
    '/remove': async (rest) => {
      const name = user(rest, '/remove @USER')
      await politics.remove(desk.here(), name)
      did(`${name} is removed: what is said from now on is not for them`, { removed: name })
    },
    '/admin': async (rest) => {
      const name = user(rest, '/admin @USER')
      await politics.grant(desk.here(), name, true)
      did(`${name} is an admin now`, { admin: name })
    },
    '/member': async (rest) => {
      const name = user(rest, '/member @USER')
      await politics.grant(desk.here(), name, false)
      did(`${name} is no admin any more`, { member: name })
    },
    '/topic': async (rest) => {
      await politics.change(desk.here(), { topic: rest })
      did('the topic is changed', { topic: rest })
    },
    '/rename': async (rest) => {
      await politics.change(desk.here(), { name: needed(rest, '/rename NAME').replace(/^#/, '') })
      did('the room has another name', { name: rest })
    },
    '/keep': async (rest) => {
      const keepMs = keepOf(rest)
      await politics.change(desk.here(), { keepMs })
      did(keepMs === 0 ? 'messages are kept for ever' : `messages are kept for ${rest} days`, { keepMs })
    },
    '/members': () => {
      const room = peer.rooms().find(({ id }) => id === desk.here())
      const members = [...(room?.members ?? [])].map(([name, { admin }]) => ({ name, admin }))
      const line =
        room?.members == null
          ? 'everybody in the network'
          : members.map(({ name, admin }) => `${name}${admin ? ' (admin)' : ''}`).join('\n')
      show(line, {
        event: 'members',
        room: placeOf(peer, desk.here()),
        members: room?.members == null ? null : members,
      })
    },
    '/msg': async (rest) => {
      const [word, text] = firstWord(rest)
      const name = user(word, '/msg @USER TEXT')
      const room = peer.direct(name)
      const id = await peer.say(room, needed(text, '/msg @USER TEXT'))
      show(`  to @${name}: ${text}`, { event: 'stored', id, room: `@${name}`, text })
    },
  }
}

/** Days, as a fraction too; `forever` is 0. */
const keepOf = (text: string): number => {
  if (text === 'forever') return 0
  const days = Number(text)
  if (text === '' || !Number.isFinite(days) || days <= 0)
    throw new LanyardError(refuse('input-invalid', '/keep DAYS, or /keep forever'))
  return Math.round(days * DAY_MS)
}

/** The rooms that we are in first; each with what is unread. */
export const roomLines = (rooms: readonly RoomJson[]): string[] =>
  rooms
    .toSorted((a, b) => Number(b.member) - Number(a.member))
    .map((room) => {
      const { count } = room.unread
      const size =
        room.members === null
          ? 'everybody'
          : `${room.members.length} ${room.members.length === 1 ? 'member' : 'members'}`
      const facts = [
        room.member ? (count > 0 ? `${count} unread` : '') : 'open: /join it',
        room.access === 'direct' ? '' : size,
        room.history === 'since-join' ? 'newcomers read from their coming on' : '',
        room.topic,
      ].filter((fact) => fact !== '')
      return `${room.place.padEnd(20)}  ${facts.join(', ')}`
    })
