import type { RoomId, UserName } from '../../shared/ids.ts'
import { fixedRoom, type Room, type RoomFacts } from './room.ts'

/** What is known of a room whose facts nobody states. */
export const factsOf = (name: string): RoomFacts => ({
  name,
  topic: '',
  access: 'all',
  history: 'all',
  creator: null,
  keepMs: 0,
  keepMessages: 0,
  members: null,
})

/** The room of ourselves and another user, or of ourselves alone. */
export const directRoom = (id: RoomId, self: UserName, other: UserName): Room => {
  const members = new Map([self, other].map((user) => [user, { admin: false }]))
  const facts: RoomFacts = { ...factsOf(other), access: 'direct', members }
  return fixedRoom(id, 'direct', (user) => members.has(user), facts)
}
