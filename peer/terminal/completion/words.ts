import { fault } from '../../../shared/errors.ts'
import type { Client } from '../../api/client.ts'
import { listFiles } from '../../api/operations/files.ts'
import { users } from '../../api/operations/people.ts'
import { listRooms } from '../../api/operations/rooms.ts'

/** What a shell may put in, a line each. @param kind `place`, `room`, `user` or `id` */
export const wordsFor = async (client: Client, kind: string): Promise<readonly string[]> => {
  switch (kind) {
    case 'room':
      return await roomNames(client)
    case 'user':
      return (await userNames(client)).map((name) => `@${name}`)
    case 'place':
      return [...(await roomNames(client)), ...(await userNames(client)).map((name) => `@${name}`)]
    case 'id':
      return (await client.call(listFiles, {})).files.map(({ id }) => id.slice(0, 8))
    default:
      throw fault('input-invalid', `complete-words ${kind}`)
  }
}

/** Without # in front, which begins a comment in a shell; names that a shell would take apart are left out. */
const roomNames = async (client: Client): Promise<string[]> => {
  const { rooms } = await client.call(listRooms, {})
  return rooms.flatMap(({ name, access }) => (access !== 'direct' && /^[\p{L}\p{N}._-]+$/u.test(name) ? [name] : []))
}

const userNames = async (client: Client): Promise<string[]> =>
  (await client.call(users, {})).users.map(({ user }) => user)
