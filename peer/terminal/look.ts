import { z } from 'zod'
import { fault } from '../../shared/errors.ts'
import { DAY_MS, HISTORY_PAGE_MAX, MINUTE_MS } from '../../shared/limits.ts'
import { messageShape } from '../api/message-json.ts'
import { status } from '../api/operations/device.ts'
import { history, search } from '../api/operations/messages.ts'
import { userShape, users } from '../api/operations/people.ts'
import { listRooms } from '../api/operations/rooms.ts'
import { messageLine, staleLine, userLines } from './lines.ts'
import { answer, type Order, roomOf, until } from './once.ts'
import { roomLines } from './room-commands.ts'
import type { Helper } from './with-peer.ts'

// Commands that show something, and leave.

/** Lists the users once those who are here have been found, or the wait is over. */
export const showUsers = async ({ client, settled }: Helper, order: Order): Promise<void> => {
  if (!settled) {
    await until(client, order.waitMs, async () =>
      (await client.call(users, {})).users.every(({ devices }) => devices.every(({ present }) => present)),
    )
  }
  const told = await client.call(users, {})
  const stale = told.revocationList.reason === undefined ? [] : [staleLine(refusedIn(told.revocationList))]
  answer(order, users.output, told, [...userLines(told.users), ...stale])
}

const refusedIn = ({ reason = '', next = '' }: { reason?: string | undefined; next?: string | undefined }) => ({
  reason,
  next,
})

export const devicesJson = z.object({ user: z.string(), devices: userShape.shape.devices })

/** The devices of our user. */
export const showDevices = async ({ client }: Helper, order: Order): Promise<void> => {
  const ours = (await client.call(users, {})).users.filter(({ self }) => self)
  const [{ user, devices } = { user: '', devices: [] }] = ours
  answer(order, devicesJson, { user, devices }, userLines(ours))
}

/** The rooms that are known when the wait is over: an invitation may have to come first. */
export const showRooms = async ({ client, settled }: Helper, order: Order): Promise<void> => {
  if (!settled) await until(client, order.waitMs, () => false)
  const told = await client.call(listRooms, {})
  answer(order, listRooms.output, told, roomLines(told.rooms))
}

export const statusJson = status.output.extend({
  running: z.object({ pid: z.number(), command: z.string(), url: z.string().nullable() }).nullable(),
})
type Running = z.output<typeof statusJson>['running']

/** How this device stands. @param running the process that has the home, when it is not this command */
export const showStatus = async (
  { client, settled }: Helper,
  { running, now, ...order }: Order & { readonly running: Running; readonly now: number },
): Promise<void> => {
  if (!settled) await until(client, order.waitMs, () => false)
  const told = { ...(await client.call(status, {})), running }
  const { user, device, network, certificate, ca, revocationList: list, peers, users: known, addresses } = told
  const crl =
    list.number === 0
      ? 'none yet: it comes with the first peer or the CA'
      : `number ${list.number}, made ${ago(list.made, now)}${list.stale ? `: ${list.reason ?? 'stale'}` : ''}`
  answer(order, statusJson, told, [
    `user          ${user}, device …${device.slice(-6)}`,
    `network       ${network.name}  ${network.id}`,
    `runs          ${running === null ? 'no: this command looked for itself' : `process ${running.pid}: lanyard ${running.command}${running.url === null ? '' : `, API at ${running.url}`}`}`,
    `here          ${peers} other ${peers === 1 ? 'device' : 'devices'}; ${known} ${known === 1 ? 'user' : 'users'} in the network`,
    `certificate   until ${certificate.until.slice(0, 16).replace('T', ' ')} UTC`,
    `CA            ${ca.seen === null ? 'not seen since this start' : `seen ${ago(ca.seen, now)}`}`,
    `revocations   ${crl}`,
    ...addresses.map((address, at) => `${at === 0 ? 'reached at' : '          '}    ${address}`),
  ])
}

/** As `3 minutes ago`. */
const ago = (iso: string | null, now: number): string => {
  if (iso === null) return 'at an unknown time'
  const ms = now - Date.parse(iso)
  if (ms < MINUTE_MS) return 'just now'
  const [unit, size] =
    ms < 60 * MINUTE_MS ? ['minute', MINUTE_MS] : ms < DAY_MS ? ['hour', 60 * MINUTE_MS] : ['day', DAY_MS]
  const count = Math.floor(ms / Number(size))
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`
}

export const messageEventJson = messageShape.extend({ event: z.literal('message') })
export const foundJson = messageShape.extend({ event: z.literal('found'), snippet: z.string() })
export const searchEndJson = z.object({ event: z.literal('search-end'), found: z.number() })

export type PageOrder = Order & {
  readonly limit: number
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/** The messages of a room, the oldest first. */
export const showHistory = async (helper: Helper, { limit, before, after, to, ...order }: PageOrder): Promise<void> => {
  const { client } = helper
  const { id: room } = await roomOf(helper, to ?? '#general', order.waitMs)
  if (!helper.settled) await until(client, order.waitMs, () => false)
  const whole = async (start: string): Promise<string> => {
    if (start.length === ID_LENGTH) return start
    const { messages } = await client.call(history, { room, limit: HISTORY_PAGE_MAX })
    const found = messages.findLast(({ id }) => id.startsWith(start))
    if (found === undefined) throw fault('message-unknown', start)
    return found.id
  }
  const page = {
    ...(before === undefined ? {} : { before: await whole(before) }),
    ...(after === undefined ? {} : { after: await whole(after) }),
  }
  const { messages } = await client.call(history, { room, limit, ...page })
  for (const message of messages) {
    answer(order, messageEventJson, { event: 'message', ...message }, `${dayOf(message.time)} ${messageLine(message)}`)
  }
}

const ID_LENGTH = 64
const dayOf = (iso: string): string => new Date(iso).toLocaleDateString('sv-SE')

/** What was found, the oldest first: the best is nearest to the prompt. */
export const showFound = async (
  { client }: Helper,
  { words, limit, ...order }: Order & { readonly words: string; readonly limit: number },
): Promise<void> => {
  const { hits } = await client.call(search, { words, limit })
  for (const { message, snippet } of hits.toReversed()) {
    const line = `${dayOf(message.time)} ${messageLine(message, message.room)}`
    answer(order, foundJson, { event: 'found', ...message, snippet }, line)
  }
  const end = hits.length === 0 ? 'nothing found' : `${hits.length} found`
  answer(order, searchEndJson, { event: 'search-end', found: hits.length }, end)
}
