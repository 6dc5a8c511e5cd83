import { z } from 'zod'
import { orThrow } from '../../../shared/errors.ts'
import type { RecordHash } from '../../../shared/ids.ts'
import { operation } from '../operation.ts'
import { findPlace } from '../places.ts'
import { placeInput } from './rooms.ts'

// What our user alone has of a room: what is read, drafted, muted.

export const markRead = operation({
  name: 'rooms.read',
  method: 'POST',
  path: '/rooms/:room/read',
  summary: 'Notes that our user has read a room, up to a message or all of it.',
  input: z.object({ room: placeInput, upTo: z.string().optional().describe('the id of a message') }),
  output: z.object({}),
  run: async (peer, { room, upTo }) => {
    await peer.markRead(orThrow(findPlace(peer, room)), upTo as RecordHash | undefined)
    return {}
  },
})

export const typing = operation({
  name: 'rooms.typing',
  method: 'POST',
  path: '/rooms/:room/typing',
  summary: 'Our user writes something in a room; however often it is called, members hear it every few seconds.',
  input: z.object({ room: placeInput }),
  output: z.object({}),
  run: (peer, { room }) => {
    peer.live.typing(orThrow(findPlace(peer, room)))
    return {}
  },
})

export const mute = operation({
  name: 'rooms.mute',
  method: 'PUT',
  path: '/rooms/:room/mute',
  summary: 'A muted room counts, and makes no noise.',
  input: z.object({ room: placeInput, on: z.boolean() }),
  output: z.object({ on: z.boolean() }),
  run: (peer, { room, on }) => {
    peer.mute(orThrow(findPlace(peer, room)), on)
    return { on }
  },
})

export const draft = operation({
  name: 'rooms.draft',
  method: 'GET',
  path: '/rooms/:room/draft',
  summary: "What was typed in a room and not sent; '' for nothing.",
  input: z.object({ room: placeInput }),
  output: z.object({ text: z.string() }),
  run: (peer, { room }) => ({ text: peer.draft(orThrow(findPlace(peer, room))) }),
})

export const setDraft = operation({
  name: 'rooms.setDraft',
  method: 'PUT',
  path: '/rooms/:room/draft',
  summary: 'Keeps what was typed in a room and not sent.',
  input: z.object({ room: placeInput, text: z.string() }),
  output: z.object({}),
  run: (peer, { room, text }) => {
    peer.setDraft(orThrow(findPlace(peer, room)), text)
    return {}
  },
})
