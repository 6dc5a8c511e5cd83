import { nextStepOf, refuse, refusedThere, wordsOf } from '../../shared/errors.ts'
import type { ApiEvent } from '../api/event-json.ts'
import type { MessageJson } from '../api/message-json.ts'
import type { UserJson } from '../api/operations/people.ts'
import type { RefusalJson } from '../api/refusal-json.ts'

// Each thing that is shown, as a line for people; for scripts (`--json`, one a line) it is shown as the API tells it.

/** @param place `#room` or `@user`, where it is not the one that the user looks at */
export const messageLine = (message: MessageJson, place: string = ''): string => {
  const { id, user, time, text, file, reply, edited, deleted, reactions = [] } = message
  const start = `${clockOf(time)}  ${place === '' ? '' : `${plain(place)} `}${user}: ${reply === undefined ? '' : `(to ${reply.slice(0, 8)}) `}`
  const end = `${edited === undefined ? '' : ' (edited)'}${reactions.map(({ emoji, users }) => `  ${plain(emoji)} ${users.length}`).join('')}`
  if (deleted === true) return `${start}(taken back)`
  if (text !== undefined) return start + indent(plain(text)) + end
  if (file === undefined) return `${start}(no key is here for this message yet)`
  const many = file.files === null ? '' : `, ${file.files} files`
  return `${start}sends ${plain(file.name)} (${sizeOf(file.size)}${many})   /get ${id.slice(0, 8)}${end}`
}

/** Of an event, in front of what is not where the user looks. */
export type Elsewhere = (at: { readonly room: string; readonly roomId: string }) => string

/** What happened, for people; null for what is no news to them. @param placeOf '' for the room that the user looks at */
export const eventLine = (event: ApiEvent, placeOf: Elsewhere): string | null => {
  switch (event.event) {
    case 'message':
      return messageLine(event, placeOf(event))
    case 'updated':
      return `~ ${messageLine(event, placeOf(event))}`
    case 'session':
      return event.change === 'began' ? `* ${event.user} is here` : `* ${event.user} has gone`
    case 'refused':
      return `! no connection with ${event.device.slice(-6)}: ${event.reason}\n  next: ${event.next}`
    case 'renewed':
      return `* the certificate of this device is renewed, until ${event.until.slice(0, 10)}`
    case 'rolled-over':
      return `* the CA has a new root, number ${event.root}; the one before counts until ${event.until.slice(0, 10)}`
    case 'revocations':
      return revocationsLine(event)
    case 'crl-stale':
      return staleLine(event)
    case 'foul':
      return `! ${event.user ?? 'somebody'}: ${event.reason}`
    case 'device-new':
    case 'device-twice':
      return staleLine(event)
    case 'removed': {
      const place = placeOf(event) || 'here'
      return `! ${place}: ${wordsOf(refusedThere('removed'))}\n  next: ${nextStepOf(refusedThere('removed'))}`
    }
    case 'road':
      return event.reason === undefined ? null : `* from ${event.user} by the libp2p connection: ${event.reason}`
    case 'file':
      return fileLine(event)
    case 'gap':
      return '* something has happened that could not be told here: /history shows what was said'
    case 'ended':
      return '! this device has stopped'
    case 'ready':
    case 'said':
    case 'ca-sighted':
    case 'presence':
    case 'typing':
    case 'room':
    case 'delivered':
    case 'read':
    case 'expired':
    case 'unread':
      return null
  }
}

const revocationsLine = ({ cut, self }: Extract<ApiEvent, { event: 'revocations' }>): string | null => {
  if (self)
    return `! ${wordsOf({ kind: 'refusal', code: 'certificate-revoked', by: 'there' })}\n  next: ${nextStepOf(refuse('certificate-revoked'))}`
  return cut.length === 0 ? null : `* revoked, and cut off: ${cut.join(', ')}`
}

/** A warning, and what ends it. */
export const staleLine = ({ reason, next }: Pick<RefusalJson, 'reason' | 'next'>): string =>
  `! ${reason}\n  next: ${next}`

const fileLine = ({ name, state, path, reason, device }: FileEvent): string | null => {
  const who = device?.slice(-6) ?? ''
  switch (state) {
    case 'whole':
      return `* ${plain(name)} is here: ${path ?? ''}`
    case 'failed':
      return `! ${plain(name)}: ${reason ?? 'given up'}`
    case 'waiting':
      return `* ${plain(name)} waits: ${reason ?? 'nobody has it now'}`
    case 'served':
      return `* ${plain(name)} was fetched by …${who}`
    case 'paused':
      return `* ${plain(name)} is paused`
    case 'cancelled':
      return `* ${plain(name)} is cancelled${reason === undefined ? '' : `: ${reason}`}`
    case 'dropped':
      return `* ${plain(name)}: no more from …${who}: ${reason ?? ''}`
    case 'hashing':
    case 'fetching':
    case 'serving':
      return null // drawn as a bar
  }
}

export const userLines = (users: readonly UserJson[]): string[] =>
  users.flatMap(({ user, self, compared: state, devices }) =>
    devices.map(({ device, present, found, expires, revoked, compared }) => {
      const where = revoked
        ? 'revoked'
        : present
          ? self && found === null
            ? 'this device'
            : `here, found by ${found ?? '?'}`
          : 'away'
      return `${user.padEnd(20)}  ${where.padEnd(24)}  certificate until ${expires.slice(0, 10)}  …${device.slice(-6)}${state === 'no' || revoked ? '' : compared ? '  compared' : '  NEW: not compared'}`
    }),
  )

/** How a file moves. */
export type FileEvent = Extract<ApiEvent, { event: 'file' }>

export const sizeOf = (bytes: number): string => {
  const steps = ['B', 'KB', 'MB', 'GB', 'TB']
  const step = Math.min(steps.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${step === 0 ? bytes : (bytes / 1000 ** step).toFixed(1)} ${steps[step] ?? 'B'}`
}

const clockOf = (time: string): string => new Date(time).toTimeString().slice(0, 5)

// Somebody else's words must not move our cursor, ring, or recolour: C0, C1 and bidirectional controls show as a mark.
const CONTROL = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu
/** Somebody else's words, harmless on a terminal. */
export const plain = (text: string): string =>
  text.replace(/\t/g, '  ').replace(CONTROL, (one) => (one === '\n' ? one : '\ufffd'))
export const indent = (text: string): string => text.replaceAll('\n', '\n         ')
