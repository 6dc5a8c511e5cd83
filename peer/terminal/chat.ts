import { createInterface } from 'node:readline'
import { fault, nextStepOf, refusalOf, wordsOf } from '../../shared/errors.ts'
import { HISTORY_PAGE_MAX } from '../../shared/limits.ts'
import type { Client } from '../api/client.ts'
import { type ApiEvent, newDeviceRefusal } from '../api/event-json.ts'
import { status } from '../api/operations/device.ts'
import { history, say } from '../api/operations/messages.ts'
import { users } from '../api/operations/people.ts'
import { refusalJson } from '../api/refusal-json.ts'
import { COMMAND_HELP, commandsOf, runCommand } from './commands.ts'
import type { Commands, Desk } from './desk.ts'
import { preview } from './file-once.ts'
import { eventLine, messageLine, staleLine } from './lines.ts'
import { createProgressBar } from './progress.ts'
import { createRoomNews } from './room-news.ts'

export type ChatParts = {
  /** Of the device in this process, or of one that runs in another. */
  readonly client: Client
  readonly json: boolean
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

const HELP = `Write a line and press Enter to say it in the room where you are: #general at the start.
${COMMAND_HELP}
/history [N]               the last N messages of this room
/quit                      leave`

/**
 * A plain line-by-line chat, in #general at first; resolves when the user leaves or the input ends.
 * @throws LanyardError `api-not-running` when the device ends
 */
export const chat = async ({ client, json, input, output }: ChatParts): Promise<void> => {
  const bar = createProgressBar(
    (text) => output.write(text),
    () => performance.now(),
  )
  /** Messages that stand here already: as they were typed, or among those of a room that was looked at. */
  const shown = new Set<unknown>()
  const show: Show = (line, object) => {
    if (object.event === 'stored') shown.add(object.id)
    bar.clear()
    output.write(`${json ? JSON.stringify(object) : line}\n`)
  }
  const deviceEnded = new AbortController()
  const started = Promise.withResolvers<void>()
  // One after the other, and none before it is said whose device this is.
  let told: Promise<void> = started.promise
  const end = client.on((event) => {
    told = told.then(() => hear(event)).catch(() => undefined) // the device has ended meanwhile, which is told by itself
  })

  /** What the line that was typed last is doing. */
  let current: Promise<void> = Promise.resolve()
  const self = await client.call(status, {})
  let here = self.general
  const news = await createRoomNews(client, self.user)
  const hear = async (event: ApiEvent): Promise<void> => {
    if (event.event === 'ended') deviceEnded.abort()
    if (event.event === 'said') {
      if (json || event.file !== undefined) return
      await current // which may be what has said it
      const place = event.roomId === here ? '' : event.room
      if (!shown.has(event.id)) show(messageLine(event, place), {}) // another chat of this device, or a command
      return
    }
    if (json) {
      output.write(`${JSON.stringify(event)}\n`)
      return
    }
    if (event.event === 'message' && shown.has(event.id)) return // it came while its room was asked for
    if (event.event === 'room') for (const line of await news(event.roomId)) show(line, {})
    const line = eventLine(event, ({ room, roomId }) => (roomId === here ? '' : room))
    if (line !== null) show(line, {})
    else if (event.event === 'file' && output.isTTY === true) bar.draw(event)
    void preview(event).then((line) => line !== null && show(`  ${line}`, {}))
  }

  const { user, device, network, addresses } = self
  show(`${user} in the network “${network.name}”. /help lists the commands.`, {
    event: 'ready',
    user,
    device,
    network: network.id,
    addresses,
  })
  await warn(client, show)
  const showHere = async (count: number): Promise<void> => {
    const limit = Math.min(Math.max(1, Math.trunc(count)), HISTORY_PAGE_MAX)
    const { messages } = await client.call(history, { room: here, limit })
    for (const message of messages) {
      if (message.text !== undefined || message.file !== undefined) shown.add(message.id)
      show(messageLine(message), { event: 'message', ...message })
    }
  }
  if (!json) await showHere(RECENT)
  started.resolve()

  const desk: Desk = {
    client,
    self,
    here: () => here,
    goTo: async ({ id, place }) => {
      here = id
      show(`* ${place}`, { event: 'here', room: place, roomId: id })
      if (!json) await showHere(RECENT)
    },
    show,
  }
  const commands: Commands = {
    ...commandsOf(desk),
    '/help': () => show(HELP, { event: 'help', text: HELP }),
    '/history': async (rest) => {
      await showHere(Number(rest) || RECENT)
      if (json) show('', { event: 'history-end' })
    },
  }
  const run = async (line: string): Promise<void> => {
    if (!line.startsWith('/') || line.startsWith('//')) {
      const text = line.startsWith('//') ? line.slice(1) : line
      const { id } = await client.call(say, { room: here, text })
      shown.add(id)
      if (json) show('', { event: 'stored', id, text })
      return
    }
    await runCommand(commands, line)
  }

  const lines = createInterface({ input, terminal: false, signal: deviceEnded.signal })
  const running = new Set<Promise<void>>()
  for await (const line of lines) {
    if (line.trim() === '') continue
    if (line.trim() === '/quit') break
    const task = run(line).catch((error: unknown) => {
      const refusal = refusalOf(error)
      show(`! ${wordsOf(refusal)}\n  next: ${nextStepOf(refusal)}`, { event: 'error', ...refusalJson(refusal) })
    })
    running.add(task)
    void task.finally(() => running.delete(task))
    // Each line goes to where the one before has led; but a file that is being hashed holds up no message.
    if (LONG.test(line)) continue
    current = task
    await task
  }
  lines.close()
  await Promise.all(running)
  end()
  await told
  if (deviceEnded.signal.aborted) throw fault('api-not-running', 'it has stopped')
}

const RECENT = 20 // messages shown at the start
const LONG = /^\/(send|renew)\b/

type Show = (line: string, object: Record<string, unknown>) => void

/** Of what stands since before the start: a stale list, and devices that nobody has compared. */
const warn = async (client: Client, show: Show): Promise<void> => {
  const { users: all, revocationList } = await client.call(users, {})
  const { number: _number, made: _made, until: _until, stale, ...refused } = revocationList
  if (stale) {
    const { reason = '', next = '' } = refused
    show(staleLine({ reason, next }), { event: 'crl-stale', ...refused })
  }
  for (const { user, compared, devices } of all) {
    const fresh = compared === 'changed' ? devices.filter((one) => !one.compared && !one.revoked) : []
    for (const { device } of fresh) {
      const told = refusalJson(newDeviceRefusal(user, device))
      show(staleLine(told), { event: 'device-new', user, device, ...told })
    }
  }
}
