import type { SettingsBody } from '../../shared/wire/membership.ts'
import type { Death } from './disk.ts'
import type { Weather } from './network.ts'

/** A room as a plan names it: everybody's, that of two users, or the one that an act has founded. */
export type RoomName = 'general' | { readonly with: string } | { readonly founded: number }

/** A device of the plan, by its number. */
export type Seat = number

export type Cast = {
  readonly user: string
  /** What its clock is ahead, milliseconds. */
  readonly skewMs: number
  /** When it is first started, milliseconds since the run began. */
  readonly startsAt: number
  /** It does what no honest device does, besides what honest ones do. */
  readonly evil: boolean
}

/** Something that somebody does, or that happens to somebody. */
export type Act = { readonly at: number } & (
  | { readonly by: Seat; readonly does: Doing }
  | { readonly befalls: Befalling }
)

/** What an honest device's user does. What is not possible when its time comes is not done. */
export type Doing =
  | { readonly kind: 'say'; readonly room: RoomName; readonly text: string; readonly reply?: number }
  /** `nth`: of the messages that are shown, from the newest. */
  | { readonly kind: 'edit' | 'take-back' | 'react'; readonly room: RoomName; readonly nth: number }
  | { readonly kind: 'read'; readonly room: RoomName }
  | {
      readonly kind: 'found'
      readonly number: number
      readonly access: 'open' | 'invite'
      readonly history: 'all' | 'since-join'
    }
  | { readonly kind: 'join' | 'leave' | 'rekey'; readonly room: RoomName }
  | { readonly kind: 'invite' | 'remove'; readonly room: RoomName; readonly user: string }
  | { readonly kind: 'grant'; readonly room: RoomName; readonly user: string; readonly admin: boolean }
  | { readonly kind: 'change'; readonly room: RoomName; readonly settings: SettingsBody }
  | Mischief

/** What only an evil device does. */
export type Mischief =
  /** Two records with one number, each to some of the others. */
  | { readonly kind: 'equivocate'; readonly room: RoomName }
  /** Sends old records of everybody again. */
  | { readonly kind: 'replay'; readonly room: RoomName }
  /** Writes a membership record that it has no right to. */
  | {
      readonly kind: 'forge'
      readonly room: RoomName
      readonly what: 'invite' | 'remove' | 'grant'
      readonly user: string
    }
  /** Publishes a sender key whose boxes hold something else, and uses it. */
  | { readonly kind: 'wrong-boxes'; readonly room: RoomName; readonly how: 'garbage' | 'other-secret' | 'left-out' }
  /** From now on its key service answers with wrong keys. */
  | { readonly kind: 'lie-about-keys' }
  /** Writes as if it did not know that it was removed. */
  | { readonly kind: 'write-on'; readonly room: RoomName }
  /** Asks everybody for all that it may not have. */
  | { readonly kind: 'pry'; readonly room: RoomName }
  | { readonly kind: 'flood'; readonly room: RoomName; readonly records: number }

export type Befalling =
  /** The device dies at one of its next steps of writing, and starts again later. */
  | {
      readonly kind: 'crash'
      readonly seat: Seat
      readonly points: number
      readonly death: Death
      readonly backAfterMs: number
    }
  | { readonly kind: 'stop'; readonly seat: Seat; readonly backAfterMs: number }
  | { readonly kind: 'backup'; readonly seat: Seat; readonly number: number }
  | { readonly kind: 'restore'; readonly seat: Seat; readonly number: number }
  | { readonly kind: 'partition'; readonly groups: readonly (readonly Seat[])[] }
  | { readonly kind: 'heal' }
  /** All machines sleep. */
  | { readonly kind: 'sleep'; readonly ms: number }
  /** The CA revokes a device, as of so long ago, and gives the list to another device. */
  | { readonly kind: 'revoke'; readonly seat: Seat; readonly to: Seat; readonly agoMs: number }
  /** Somebody copies the store of a device, with the key that opens it. */
  | { readonly kind: 'steal'; readonly seat: Seat }

/** A whole run, but for the chances of the network. */
export type Plan = {
  readonly seed: number
  readonly weather: Weather
  readonly cast: readonly Cast[]
  /** In the order of their times. */
  readonly acts: readonly Act[]
  /** When the last of it is over, milliseconds. */
  readonly length: number
}

export const nameOfSeat = ({ cast }: Pick<Plan, 'cast'>, seat: Seat): string => {
  const user = cast[seat]?.user ?? '?'
  const before = cast.slice(0, seat).filter((one) => one.user === user).length
  return `${user}.${before + 1}`
}

/** One line for people. */
export const wordsOfAct = (plan: Pick<Plan, 'cast'>, act: Act): string => {
  const at = `${(act.at / 1_000).toFixed(1)} s`
  const name = (seat: Seat): string => nameOfSeat(plan, seat)
  if ('does' in act) return `${at}: ${name(act.by)} ${wordsOfDoing(act.does)}`
  const { befalls } = act
  switch (befalls.kind) {
    case 'crash':
      return `${at}: ${name(befalls.seat)} dies (${befalls.death}) after ${befalls.points} more writes, back after ${befalls.backAfterMs} ms`
    case 'stop':
      return `${at}: ${name(befalls.seat)} is stopped for ${befalls.backAfterMs} ms`
    case 'backup':
      return `${at}: backup ${befalls.number} of ${name(befalls.seat)}`
    case 'restore':
      return `${at}: ${name(befalls.seat)} is restored from backup ${befalls.number}`
    case 'partition':
      return `${at}: parted: ${befalls.groups.map((group) => group.map(name).join(' ')).join(' | ')}`
    case 'heal':
      return `${at}: healed`
    case 'sleep':
      return `${at}: all sleep for ${(befalls.ms / 3_600_000).toFixed(1)} h`
    case 'revoke':
      return `${at}: ${name(befalls.seat)} is revoked as of ${befalls.agoMs} ms ago; ${name(befalls.to)} gets the list`
    case 'steal':
      return `${at}: the store of ${name(befalls.seat)} is stolen`
  }
}

const wordsOfDoing = (doing: Doing): string => {
  switch (doing.kind) {
    case 'say':
      return `says "${doing.text}"${doing.reply === undefined ? '' : ` to message −${doing.reply}`} in ${wordsOfRoom(doing.room)}`
    case 'edit':
    case 'take-back':
    case 'react':
      return `${doing.kind}s message −${doing.nth} in ${wordsOfRoom(doing.room)}`
    case 'found':
      return `founds room ${doing.number} (${doing.access}, ${doing.history})`
    case 'invite':
    case 'remove':
      return `${doing.kind}s ${doing.user} in ${wordsOfRoom(doing.room)}`
    case 'grant':
      return `${doing.admin ? 'makes' : 'no longer has'} ${doing.user} an admin in ${wordsOfRoom(doing.room)}`
    case 'change':
      return `changes ${wordsOfRoom(doing.room)} to ${JSON.stringify(doing.settings)}`
    case 'forge':
      return `forges: ${doing.what} ${doing.user} in ${wordsOfRoom(doing.room)}`
    case 'wrong-boxes':
      return `publishes wrong boxes (${doing.how}) in ${wordsOfRoom(doing.room)}`
    case 'lie-about-keys':
      return 'lies about keys from now on'
    case 'flood':
      return `floods ${wordsOfRoom(doing.room)} with ${doing.records} records`
    default:
      return `${doing.kind}s in ${wordsOfRoom(doing.room)}`
  }
}

const wordsOfRoom = (room: RoomName): string => {
  if (room === 'general') return '#general'
  return 'with' in room ? `@${room.with}` : `room ${room.founded}`
}
