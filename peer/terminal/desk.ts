import { fault, LanyardError, orThrow, refuse } from '../../shared/errors.ts'
import type { UserName } from '../../shared/ids.ts'
import { HISTORY_PAGE_MAX } from '../../shared/limits.ts'
import { userNameOf } from '../../shared/user-name.ts'
import type { Client } from '../api/client.ts'
import type { MessageJson } from '../api/message-json.ts'
import { history } from '../api/operations/messages.ts'
import { getRoom, type RoomJson } from '../api/operations/rooms.ts'

/** Where the user is, and what a line that is typed there means. */
export type Desk = {
  readonly client: Client
  /** Our user, and the id of the room that everybody is in. */
  readonly self: { readonly user: string; readonly general: string }
  /** The id of the room that lines go to. */
  here(): string
  goTo(room: RoomJson): Promise<void> | void
  /** A line for people, and an object for scripts. */
  show(line: string, object: Record<string, unknown>): void
}

/** A slash command: what stands behind its name. Where the user is then, it asks before it waits for anything. */
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

/** A user's name as it is kept, out of one that is typed, with or without `@`. @throws LanyardError why it can be nobody's */
export const nameOf = (word: string): UserName => orThrow(userNameOf(word.replace(/^@/, '')))

/** The room that a word means, or where the user is without one. @throws LanyardError `room-unknown`, `user-unknown`, … */
export const roomOrHere = async ({ client, here }: Desk, word: string = ''): Promise<RoomJson> =>
  (await client.call(getRoom, { room: word === '' ? here() : word })).room

/** A message by the beginning of its id, among the newest of where the user is. @throws LanyardError `message-unknown` */
export const findMessage = async (desk: Desk, start: string, usage: string): Promise<MessageJson> => {
  const room = desk.here()
  needed(start, usage)
  const { messages } = await desk.client.call(history, { room, limit: HISTORY_PAGE_MAX })
  const found = messages.findLast(({ id }) => id.startsWith(start))
  if (found === undefined) throw fault('message-unknown', `${start} in ${(await roomOrHere(desk, room)).place}`)
  return found
}
