import { createInterface } from 'node:readline'
import { nextStepOf, refusalOf, wordsOf } from '../../shared/errors.ts'
import type { RoomId } from '../../shared/ids.ts'
import { eventJson, newDeviceRefusal } from '../api/event-json.ts'
import { messageJson } from '../api/message-json.ts'
import { placeOf } from '../api/places.ts'
import { refusalJson } from '../api/refusal-json.ts'
import type { Peer } from '../peer.ts'
import { COMMAND_HELP, commandsOf, runCommand } from './commands.ts'
import type { Commands, Desk } from './desk.ts'
import { preview } from './file-once.ts'
import { eventLine, messageLine, staleLine } from './lines.ts'
import { createProgressBar } from './progress.ts'
import { createRoomNews } from './room-news.ts'

export type ChatParts = {
  readonly peer: Peer
  readonly json: boolean
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

const HELP = `Write a line and press Enter to say it in the room where you are: #general at the start.
${COMMAND_HELP}
/history [N]               the last N messages of this room
/quit                      leave`

/** A plain line-by-line chat, in #general at first; resolves when the user leaves or the input ends. */
export const chat = async ({ peer, json, input, output }: ChatParts): Promise<void> => {
  const bar = createProgressBar(
    (text) => output.write(text),
    () => performance.now(),
  )
  const show = (line: string, object: Record<string, unknown>): void => {
    bar.clear()
    output.write(`${json ? JSON.stringify(object) : line}\n`)
  }
  let here = peer.general
  const place = (room: RoomId): string => placeOf(peer, room)
  const news = createRoomNews(() => peer.rooms(), peer.self.user)
  const end = peer.on((event) => {
    if (event.kind === 'said') return // it stands there already, as it was typed
    const told = eventJson(event, place)
    if (json) {
      output.write(`${JSON.stringify(told)}\n`)
      return
    }
    if (event.kind === 'room') for (const line of news(event.room)) show(line, {})
    const line = eventLine(told, ({ room, roomId }) => (roomId === here ? '' : room))
    if (line !== null) show(line, {})
    else if (told.event === 'file' && output.isTTY === true) bar.draw(told)
    void preview(told).then((line) => line !== null && show(`  ${line}`, {}))
  })

  show(`${peer.self.user} in the network “${peer.network.name}”. /help lists the commands.`, {
    event: 'ready',
    user: peer.self.user,
    device: peer.self.peerId,
    network: peer.network.id,
    addresses: peer.addresses(),
  })
  const { stale } = peer.revocationList()
  if (stale !== null) show(staleLine(refusalJson(stale)), { event: 'crl-stale', ...refusalJson(stale) })
  for (const { user, device } of peer.comparisons.fresh()) {
    const told = refusalJson(newDeviceRefusal(user, device))
    show(staleLine(told), { event: 'device-new', user, device, ...told })
  }
  const showHere = (count: number): void => {
    for (const message of peer.history(here, count)) {
      const told = messageJson(message, place(here))
      show(messageLine(told), { event: 'message', ...told })
    }
  }
  if (!json) showHere(RECENT)

  const desk: Desk = {
    peer,
    here: () => here,
    goTo: (room) => {
      here = room
      show(`* ${place(room)}`, { event: 'here', room: place(room), roomId: room })
      if (!json) showHere(RECENT)
    },
    show,
  }
  const commands: Commands = {
    ...commandsOf(desk),
    '/help': () => show(HELP, { event: 'help', text: HELP }),
    '/history': (rest) => {
      showHere(Number(rest) || RECENT)
      if (json) show('', { event: 'history-end' })
    },
  }
  const run = async (line: string): Promise<void> => {
    if (!line.startsWith('/') || line.startsWith('//')) {
      const text = line.startsWith('//') ? line.slice(1) : line
      const id = await peer.say(here, text)
      if (json) show('', { event: 'stored', id, text })
      return
    }
    await runCommand(commands, line)
  }

  const lines = createInterface({ input, terminal: false })
  const running = new Set<Promise<void>>()
  for await (const line of lines) {
    if (line.trim() === '') continue
    if (line.trim() === '/quit') break
    // Not awaited: a file that is being hashed holds up no message.
    const task = run(line).catch((error: unknown) => {
      const refusal = refusalOf(error)
      show(`! ${wordsOf(refusal)}\n  next: ${nextStepOf(refusal)}`, { event: 'error', ...refusalJson(refusal) })
    })
    running.add(task)
    void task.finally(() => running.delete(task))
  }
  lines.close()
  await Promise.all(running)
  end()
}

const RECENT = 20 // messages shown at the start
