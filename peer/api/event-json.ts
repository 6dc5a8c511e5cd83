import { z } from 'zod'
import { type Refusal, refuse } from '../../shared/errors.ts'
import type { RoomId } from '../../shared/ids.ts'
import type { PeerEvent } from '../events.ts'
import { messageJson, messageShape } from './message-json.ts'
import { refusalFields, refusalJson } from './refusal-json.ts'

const at = { room: z.string().describe('#room or @user'), roomId: z.string() }
const event = <Name extends string, Shape extends z.core.$ZodLooseShape>(name: Name, shape: Shape) =>
  z.object({ event: z.literal(name), ...shape })

/** What happens, for scripts, bots and screens: one shape for `--json`, the WebSocket and the library. */
export const eventShape = z.discriminatedUnion('event', [
  event('ready', {
    user: z.string(),
    device: z.string(),
    network: z.string(),
    addresses: z.array(z.string()).readonly(),
  }).describe('the first of all: whose device this is'),
  event('message', messageShape.shape).describe('a message of somebody else can be read'),
  event('said', messageShape.shape).describe('our user said it at this device, by this program or another one'),
  event('updated', messageShape.shape).describe('a message was edited, taken back, or has other reactions'),
  event('session', { change: z.enum(['began', 'ended']), user: z.string(), device: z.string() }),
  event('presence', { user: z.string(), device: z.string(), state: z.enum(['active', 'away']) }),
  event('typing', { ...at, user: z.string(), device: z.string(), until: z.iso.datetime() }),
  event('refused', { device: z.string(), ...refusalFields }).describe('a connection came to nothing'),
  event('ca-sighted', {}),
  event('renewed', { until: z.iso.datetime() }).describe('the certificate of this device'),
  event('rolled-over', { root: z.number(), until: z.iso.datetime() }).describe('the CA has a new root'),
  event('revocations', { number: z.number(), cut: z.array(z.string()).readonly(), self: z.boolean() }),
  event('crl-stale', refusalFields),
  event('foul', { user: z.string().nullable(), ...refusalFields }).describe('something was not taken'),
  event('device-new', { user: z.string(), device: z.string(), ...refusalFields }).describe(
    'a user who was compared in person has a device that was not',
  ),
  event('device-twice', refusalFields).describe('another machine writes under the key of this device'),
  event('room', at).describe('members, admins or settings have changed: read the room anew'),
  event('removed', { ...at, device: z.string() }).describe('a member says that our user was removed'),
  event('delivered', { ...at, device: z.string() }).describe('more of our own is held by a device'),
  event('read', { ...at, user: z.string() }).describe('a user has read more of our own'),
  event('expired', { ...at, ids: z.array(z.string()).readonly() }).describe('past their retention, and erased'),
  event('unread', { ...at, count: z.number(), mentions: z.number(), first: z.string().nullable() }),
  event('file', {
    id: z.string().describe("the message that offers it; '' before it is offered"),
    name: z.string(),
    state: z.enum([
      ...['hashing', 'waiting', 'fetching', 'paused', 'cancelled', 'dropped', 'serving', 'served', 'whole', 'failed'],
    ] as const),
    bytes: z.number(),
    size: z.number(),
    path: z.string().optional(),
    type: z.string().optional(),
    device: z.string().optional(),
    ...z.object(refusalFields).partial().shape,
  }).describe('how a file moves'),
  event('road', {
    user: z.string(),
    device: z.string(),
    road: z.enum(['tls', 'stream']),
    ...z.object(refusalFields).partial().shape,
  }),
  event('gap', {}).describe('events were missed: read anew what is shown'),
  event('ended', {}).describe('the peer has stopped, or can not be reached any more'),
])
export type ApiEvent = z.output<typeof eventShape>

/** How a room is written: `#room` or `@user`. */
export type PlaceOf = (room: RoomId) => string

export const eventJson = (event: PeerEvent, placeOf: PlaceOf): ApiEvent => {
  const at = (room: RoomId) => ({ room: placeOf(room), roomId: room })
  switch (event.kind) {
    case 'message':
    case 'said':
    case 'updated':
      return { event: event.kind, ...messageJson(event.message, placeOf(event.message.room)) }
    case 'session':
      return { event: 'session', change: event.change, user: event.user, device: event.device }
    case 'presence':
      return { event: 'presence', user: event.user, device: event.device, state: event.state }
    case 'typing': {
      const { room, user, device, until } = event
      return { event: 'typing', ...at(room), user, device, until: isoOf(until) }
    }
    case 'refused':
      return { event: 'refused', device: event.device, ...refusalJson(event.refusal) }
    case 'ca-sighted':
      return { event: 'ca-sighted' }
    case 'renewed':
      return { event: 'renewed', until: isoOf(event.until) }
    case 'rolled-over':
      return { event: 'rolled-over', root: event.root, until: isoOf(event.until) }
    case 'revocations':
      return { event: 'revocations', number: event.number, cut: event.cut, self: event.self }
    case 'crl-stale':
      return { event: 'crl-stale', ...refusalJson(event.refusal) }
    case 'foul':
      return { event: 'foul', user: event.user, ...refusalJson(event.refusal) }
    case 'device-new': {
      const { user, device } = event
      return { event: 'device-new', user, device, ...refusalJson(newDeviceRefusal(user, device)) }
    }
    case 'device-twice':
      return { event: 'device-twice', ...refusalJson(refuse('device-twice')) }
    case 'room':
      return { event: 'room', ...at(event.room) }
    case 'removed':
      return { event: 'removed', ...at(event.room), device: event.device }
    case 'delivered':
      return { event: 'delivered', ...at(event.room), device: event.device }
    case 'read':
      return { event: 'read', ...at(event.room), user: event.user }
    case 'expired':
      return { event: 'expired', ...at(event.room), ids: event.ids }
    case 'unread':
      return { event: 'unread', ...at(event.room), ...event.unread }
    case 'road': {
      const { user, device, road, refusal } = event
      return { event: 'road', user, device, road, ...(refusal ? refusalJson(refusal) : {}) }
    }
    case 'file': {
      const { refusal, ...progress } = event.progress
      return { event: 'file', ...progress, ...(refusal === undefined ? {} : refusalJson(refusal)) }
    }
  }
}

/** What is said of a device that a user has who was compared before it came. */
export const newDeviceRefusal = (user: string, device: string): Refusal =>
  refuse('device-new', `${user}: …${device.slice(-6)}`)

const isoOf = (ms: number): string => new Date(ms).toISOString()
