import { LanyardError, orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { findPlace, placeOf } from '../api/places.ts'
import type { Peer } from '../peer.ts'

/** Where the user is, and what a line that is typed there means. */
export type Desk = {
  readonly peer: Peer
  /** The room that lines go to. */
  here(): RoomId
  goTo(room: RoomId): void
  /** A line for people, and an object for scripts. */
  show(line: string, object: Record<string, unknown>): void
}

/** A slash command: what stands behind its name. */
export type Commands = Readonly<Record<string, (rest: string) => Promise<void> | void>>

/** The first word, and the rest. */
export const firstWord = (rest: string): readonly [word: string, rest: string] => {
  const [, word = '', more = ''] = /^(\S*)\s*([\s\S]*)$/.exec(rest.trim()) ?? []
  return [word, more]
}

/** @throws LanyardError `input-invalid` with how the command is written */
export const needed = (word: string, usage: string): string => {
  if (word === '') throw new LanyardError(refuse('input-invalid', usage))
  return word
}

/** The room that a word means, or where the user is without one. */
export const roomOrHere = (desk: Desk, word: string): RoomId =>
  word === '' ? desk.here() : orThrow(findPlace(desk.peer, word))

/** A message by the beginning of its id, among the newest of where the user is. */
export const findMessage = (desk: Desk, start: string, usage: string): RecordHash => {
  const found = desk.peer.history(desk.here(), LOOKED_THROUGH).findLast(({ id }) => id.startsWith(needed(start, usage)))
  if (found === undefined) {
    const refusal: Refusal = refuse('message-unknown', `${start} in ${placeOf(desk.peer, desk.here())}`)
    throw new LanyardError(refusal)
  }
  return found.id
}

const LOOKED_THROUGH = 1_000 // messages: what somebody answers was on the screen a while ago
