import { fault, isRefusal, LanyardError } from '../../shared/errors.ts'
import { foundedRoomIdOf, type NetworkId, type PeerId, type RoomId, type UserName } from '../../shared/ids.ts'
import { REMOVE_HEADS_MAX } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import {
  encodeMembership,
  type MembershipBody,
  type RoomBody,
  type SettingsBody,
} from '../../shared/wire/membership.ts'
import type { Author } from '../log/author.ts'
import type { Log } from '../log/log.ts'
import type { Directory } from './directory.ts'
import { checkRoomName } from './room-name.ts'
import type { Rooms } from './rooms.ts'

/** What a new room is to be. */
export type RoomOrder = Pick<RoomBody, 'name' | 'access' | 'history'>

/**
 * What changes a room: each writes one record, which holds as soon as it is stored, whoever is there. Each throws a
 * LanyardError when it would not count: `not-an-admin`, `senior-admin`, `already-a-member`, `room-unknown`, …
 */
export type Politics = {
  found(order: RoomOrder): Promise<RoomId>
  /** Comes into an open room, or takes an invitation up. */
  join(room: RoomId): Promise<void>
  leave(room: RoomId): Promise<void>
  invite(room: RoomId, user: UserName): Promise<void>
  /** The user reads nothing that is said from now on; what it wrote and we do not hold counts for nobody. */
  remove(room: RoomId, user: UserName): Promise<void>
  /** Makes a member an admin, or an admin a member. */
  grant(room: RoomId, user: UserName, admin: boolean): Promise<void>
  change(room: RoomId, settings: SettingsBody): Promise<void>
}

export type PoliticsParts = {
  readonly network: NetworkId
  readonly self: UserName
  readonly rooms: Rooms
  readonly author: Author
  readonly log: Log
  readonly directory: Directory
  readonly random: Random
}

export const createPolitics = ({ network, self, rooms, author, log, directory, random }: PoliticsParts): Politics => {
  /** Asked and placed in one turn: nothing comes between the answer and the number that the record gets. */
  const write = async (room: RoomId, body: Exclude<MembershipBody, { kind: 'room' }>): Promise<void> => {
    const known = rooms.get(room)
    if (known === null) throw fault('room-unknown', room)
    const refused = known.allows(self, body)
    if (isRefusal(refused)) throw new LanyardError(refused)
    await author.append({ room, kind: body.kind, body: encodeMembership(body) })
  }
  const known = (user: UserName): UserName => {
    if (directory.users().has(user)) return user
    throw fault('user-unknown', user)
  }
  return {
    found: async ({ name, access, history }) => {
      const checked = checkRoomName(name)
      if (isRefusal(checked)) throw new LanyardError(checked)
      const body = encodeMembership({
        kind: 'room',
        nonce: random.bytes(16),
        creator: self,
        name: checked,
        access,
        history,
      })
      const room = foundedRoomIdOf(network, body)
      await author.append({ room, kind: 'room', body })
      return room
    },
    join: (room) => write(room, { kind: 'join' }),
    leave: (room) => write(room, { kind: 'leave' }),
    invite: async (room, user) => write(room, { kind: 'invite', user: known(user) }),
    remove: (room, user) => {
      const heads = log
        .heads(room)
        .filter(({ device }) => directory.userOf(device as PeerId) === user)
        .map(({ device, inc, seq }) => ({ device, inc, seq }))
        .slice(0, REMOVE_HEADS_MAX)
      return write(room, { kind: 'remove', user, heads })
    },
    grant: (room, user, admin) => write(room, { kind: 'grant', user, admin }),
    change: async (room, settings) => {
      const name = settings.name === undefined ? undefined : checkRoomName(settings.name)
      if (isRefusal(name)) throw new LanyardError(name)
      return write(room, { kind: 'settings', ...settings, ...(name === undefined ? {} : { name }) })
    },
  }
}
