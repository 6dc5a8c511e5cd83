import { z } from 'zod'
import { fault, orThrow } from '../../../shared/errors.ts'
import type { RoomId } from '../../../shared/ids.ts'
import type { ListedRoom, Peer } from '../../peer.ts'
import { operation } from '../operation.ts'
import { findPlace, findUser, labelOf } from '../places.ts'

/** How an operation is told of a room. */
export const placeInput = z.string().min(1).describe('#room, @user, or the beginning of a room id')

/** A room that this device knows of: one of ours, or an open one that we may join. */
export const roomShape = z.object({
  id: z.string(),
  place: z.string().describe('#room or @user'),
  name: z.string(),
  topic: z.string(),
  member: z.boolean().describe('our user is in it'),
  access: z.enum(['all', 'open', 'invite', 'direct']),
  history: z.enum(['all', 'since-join']),
  creator: z.string().nullable(),
  keepMs: z.number().describe('how long messages are kept; 0 is for ever'),
  keepMessages: z.number().describe('how many messages are kept; 0 is all'),
  members: z
    .array(z.object({ name: z.string(), admin: z.boolean() }))
    .nullable()
    .describe('null where everybody is'),
  unread: z.object({ count: z.number(), mentions: z.number(), first: z.string().nullable() }),
  muted: z.boolean(),
})
export type RoomJson = z.output<typeof roomShape>

const roomJson = (peer: Peer, room: ListedRoom): RoomJson => ({
  ...room,
  place: labelOf(room),
  members: room.members === null ? null : [...room.members].map(([name, { admin }]) => ({ name, admin })),
  unread: peer.unread(room.id),
  muted: peer.isMuted(room.id),
})

/** @throws LanyardError `room-unknown` */
const shown = (peer: Peer, id: RoomId): { readonly room: RoomJson } => {
  const room = peer.rooms().find((one) => one.id === id)
  if (room === undefined) throw fault('room-unknown', id)
  return { room: roomJson(peer, room) }
}
const one = z.object({ room: roomShape })
const inRoom = { room: placeInput }
const ofUser = { user: z.string().describe('with or without @') }

export const listRooms = operation({
  name: 'rooms.list',
  method: 'GET',
  path: '/rooms',
  summary: 'Our rooms, and open ones that we may join.',
  input: z.object({}),
  output: z.object({ rooms: z.array(roomShape) }),
  run: (peer) => ({ rooms: peer.rooms().map((room) => roomJson(peer, room)) }),
})

export const getRoom = operation({
  name: 'rooms.get',
  method: 'GET',
  path: '/rooms/:room',
  summary: 'One room.',
  input: z.object(inRoom),
  output: one,
  run: (peer, { room }) => shown(peer, orThrow(findPlace(peer, room))),
})

export const createRoom = operation({
  name: 'rooms.create',
  method: 'POST',
  path: '/rooms',
  summary: 'Makes a room, whose admin our user is.',
  input: z.object({
    name: z.string(),
    access: z.enum(['open', 'invite']).default('invite'),
    history: z.enum(['all', 'since-join']).default('all').describe('what newcomers may read'),
  }),
  output: one,
  run: async (peer, { name, access, history }) =>
    shown(peer, await peer.politics.found({ name: name.replace(/^#/, ''), access, history })),
})

export const joinRoom = operation({
  name: 'rooms.join',
  method: 'POST',
  path: '/rooms/:room/join',
  summary: 'Comes into an open room, or takes an invitation up.',
  input: z.object(inRoom),
  output: one,
  run: async (peer, { room }) => {
    const id = orThrow(findPlace(peer, room))
    await peer.politics.join(id)
    return shown(peer, id)
  },
})

export const leaveRoom = operation({
  name: 'rooms.leave',
  method: 'POST',
  path: '/rooms/:room/leave',
  summary: 'Leaves a room; what was here of it is signed for.',
  input: z.object(inRoom),
  output: z.object({}),
  run: async (peer, { room }) => {
    await peer.politics.leave(orThrow(findPlace(peer, room)))
    return {}
  },
})

export const invite = operation({
  name: 'rooms.invite',
  method: 'POST',
  path: '/rooms/:room/members',
  summary: 'Brings a user into a room.',
  input: z.object({ ...inRoom, ...ofUser }),
  output: one,
  run: async (peer, { room, user }) => {
    const id = orThrow(findPlace(peer, room))
    await peer.politics.invite(id, orThrow(findUser(peer, user)))
    return shown(peer, id)
  },
})

export const removeMember = operation({
  name: 'rooms.remove',
  method: 'DELETE',
  path: '/rooms/:room/members/:user',
  summary: 'Removes a user from a room: what is said from now on is not for them.',
  input: z.object({ ...inRoom, ...ofUser }),
  output: one,
  run: async (peer, { room, user }) => {
    const id = orThrow(findPlace(peer, room))
    await peer.politics.remove(id, orThrow(findUser(peer, user)))
    return shown(peer, id)
  },
})

export const grant = operation({
  name: 'rooms.grant',
  method: 'PUT',
  path: '/rooms/:room/members/:user',
  summary: 'Makes a member an admin, or an admin a member.',
  input: z.object({ ...inRoom, ...ofUser, admin: z.boolean() }),
  output: one,
  run: async (peer, { room, user, admin }) => {
    const id = orThrow(findPlace(peer, room))
    await peer.politics.grant(id, orThrow(findUser(peer, user)), admin)
    return shown(peer, id)
  },
})

export const changeRoom = operation({
  name: 'rooms.change',
  method: 'PATCH',
  path: '/rooms/:room',
  summary: 'Changes name, topic or retention of a room.',
  input: z.object({
    ...inRoom,
    name: z.string().optional(),
    topic: z.string().optional(),
    keepMs: z.int().min(0).optional().describe('how long messages are kept; 0 is for ever'),
    keepMessages: z.int().min(0).optional().describe('how many messages are kept; 0 is all'),
  }),
  output: one,
  run: async (peer, { room, name, ...rest }) => {
    const id = orThrow(findPlace(peer, room))
    await peer.politics.change(id, { ...(name === undefined ? {} : { name: name.replace(/^#/, '') }), ...rest })
    return shown(peer, id)
  },
})

export const rekeyRoom = operation({
  name: 'rooms.rekey',
  method: 'POST',
  path: '/rooms/:room/rekey',
  summary: 'Makes a new sender key for a room, from the next message on.',
  input: z.object(inRoom),
  output: z.object({}),
  run: async (peer, { room }) => {
    await peer.rekey(orThrow(findPlace(peer, room)))
    return {}
  },
})
