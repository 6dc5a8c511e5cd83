import type { RoomId } from '../../shared/ids.ts'
import { labelOf } from '../api/places.ts'
import type { ListedRoom } from '../peer.ts'

/** Tells what has changed in the rooms since it was asked last, a line each, for people. */
export const createRoomNews = (list: () => readonly ListedRoom[], self: string): ((room: RoomId) => string[]) => {
  let known = new Map(list().map((room) => [room.id, room]))
  return (id) => {
    const before = known.get(id)
    known = new Map(list().map((room) => [room.id, room]))
    const now = known.get(id)
    return now === undefined ? [] : newsOf(before, now, self)
  }
}

/** A room, as far as there is news of it. */
export type RoomSeen = Pick<ListedRoom, 'access' | 'name' | 'topic' | 'member'> & {
  readonly members: ReadonlyMap<string, { readonly admin: boolean }> | null
}

/** What has changed of one room, a line each. */
export const newsOf = (before: RoomSeen | undefined, now: RoomSeen, self: string): string[] => {
  const place = labelOf(now)
  if (now.access === 'direct' || now.members === null) return []
  if (!now.member) return before?.member === true ? [`* you are not in ${place} any more`] : []
  if (before?.member !== true) return [`* you are in ${place} now   /room ${place}`]
  const lines: string[] = []
  for (const [user, { admin }] of now.members) {
    const was = before.members?.get(user)
    if (was === undefined) lines.push(`* ${user} is in ${place} now`)
    else if (was.admin !== admin) lines.push(`* ${user} is ${admin ? 'an admin' : 'no admin any more'} in ${place}`)
  }
  for (const user of before.members?.keys() ?? []) {
    if (user !== self && !now.members.has(user)) lines.push(`* ${user} is not in ${place} any more`)
  }
  if (before.name !== now.name) lines.push(`* ${labelOf(before)} is called ${place} now`)
  if (before.topic !== now.topic) lines.push(`* ${place}: ${now.topic === '' ? 'no topic any more' : now.topic}`)
  return lines
}
