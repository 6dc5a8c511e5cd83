import { z } from 'zod'
import type { Message } from '../rooms/inbox.ts'

/** A message for scripts, bots and screens; `text` or `file`, and neither while no key is here for it. Never a file's key. */
export const messageShape = z.object({
  id: z.string(),
  room: z.string().describe('#room or @user'),
  roomId: z.string(),
  user: z.string(),
  device: z.string(),
  time: z.iso.datetime().describe("by its author's hybrid clock"),
  own: z.boolean().describe('our user wrote it, on this device or another one'),
  text: z.string().optional(),
  file: z
    .object({
      name: z.string(),
      size: z.number().describe('bytes'),
      type: z.string(),
      files: z.number().nullable().describe('of a folder: how many files are in it'),
    })
    .optional(),
  reply: z.string().optional().describe('the id of the message that it answers'),
  edited: z.iso.datetime().optional(),
  deleted: z.literal(true).optional(),
  reactions: z
    .array(z.object({ emoji: z.string(), users: z.array(z.string()).readonly() }))
    .readonly()
    .optional(),
  mentions: z.object({ users: z.array(z.string()).readonly(), all: z.boolean() }).optional(),
  state: z
    .object({
      devices: z.number().describe('how many other devices are known to hold it'),
      readBy: z.array(z.string()).readonly(),
    })
    .optional()
    .describe("how far one of our user's own has come"),
})
export type MessageJson = z.output<typeof messageShape>

/** @param place `#room` or `@user` */
export const messageJson = (message: Message, place: string): MessageJson => {
  const { id, room, user, device, time, own, content, reply, edited, deleted, reactions, mentions, state } = message
  return {
    id,
    room: place,
    roomId: room,
    user,
    device,
    time: new Date(time).toISOString(),
    own,
    ...(content?.kind === 'text' ? { text: content.text } : {}),
    ...(content?.kind === 'file'
      ? { file: { name: content.name, size: content.size, type: content.type, files: content.files ?? null } }
      : {}),
    ...(reply === null ? {} : { reply }),
    ...(edited === null ? {} : { edited: new Date(edited).toISOString() }),
    ...(deleted ? { deleted } : {}),
    ...(reactions.length === 0 ? {} : { reactions }),
    ...(mentions.all || mentions.users.length > 0 ? { mentions } : {}),
    ...(state === null ? {} : { state }),
  }
}
