import { orThrow } from '../../shared/errors.ts'
import type { RoomId } from '../../shared/ids.ts'
import { usersJson } from '../api/operations/people.ts'
import { findPlace } from '../api/places.ts'
import { refusalJson } from '../api/refusal-json.ts'
import type { Peer } from '../peer.ts'
import { staleLine, userLines } from './lines.ts'
import { roomJson, roomLines } from './room-commands.ts'

// Commands that start a device, do one thing, and leave.

/** What a command is asked: where it goes (`#room` or `@user`; #general without), how long it waits, and how it answers. */
export type Order = { readonly to?: string | undefined; readonly waitMs: number; readonly json: boolean }

const placeFor = (peer: Peer, to: string | undefined): RoomId =>
  to === undefined ? peer.general : orThrow(findPlace(peer, to))

/** Says a text; resolves with what to print once somebody holds it, or the wait is over. It is stored in either case. */
export const say = async (peer: Peer, text: string, { to, waitMs, json }: Order): Promise<string> => {
  const id = await peer.say(placeFor(peer, to), text)
  await until(peer, waitMs, () => peer.deliveredTo(id) > 0)
  const devices = peer.deliveredTo(id)
  if (json) return JSON.stringify({ event: 'stored', id, devices })
  return devices > 0
    ? `stored, at ${devices} other ${devices === 1 ? 'device' : 'devices'}`
    : 'stored; nobody was here to receive it: it goes out the next time that this device runs'
}

/** Lists the users once those who are here have been found, or the wait is over. */
export const users = async (peer: Peer, waitMs: number, json: boolean): Promise<string> => {
  await until(peer, waitMs, () => peer.users().every(({ devices }) => devices.every(({ present }) => present)))
  const { number, stale } = peer.revocationList()
  if (json) {
    const revocationList = { number, stale: stale !== null, ...(stale === null ? {} : refusalJson(stale)) }
    return JSON.stringify({ users: usersJson(peer), revocationList })
  }
  return [...userLines(usersJson(peer)), ...(stale === null ? [] : [staleLine(refusalJson(stale))])].join('\n')
}

/** The rooms that are known when the wait is over: an invitation may have to come first. */
export const rooms = async (peer: Peer, waitMs: number, json: boolean): Promise<string> => {
  await until(peer, waitMs, () => false)
  return json ? JSON.stringify({ rooms: peer.rooms().map(roomJson) }) : roomLines(peer.rooms(), peer).join('\n')
}

/** Resolves when an event makes the condition true, or after the wait. */
export const until = (peer: Peer, waitMs: number, condition: () => boolean): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const check = (): void => {
    if (condition()) resolve()
  }
  const end = peer.on(() => queueMicrotask(check))
  const timer = setTimeout(resolve, waitMs)
  check()
  return promise.finally(() => {
    end()
    clearTimeout(timer)
  })
}
