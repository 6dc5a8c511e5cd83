import { readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Client } from '../api/client.ts'
import type { ApiEvent } from '../api/event-json.ts'
import type { MessageJson } from '../api/message-json.ts'
import * as deskOf from '../api/operations/desk.ts'
import * as deviceOf from '../api/operations/device.ts'
import * as filesOf from '../api/operations/files.ts'
import * as messagesOf from '../api/operations/messages.ts'
import * as peopleOf from '../api/operations/people.ts'
import * as roomsOf from '../api/operations/rooms.ts'
import { eventLine } from '../terminal/lines.ts'
import { newsOf } from '../terminal/room-news.ts'
import type { Backend, Entry, Facts, News, Piece, Transfer } from './backend.ts'

export type ClientBackendParts = Pick<Backend, 'commands' | 'help' | 'run'> & { readonly client: Client }

const PAGE = 100 // messages of a room that are asked for at once: several screens full

/** A device behind its API, in this process or another one. @throws LanyardError when it can't be reached */
export const clientBackend = async ({ client, commands, help, run }: ClientBackendParts): Promise<Backend> => {
  const { call } = client
  const { general, user } = await call(deviceOf.status, {})
  let known = new Map<string, roomsOf.RoomJson>()
  const listeners = new Set<(news: News) => void>()
  let said: Promise<void> = Promise.resolve() // in the order in which it was written
  const tell = (news: News): void => {
    for (const listener of listeners) listener(news)
  }
  /** Direct rooms are found by their user. */
  const placed = (room: string): { room: string } => {
    const place = known.get(room)?.place ?? room
    return { room: place.startsWith('@') ? place : room }
  }
  const listRooms = async (): Promise<readonly roomsOf.RoomJson[]> => {
    const { rooms } = await call(roomsOf.listRooms, {})
    const before = known
    known = new Map(rooms.map((room) => [room.id, room]))
    for (const room of before.size === 0 ? [] : rooms) {
      for (const line of newsOf(before.get(room.id), room, user)) tell({ kind: 'notice', ...worded(line), room: null })
    }
    return rooms.filter(({ member }) => member)
  }
  const get = async (id: string): Promise<Entry | null> => {
    const { message } = await call(messagesOf.getMessage, { id })
    return (await entriesOf([message]))[0] ?? null
  }
  /** With what each answers, which may be far above. */
  const entriesOf = async (messages: readonly MessageJson[]): Promise<readonly Entry[]> => {
    const here = new Map(messages.map((message) => [message.id, message]))
    return await Promise.all(
      messages.map(async (message) => {
        if (message.reply === undefined) return entryOf(message, null)
        const answered =
          here.get(message.reply) ??
          (await call(messagesOf.getMessage, { id: message.reply }).catch(() => null))?.message
        return entryOf(message, answered ?? null)
      }),
    )
  }
  const page = async (room: string, at: { before?: string; after?: string }, limit = PAGE): Promise<readonly Entry[]> =>
    await entriesOf((await call(messagesOf.history, { ...placed(room), limit, ...at })).messages)

  const end = client.on((event) => void hear(event))
  const hear = async (event: ApiEvent): Promise<void> => {
    for (const news of await newsFor(event).catch(() => [])) tell(news)
  }
  const newsFor = async (event: ApiEvent): Promise<readonly News[]> => {
    switch (event.event) {
      case 'message':
      case 'said':
      case 'updated': {
        // Most answer nothing: those must not wait, or they would come out of order.
        const entry = event.reply === undefined ? entryOf(event, null) : (await entriesOf([event]))[0]
        return entry === undefined ? [] : [{ kind: event.event === 'updated' ? 'updated' : 'message', entry }]
      }
      case 'expired':
        return [{ kind: 'erased', room: event.roomId, ids: event.ids }]
      case 'delivered':
      case 'read':
        return [{ kind: 'spread', room: event.roomId }]
      case 'typing':
        return [{ kind: 'typing', room: event.roomId, user: event.user, until: Date.parse(event.until) }]
      case 'file':
        // Where the file stands among the messages it is seen how it moves; why it does not is told.
        return [{ kind: 'file', transfer: event }, ...(event.reason === undefined ? [] : noticeOf(event))]
      case 'session': // the list of people shows it
      case 'presence':
      case 'ca-sighted':
      case 'unread':
      case 'room':
        return [{ kind: 'changed' }]
      case 'revocations':
        return [{ kind: 'changed' }, ...(event.self ? noticeOf(event) : [])]
      case 'gap':
        return [{ kind: 'changed' }, { kind: 'gap' }]
      case 'ended':
        return [{ kind: 'ended' }]
      case 'ready':
        return [{ kind: 'changed' }]
      case 'device-new':
      case 'device-twice':
      case 'renewed':
      case 'rolled-over':
      case 'crl-stale':
      case 'refused':
      case 'foul':
      case 'removed':
      case 'road':
        return [{ kind: 'changed' }, ...noticeOf(event)]
    }
  }

  return {
    general,
    commands,
    help,
    run,
    facts: async (): Promise<Facts> => {
      const [status, rooms, { users }] = await Promise.all([
        call(deviceOf.status, {}),
        listRooms(),
        call(peopleOf.users, {}),
      ])
      const { made, number, stale } = status.revocationList
      return {
        user: status.user,
        network: status.network.name,
        devices: status.peers,
        caSeen: timeOf(status.ca.seen),
        list: { number, stale, made: timeOf(made) },
        certificateUntil: Date.parse(status.certificate.until),
        rooms: rooms.map(({ id, place, topic, members, unread, muted }) => ({
          id,
          label: place,
          topic,
          members: members === null ? null : members.map(({ name }) => name),
          unread: unread.count,
          mentions: unread.mentions,
          muted,
        })),
        people: users.map(({ user, self, devices }) => {
          const present = devices.filter((device) => device.present && !device.revoked)
          return {
            user,
            self,
            here: present.length > 0,
            away: !self && present.length > 0 && present.every(({ state }) => state === 'away'),
            revoked: devices.every(({ revoked }) => revoked),
          }
        }),
      }
    },
    open: async (room) => {
      const entries = await page(room, {})
      const { text: draft } = await call(deskOf.draft, placed(room))
      const { room: listed } = await call(roomsOf.getRoom, placed(room))
      const { files } = await call(filesOf.listFiles, placed(room))
      const transfers = files.flatMap((file) => transferOf(file) ?? [])
      const { first } = listed.unread
      return { entries, atStart: entries.length < PAGE, atEnd: true, draft, firstUnread: first, transfers }
    },
    before: async (room, id): Promise<Piece> => {
      const entries = await page(room, { before: id })
      return { entries, atStart: entries.length < PAGE, atEnd: false }
    },
    after: async (room, id): Promise<Piece> => {
      const entries = await page(room, { after: id })
      return { entries, atStart: false, atEnd: entries.length < PAGE }
    },
    around: async (room, id): Promise<Piece> => {
      const [before, at, after] = await Promise.all([page(room, { before: id }), get(id), page(room, { after: id })])
      return {
        entries: [...before, ...(at === null ? [] : [at]), ...after],
        atStart: before.length < PAGE,
        atEnd: after.length < PAGE,
      }
    },
    entries: async (ids) => {
      const found = await Promise.all(ids.map((id) => get(id).catch(() => null)))
      return found.filter((entry) => entry !== null)
    },
    say: (room, text, reply) => {
      const words = { ...placed(room), text, ...(reply === null ? {} : { reply }) }
      const saying = said.then(() => call(messagesOf.say, words)).then(() => undefined)
      said = saying.catch(() => undefined)
      return saying
    },
    edit: async (id, text) => void (await call(messagesOf.edit, { id, text })),
    takeBack: async (id) => void (await call(messagesOf.takeBack, { id })),
    react: async (id, emoji) => {
      const entry = await get(id)
      const stands = entry?.reactions.some((one) => one.emoji === emoji && one.users.includes(user)) ?? false
      await call(messagesOf.react, { id, emoji, on: !stands })
    },
    fetch: async (id) => void (await call(filesOf.fetchFile, { file: id })),
    markRead: async (room, upTo) => void (await call(deskOf.markRead, { ...placed(room), upTo })),
    setDraft: async (room, text) => void (await call(deskOf.setDraft, { ...placed(room), text })),
    typing: (room) => void call(deskOf.typing, placed(room)).catch(() => undefined),
    present: (here) => void call(deviceOf.setPresence, { state: here ? 'active' : 'away' }).catch(() => undefined),
    search: async (words) => {
      const { hits } = await call(messagesOf.search, { words })
      return hits.map(({ message, snippet }) => ({ entry: entryOf(message, null), label: message.room, snippet }))
    },
    paths: async (start) => {
      const { folder } = await call(filesOf.folder, {})
      return await pathsIn(folder, start)
    },
    on: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0) end()
      }
    },
  }
}

const timeOf = (iso: string | null): number | null => (iso === null ? null : Date.parse(iso))

const entryOf = (message: MessageJson, answered: MessageJson | null): Entry => {
  const { id, roomId, user, time, own, text, file, reply, edited, deleted, reactions, mentions, state } = message
  return {
    id,
    room: roomId,
    user,
    time: Date.parse(time),
    own,
    content: text !== undefined ? { kind: 'text', text } : file !== undefined ? { kind: 'file', ...file } : null,
    reply: reply ?? null,
    quote: answered === null ? null : { user: answered.user, text: answered.text ?? answered.file?.name ?? '' },
    edited: edited !== undefined,
    deleted: deleted === true,
    reactions: reactions ?? [],
    mentions: mentions ?? { users: [], all: false },
    state: state ?? null,
  }
}

/** How a file stands that nothing has been heard of since the start. */
const transferOf = ({ id, state, paused, bytes, size, path }: filesOf.FileJson): Transfer | null => {
  const known = { id, bytes, size }
  switch (state) {
    case 'held':
      return path === null ? null : { ...known, state: paused ? 'paused' : 'whole', path }
    case 'wanted':
    case 'fetching':
      return { ...known, state: paused ? 'paused' : state === 'wanted' ? 'waiting' : 'fetching' }
    case 'declined':
      return { ...known, state: 'cancelled' }
    case 'offered':
      return null
  }
}

/** As the line chat words it; its first mark says whether somebody should do something. */
const noticeOf = (event: ApiEvent): readonly News[] => {
  const line = eventLine(event, ({ room }) => room)
  return line === null ? [] : [{ kind: 'notice', ...worded(line), room: null }]
}

const worded = (line: string): { readonly text: string; readonly tone: 'calm' | 'warn' } => ({
  text: line.replace(/^[*!] /, ''),
  tone: line.startsWith('!') ? 'warn' : 'calm',
})

/** What is in the folder that a path is on the way to. */
const pathsIn = async (folder: string, start: string): Promise<readonly string[]> => {
  const bare = start.replace(/^["']/, '')
  const inside =
    bare.endsWith('/') || bare === ''
      ? bare
      : dirname(bare) === '.' && !bare.startsWith('./')
        ? ''
        : join(dirname(bare), '/')
  const begun = bare.slice(inside.length)
  const entries = await readdir(resolve(folder, inside), { withFileTypes: true }).catch(() => [])
  return entries
    .filter(({ name }) => name.startsWith(begun) && (begun.startsWith('.') || !name.startsWith('.')))
    .map((entry) => `${inside}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .sort()
}
