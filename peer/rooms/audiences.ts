import type { RoomId } from '../../shared/ids.ts'
import type { Audience, Recipient } from '../group/group.ts'
import type { Directory } from './directory.ts'
import type { Room } from './room.ts'

/** For whom a message is sealed now, in each room: reckoned once for each change of members or of devices. */
export type Audiences = {
  of(id: RoomId): Audience
  /** The room is another one than it was. */
  drop(id: RoomId): void
}

type Known = { readonly of: readonly Recipient[]; readonly version: number; readonly audience: Audience }

export const createAudiences = (
  directory: Pick<Directory, 'recipients'>,
  get: (id: RoomId) => Room | undefined,
): Audiences => {
  const audiences = new Map<RoomId, Known>()
  return {
    of: (id) => {
      const room = get(id)
      const of = directory.recipients()
      const version = room?.version() ?? 0
      const known = audiences.get(id)
      if (known !== undefined && known.of === of && known.version === version) return known.audience
      const list = room === undefined ? [] : of.filter(({ user }) => room.isMember(user))
      const made = { list, pastIsOpen: room?.facts().history !== 'since-join' }
      audiences.set(id, { of, version, audience: made })
      return made
    },
    drop: (id) => void audiences.delete(id),
  }
}
