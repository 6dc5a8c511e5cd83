import type { Client } from '../api/client.ts'
import { listRooms, type RoomJson } from '../api/operations/rooms.ts'

/** Tells what has changed of a room since it was asked last, a line each, for people. @param self our user */
export const createRoomNews = async (client: Client, self: string): Promise<(room: string) => Promise<string[]>> => {
  const list = async (): Promise<Map<string, RoomJson>> =>
    new Map((await client.call(listRooms, {})).rooms.map((room) => [room.id, room]))
  const known = await list()
  return async (id) => {
    const before = known.get(id)
    const now = (await list()).get(id)
    if (now === undefined) return []
    known.set(id, now) // of other rooms it is told when they are asked for
    return newsOf(before, now, self)
  }
}

/** What has changed of one room, a line each. */
export const newsOf = (before: RoomJson | undefined, now: RoomJson, self: string): string[] => {
  const { place } = now
  if (now.access === 'direct' || now.members === null) return []
  if (!now.member) return before?.member === true ? [`* you are not in ${place} any more`] : []
  if (before?.member !== true) return [`* you are in ${place} now   /room ${place}`]
  const lines: string[] = []
  for (const { name, admin } of now.members) {
    const was = before.members?.find((one) => one.name === name)
    if (was === undefined) lines.push(`* ${name} is in ${place} now`)
    else if (was.admin !== admin) lines.push(`* ${name} is ${admin ? 'an admin' : 'no admin any more'} in ${place}`)
  }
  const names = new Set(now.members.map(({ name }) => name))
  for (const { name } of before.members ?? []) {
    if (name !== self && !names.has(name)) lines.push(`* ${name} is not in ${place} any more`)
  }
  if (before.name !== now.name) lines.push(`* ${before.place} is called ${place} now`)
  if (before.topic !== now.topic) lines.push(`* ${place}: ${now.topic === '' ? 'no topic any more' : now.topic}`)
  return lines
}
