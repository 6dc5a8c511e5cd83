import { z } from 'zod'
import { fault, orThrow } from '../../../shared/errors.ts'
import type { RecordHash } from '../../../shared/ids.ts'
import { HISTORY_PAGE_MAX, SEARCH_HITS_MAX } from '../../../shared/limits.ts'
import type { Message } from '../../rooms/inbox.ts'
import { type MessageJson, messageJson, messageShape } from '../message-json.ts'
import { operation } from '../operation.ts'
import { findPlace, placeOf } from '../places.ts'
import { placeInput } from './rooms.ts'

const idInput = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .transform((id) => id as RecordHash)
  .describe('the whole id of a message')

export const say = operation({
  name: 'messages.say',
  method: 'POST',
  path: '/rooms/:room/messages',
  summary: 'Says a text in a room. Answered once it is stored; it reaches the others when they are there.',
  input: z.object({
    room: placeInput,
    text: z.string().describe('at most 16 KiB of UTF-8; @name and @all call people'),
    reply: idInput.optional().describe('the id of the message that it answers'),
  }),
  output: z.object({ id: z.string(), roomId: z.string() }),
  run: async (peer, { room, text, reply }) => {
    const roomId = orThrow(findPlace(peer, room))
    return { id: await peer.say(roomId, text, reply === undefined ? {} : { reply }), roomId }
  },
})

export const history = operation({
  name: 'messages.list',
  method: 'GET',
  path: '/rooms/:room/messages',
  summary: 'The newest messages of a room, or those before or after one, the oldest first.',
  input: z.object({
    room: placeInput,
    limit: z.int().min(1).max(HISTORY_PAGE_MAX).default(50),
    before: idInput.optional(),
    after: idInput.optional(),
  }),
  output: z.object({ messages: z.array(messageShape) }),
  run: (peer, { room, limit, before, after }) => {
    const id = orThrow(findPlace(peer, room))
    const page = { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }
    const place = placeOf(peer, id)
    return { messages: peer.history(id, limit, page).map((message) => messageJson(message, place)) }
  },
})

export const getMessage = operation({
  name: 'messages.get',
  method: 'GET',
  path: '/messages/:id',
  summary: 'One message as it is now.',
  input: z.object({ id: idInput }),
  output: z.object({ message: messageShape }),
  run: (peer, { id }) => {
    const message = peer.message(id)
    if (message === null) throw fault('message-unknown', id)
    return { message: placed(peer, message) }
  },
})

export const edit = operation({
  name: 'messages.edit',
  method: 'PUT',
  path: '/messages/:id',
  summary: "Gives a text of our user's other words.",
  input: z.object({ id: idInput, text: z.string() }),
  output: z.object({}),
  run: async (peer, { id, text }) => {
    await peer.edit(id, text)
    return {}
  },
})

export const takeBack = operation({
  name: 'messages.takeBack',
  method: 'DELETE',
  path: '/messages/:id',
  summary: "Takes a message of our user's back: its words and its key are erased at every member who hears of it.",
  input: z.object({ id: idInput }),
  output: z.object({}),
  run: async (peer, { id }) => {
    await peer.takeBack(id)
    return {}
  },
})

export const react = operation({
  name: 'messages.react',
  method: 'PUT',
  path: '/messages/:id/reactions',
  summary: "Adds a reaction of our user's to a message, or takes it off.",
  input: z.object({ id: idInput, emoji: z.string(), on: z.boolean().default(true) }),
  output: z.object({}),
  run: async (peer, { id, emoji, on }) => {
    await peer.react(id, emoji, on)
    return {}
  },
})

export const search = operation({
  name: 'messages.search',
  method: 'GET',
  path: '/search',
  summary: 'Messages that have all words, the newest first; from:anna and in:#room narrow it.',
  input: z.object({
    words: z.string().describe('the last one may be a beginning'),
    limit: z.int().min(1).max(SEARCH_HITS_MAX).default(50),
  }),
  output: z.object({ hits: z.array(z.object({ message: messageShape, snippet: z.string() })) }),
  run: async (peer, { words, limit }, signal) => {
    const hits = await peer.search(words, { limit, signal })
    return { hits: hits.map(({ message, snippet }) => ({ message: placed(peer, message), snippet })) }
  },
})

const placed = (peer: Parameters<typeof placeOf>[0], message: Message): MessageJson =>
  messageJson(message, placeOf(peer, message.room))
