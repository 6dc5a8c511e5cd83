import { say } from '../api/operations/messages.ts'
import {
  changeRoom,
  createRoom,
  getRoom,
  grant,
  invite,
  joinRoom,
  leaveRoom,
  listRooms,
  type RoomJson,
  removeMember,
} from '../api/operations/rooms.ts'
import { type Commands, type Desk, firstWord, nameOf, needed, roomOrHere } from './desk.ts'
import { keptOf, keptWords } from './keep.ts'

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
/keep 7 (days), 12h, 30m, 100 messages, forever   how long this room keeps messages
/members                   who is in this room
/msg @USER TEXT            say something to one user alone`

export const roomCommands = (desk: Desk): Commands => {
  const { client, self, show } = desk
  const did = async (what: string, object: Record<string, unknown>, room: string): Promise<void> =>
    show(`* ${what}`, { event: 'room', room: (await roomOrHere(desk, room)).place, ...object })
  return {
    '/rooms': async () => {
      const { rooms } = await client.call(listRooms, {})
      show(roomLines(rooms).join('\n'), { event: 'rooms', rooms })
    },
    '/room': async (rest) => {
      const { room } = await client.call(getRoom, { room: needed(rest, '/room #ROOM or /room @USER') })
      await desk.goTo(room)
    },
    '/create': async (rest) => {
      const words = rest.split(/\s+/)
      const options = new Set(['invite', 'open', 'since-join', 'all'])
      const name = words.filter((word) => !options.has(word)).join(' ')
      const { room } = await client.call(createRoom, {
        name: needed(name, '/create NAME [invite|open] [since-join]'),
        access: words.includes('open') ? 'open' : 'invite',
        history: words.includes('since-join') ? 'since-join' : 'all',
      })
      await desk.goTo(room)
    },
    '/join': async (rest) => {
      const { room } = await client.call(joinRoom, { room: needed(rest, '/join #ROOM') })
      await desk.goTo(room)
    },
    '/leave': async (rest) => {
      const { id, place } = await roomOrHere(desk, rest)
      await client.call(leaveRoom, { room: id })
      show(`* you have left ${place}`, { event: 'room', room: place, left: true })
      if (id === desk.here()) await desk.goTo(await roomOrHere(desk, self.general))
    },
    '/invite': async (rest) => {
      const room = desk.here()
      const name = nameOf(needed(rest, '/invite @USER'))
      await client.call(invite, { room, user: rest })
      await did(`${name} is invited`, { invited: name }, room)
    },
    '/remove': async (rest) => {
      const room = desk.here()
      const name = nameOf(needed(rest, '/remove @USER'))
      await client.call(removeMember, { room, user: rest })
      await did(`${name} is removed: what is said from now on is not for them`, { removed: name }, room)
    },
    '/admin': async (rest) => {
      const room = desk.here()
      const name = nameOf(needed(rest, '/admin @USER'))
      await client.call(grant, { room, user: rest, admin: true })
      await did(`${name} is an admin now`, { admin: name }, room)
    },
    '/member': async (rest) => {
      const room = desk.here()
      const name = nameOf(needed(rest, '/member @USER'))
      await client.call(grant, { room, user: rest, admin: false })
      await did(`${name} is no admin any more`, { member: name }, room)
    },
    '/topic': async (rest) => {
      const room = desk.here()
      await client.call(changeRoom, { room, topic: rest })
      await did('the topic is changed', { topic: rest }, room)
    },
    '/rename': async (rest) => {
      const room = desk.here()
      await client.call(changeRoom, { room, name: needed(rest, '/rename NAME') })
      await did('the room has another name', { name: rest }, room)
    },
    '/keep': async (rest) => {
      const room = desk.here()
      const { keepMs, keepMessages } = (await client.call(changeRoom, { room, ...keptOf(rest) })).room
      await did(`this room keeps ${keptWords({ keepMs, keepMessages })}`, { keepMs, keepMessages }, room)
    },
    '/members': async () => {
      const { place, members } = await roomOrHere(desk)
      const line =
        members === null
          ? 'everybody in the network'
          : members.map(({ name, admin }) => `${name}${admin ? ' (admin)' : ''}`).join('\n')
      show(line, { event: 'members', room: place, members })
    },
    '/msg': async (rest) => {
      const [word, text] = firstWord(rest)
      const name = nameOf(needed(word, '/msg @USER TEXT'))
      const { id } = await client.call(say, { room: `@${name}`, text: needed(text, '/msg @USER TEXT') })
      show(`  to @${name}: ${text}`, { event: 'stored', id, room: `@${name}`, text })
    },
  }
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
