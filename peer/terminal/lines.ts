import { nextStepOf, type Refusal, refuse, refusedThere, wordsOf } from '../../shared/errors.ts'
import type { RoomId } from '../../shared/ids.ts'
import type { PeerEvent } from '../events.ts'
import type { Message } from '../rooms/inbox.ts'
import type { ListedUser } from '../rooms/listing.ts'

// Each thing that is shown, once as a line for people and once as an object for scripts (`--json`, one a line).

/** A message for scripts; `text` or `file`, and neither while no key is here for it. @param place `#room` or `@user` */
export const messageJson = (message: Message, place: string): Record<string, unknown> => {
  const { id, room, user, device, time, own, content, reply, edited, deleted, reactions, state } = message
  return {
    event: 'message',
    id,
    room: place,
    roomId: room,
    user,
    device,
    time: new Date(time).toISOString(),
    own,
    ...(content?.kind === 'text' ? { text: content.text } : {}),
    ...(content?.kind === 'file'
      ? { file: { name: content.name, size: content.size, type: content.type, files: content.files ?? null } }
      : {}),
    ...(reply === null ? {} : { reply }),
    ...(edited === null ? {} : { edited: new Date(edited).toISOString() }),
    ...(deleted ? { deleted } : {}),
    ...(reactions.length === 0 ? {} : { reactions }),
    ...(state === null ? {} : { state }),
  }
}

/** @param place `#room` or `@user`, where it is not the one that the user looks at */
export const messageLine = (message: Message, place: string = ''): string => {
  const { id, user, time, content, reply, edited, deleted, reactions } = message
  const start = `${clockOf(time)}  ${place === '' ? '' : `${plain(place)} `}${user}: ${reply === null ? '' : `(to ${reply.slice(0, 8)}) `}`
  const end = `${edited === null ? '' : ' (edited)'}${reactions.map(({ emoji, users }) => `  ${plain(emoji)} ${users.length}`).join('')}`
  if (deleted) return `${start}(taken back)`
  if (content === null) return `${start}(no key is here for this message yet)`
  if (content.kind === 'text') return start + indent(plain(content.text)) + end
  const many = content.files === undefined ? '' : `, ${content.files} files`
  return `${start}sends ${plain(content.name)} (${sizeOf(content.size)}${many})   /get ${id.slice(0, 8)}${end}`
}

/** How a room is written: `#room` or `@user`. */
export type PlaceOf = (room: RoomId) => string

/** What happened, for scripts. */
export const eventJson = (event: PeerEvent, placeOf: PlaceOf): Record<string, unknown> => {
  switch (event.kind) {
    case 'message':
      return messageJson(event.message, placeOf(event.message.room))
    case 'session':
      return { event: 'session', change: event.change, user: event.user, device: event.device }
    case 'presence':
      return { event: 'presence', user: event.user, device: event.device, state: event.state }
    case 'typing':
      return { event: 'typing', room: placeOf(event.room), roomId: event.room, user: event.user }
    case 'refused':
      return { event: 'refused', device: event.device, ...refusalJson(event.refusal) }
    case 'ca-sighted':
      return { event: 'ca-sighted' }
    case 'renewed':
      return { event: 'renewed', until: new Date(event.until).toISOString() }
    case 'rolled-over':
      return { event: 'rolled-over', root: event.root, until: new Date(event.until).toISOString() }
    case 'revocations':
      return { event: 'revocations', number: event.number, cut: event.cut, self: event.self }
    case 'crl-stale':
      return { event: 'crl-stale', ...refusalJson(event.refusal) }
    case 'foul':
      return { event: 'foul', user: event.user, ...refusalJson(event.refusal) }
    case 'device-twice':
      return { event: 'device-twice', ...refusalJson(refuse('device-twice')) }
    case 'removed':
      return { event: 'removed', room: placeOf(event.room), roomId: event.room, device: event.device }
    case 'delivered':
      return { event: 'delivered', room: placeOf(event.room), roomId: event.room, device: event.device }
    case 'updated':
      return { ...messageJson(event.message, placeOf(event.message.room)), event: 'updated' }
    case 'room':
      return { event: 'room', room: placeOf(event.room), roomId: event.room }
    case 'read':
      return { event: 'read', room: placeOf(event.room), roomId: event.room, user: event.user }
    case 'expired':
      return { event: 'expired', room: placeOf(event.room), roomId: event.room, ids: event.ids }
    case 'road': {
      const { user, device, road, refusal } = event
      return { event: 'road', user, device, road, ...(refusal ? refusalJson(refusal) : {}) }
    }
    case 'unread':
      return { event: 'unread', room: placeOf(event.room), roomId: event.room, ...event.unread }
    case 'file': {
      const { refusal, ...progress } = event.progress
      return { event: 'file', ...progress, ...(refusal === undefined ? {} : refusalJson(refusal)) }
    }
  }
}

/** What happened, for people; null for what is no news to them. @param placeOf '' for the room that the user looks at */
export const eventLine = (event: PeerEvent, placeOf: PlaceOf): string | null => {
  switch (event.kind) {
    case 'message':
      return messageLine(event.message, placeOf(event.message.room))
    case 'updated':
      return `~ ${messageLine(event.message, placeOf(event.message.room))}`
    case 'session':
      return event.change === 'began' ? `* ${event.user} is here` : `* ${event.user} has gone`
    case 'refused':
      return `! no connection with ${event.device.slice(-6)}: ${wordsOf(event.refusal)}\n  next: ${nextStepOf(event.refusal)}`
    case 'ca-sighted':
      return null
    case 'renewed':
      return `* the certificate of this device is renewed, until ${new Date(event.until).toISOString().slice(0, 10)}`
    case 'rolled-over':
      return `* the CA has a new root, number ${event.root}; the one before counts until ${new Date(event.until).toISOString().slice(0, 10)}`
    case 'revocations':
      return revocationsLine(event)
    case 'crl-stale':
      return staleLine(event.refusal)
    case 'foul':
      return `! ${event.user ?? 'somebody'}: ${wordsOf(event.refusal)}`
    case 'device-twice':
      return `! ${wordsOf(refuse('device-twice'))}\n  next: ${nextStepOf(refuse('device-twice'))}`
    case 'removed': {
      const place = placeOf(event.room) || 'here'
      return `! ${place}: ${wordsOf(refusedThere('removed'))}\n  next: ${nextStepOf(refusedThere('removed'))}`
    }
    case 'presence':
    case 'typing':
    case 'room':
    case 'delivered':
    case 'read':
    case 'expired':
    case 'unread':
      return null
    case 'road':
      return event.refusal ? `* from ${event.user} by the libp2p connection: ${wordsOf(event.refusal)}` : null
    case 'file':
      return fileLine(event.progress)
  }
}

const revocationsLine = ({ cut, self }: Extract<PeerEvent, { kind: 'revocations' }>): string | null => {
  if (self)
    return `! ${wordsOf({ kind: 'refusal', code: 'certificate-revoked', by: 'there' })}\n  next: ${nextStepOf(refuse('certificate-revoked'))}`
  return cut.length === 0 ? null : `* revoked, and cut off: ${cut.join(', ')}`
}

/** A warning, and what ends it. */
export const staleLine = (refusal: Refusal): string => `! ${wordsOf(refusal)}\n  next: ${nextStepOf(refusal)}`

const fileLine = ({
  name,
  state,
  path,
  refusal,
  device,
}: Extract<PeerEvent, { kind: 'file' }>['progress']): string | null => {
  switch (state) {
    case 'whole':
      return `* ${plain(name)} is here: ${path ?? ''}`
    case 'failed':
      return `! ${plain(name)}: ${refusal === undefined ? 'given up' : wordsOf(refusal)}`
    case 'waiting':
      return `* ${plain(name)} waits: ${refusal === undefined ? 'nobody has it now' : wordsOf(refusal)}`
    case 'served':
      return `* ${plain(name)} was fetched by …${device?.slice(-6) ?? ''}`
    case 'paused':
      return `* ${plain(name)} is paused`
    case 'cancelled':
      return `* ${plain(name)} is cancelled${refusal === undefined ? '' : `: ${wordsOf(refusal)}`}`
    case 'dropped':
      return `* ${plain(name)}: no more from …${device?.slice(-6) ?? ''}: ${refusal === undefined ? '' : wordsOf(refusal)}`
    case 'hashing':
    case 'fetching':
    case 'serving':
      return null // drawn as a bar
  }
}

export const userLines = (users: readonly ListedUser[]): string[] =>
  users.flatMap(({ user, self, devices }) =>
    devices.map(({ device, present, found, expires, revoked }) => {
      const where = revoked
        ? 'revoked'
        : present
          ? self && found === null
            ? 'this device'
            : `here, found by ${found ?? '?'}`
          : 'away'
      const until = new Date(expires).toISOString().slice(0, 10)
      return `${user.padEnd(20)}  ${where.padEnd(24)}  certificate until ${until}  …${device.slice(-6)}`
    }),
  )

export const refusalJson = (refusal: Refusal): Record<string, unknown> => ({
  code: refusal.code,
  by: refusal.by,
  reason: wordsOf(refusal),
  next: nextStepOf(refusal),
})

export const sizeOf = (bytes: number): string => {
  const steps = ['B', 'KB', 'MB', 'GB', 'TB']
  const step = Math.min(steps.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${step === 0 ? bytes : (bytes / 1000 ** step).toFixed(1)} ${steps[step] ?? 'B'}`
}

const clockOf = (time: number): string => new Date(time).toTimeString().slice(0, 5)

// Somebody else's words must not move our cursor, ring, or recolour: C0, C1 and bidirectional controls show as a mark.
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu
/** Somebody else's words, harmless on a terminal. */
export const plain = (text: string): string =>
  text.replace(/\t/g, '  ').replace(CONTROL, (one) => (one === '\n' ? one : '\ufffd'))
export const indent = (text: string): string => text.replaceAll('\n', '\n         ')
