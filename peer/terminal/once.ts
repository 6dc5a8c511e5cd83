import type { z } from 'zod'
import { LanyardError } from '../../shared/errors.ts'
import type { Client } from '../api/client.ts'
import type { ApiEvent } from '../api/event-json.ts'
import { getRoom, type RoomJson } from '../api/operations/rooms.ts'
import { print } from '../commands/command.ts'
import type { Helper } from './with-peer.ts'

// What the commands have in common that do one thing and leave.

/** What a command is asked: where it goes (`#room` or `@user`), how long it waits, and how it answers. */
export type Order = { readonly to?: string | undefined; readonly waitMs: number; readonly json: boolean }

/** Prints one object for scripts, which has the shape that is documented, or lines for people. */
export const answer = <Shape extends z.ZodType>(
  { json }: Pick<Order, 'json'>,
  shape: Shape,
  object: z.input<Shape>,
  lines: string | readonly string[],
): void => {
  const text = json ? JSON.stringify(shape.parse(object)) : [lines].flat().join('\n')
  if (text !== '') print(text)
}

/** Resolves when it is so, which is looked at with each event, or after the wait. */
export const until = async (client: Client, waitMs: number, isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let looking = false
  let again = false
  const look = async (): Promise<void> => {
    if (looking) {
      again = true
      return
    }
    looking = true
    do {
      again = false
      if (await isSo()) resolve()
    } while (again)
    looking = false
  }
  const lookOrFail = (): void => void look().catch(reject)
  const end = client.on(lookOrFail)
  const timer = setTimeout(resolve, waitMs)
  lookOrFail()
  await promise.finally(() => {
    end()
    clearTimeout(timer)
  })
}

export const GENERAL = '#general'

/** The room that a word means; of a device that has just started it may have to come first. @throws LanyardError `room-unknown`, … */
export const roomOf = async ({ client, settled }: Helper, word: string, waitMs: number): Promise<RoomJson> => {
  const found = async (): Promise<RoomJson | null> =>
    await client
      .call(getRoom, { room: word })
      .then(({ room }) => room)
      .catch((error: unknown) => {
        if (error instanceof LanyardError && NOT_YET.has(error.code)) return null
        throw error
      })
  let room = await found()
  if (room === null && !settled) {
    await until(client, waitMs, async () => {
      room = await found()
      return room !== null
    })
  }
  return room ?? (await client.call(getRoom, { room: word })).room
}

const NOT_YET: ReadonlySet<string> = new Set(['room-unknown', 'user-unknown'])

/** Stays until a device has more of what was written in a room, or the wait is over: a device that ends here takes it along. */
export const handedOn = async (
  { client, settled }: Helper,
  waitMs: number,
  act: () => Promise<void>,
): Promise<void> => {
  let told = false
  const end = client.on((event: ApiEvent) => {
    told ||= event.event === 'delivered'
  })
  try {
    await act()
    if (!settled) await until(client, waitMs, () => told)
  } finally {
    end()
  }
}
