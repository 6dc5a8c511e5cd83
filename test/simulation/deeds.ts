import { LanyardError } from '../../shared/errors.ts'
import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import type { Life } from './device.ts'
import type { Doing, Mischief, RoomName } from './plan.ts'

/** What an honest user does. */
export type Deed = Exclude<Doing, Mischief>

/** What is done to messages. */
export type Notes = {
  takenBack(id: RecordHash): void
  /** These are edits of it. */
  edited(id: RecordHash, edits: readonly RecordHash[]): void
}

/** The rooms that acts have founded, by their numbers. */
export type Places = Map<number, RoomId>

/** The room of this name, as far as the device knows it. */
export const roomOf = ({ core: { rooms } }: Life, places: Places, name: RoomName): RoomId | null => {
  if (name === 'general') return rooms.general
  if ('with' in name) return rooms.direct(name.with as UserName)
  const room = places.get(name.founded)
  return room === undefined || rooms.get(room) === null ? null : room
}

/**
 * Does it, as the person at the device would.
 * @returns the message that was said, if it was one; null where the device says that it cannot be done
 */
export const perform = async (life: Life, places: Places, deed: Deed, notes: Notes): Promise<RecordHash | null> => {
  try {
    return await doIt(life, places, deed, notes)
  } catch (error) {
    if (process.env.WHY && error instanceof LanyardError)
      console.log('   ', deed.kind, error.code, error.refusal.detail)
    if (error instanceof LanyardError && error.code !== 'storage-failed' && error.code !== 'fault') return null
    throw error
  }
}

const doIt = async (life: Life, places: Places, deed: Deed, notes: Notes): Promise<RecordHash | null> => {
  const { chat, politics, compose } = life.core
  const { timeline } = life.stores
  if (deed.kind === 'found') {
    const { access, history, number } = deed
    places.set(number, await politics.found({ name: `room ${number}`, access, history }))
    return null
  }
  const room = roomOf(life, places, deed.room)
  if (room === null) return null
  const shown = (nth: number) => chat.history(room, nth + 1).at(-nth - 1)
  switch (deed.kind) {
    case 'say': {
      const reply = deed.reply === undefined ? undefined : shown(deed.reply)?.id
      return await chat.say(room, deed.text, reply === undefined ? {} : { reply })
    }
    case 'edit':
    case 'take-back':
    case 'react': {
      const message = shown(deed.nth)
      if (message === undefined) return null
      if (deed.kind === 'edit') {
        await chat.edit(message.id, 'other words')
        const changes = timeline.changesOf(timeline.targetOf(room, message.id))
        notes.edited(
          message.id,
          changes.filter(({ role }) => role === 'edit').map(({ hash }) => hash),
        )
      } else if (deed.kind === 'react') await chat.react(message.id, '👍')
      else {
        notes.takenBack(message.id)
        await chat.takeBack(message.id)
      }
      return null
    }
    case 'read':
      await chat.markRead(room)
      return null
    case 'join':
      await politics.join(room)
      return null
    case 'leave':
      await politics.leave(room)
      return null
    case 'rekey':
      await compose.rekey(room)
      return null
    case 'invite':
      await politics.invite(room, deed.user as UserName)
      return null
    case 'remove':
      await politics.remove(room, deed.user as UserName)
      return null
    case 'grant':
      await politics.grant(room, deed.user as UserName, deed.admin)
      return null
    case 'change':
      await politics.change(room, deed.settings)
      return null
  }
}
