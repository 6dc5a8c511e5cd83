import { fault } from '../../shared/errors.ts'
import { fromHex, type RecordHash, type RoomId, type UserName } from '../../shared/ids.ts'
import { REACTION_MAX } from '../../shared/limits.ts'
import type { TimelineStore } from '../store/timeline.ts'
import type { Compose } from './compose.ts'
import type { Conversation } from './conversation.ts'
import type { Message, Page } from './inbox.ts'
import type { SearchHit, SearchOptions } from './search.ts'
import type { UnreadCount } from './unread.ts'

/** What a person does in a room. What is written resolves once it is stored; it reaches the others when they are there. */
export type Chat = {
  /**
   * Says a text in a room.
   * @param text at most 16 KiB of UTF-8; `@name` and `@all` call people
   * @param options.reply the message that it answers
   * @throws LanyardError `message-too-long`, `message-unknown`, `not-a-member`, `storage-failed`
   */
  say(room: RoomId, text: string, options?: { readonly reply?: RecordHash }): Promise<RecordHash>
  /** Gives a text of our user's other words. @throws LanyardError as `say`, and `message-not-own` */
  edit(id: RecordHash, text: string): Promise<void>
  /** Takes a message of our user's back: at every member who hears of it, its words and its key are erased. @throws as `edit` */
  takeBack(id: RecordHash): Promise<void>
  /** Adds a reaction of our user's to a message, or takes it off. @param emoji at most 32 UTF-16 code units @throws as `say` */
  react(id: RecordHash, emoji: string, on?: boolean): Promise<void>
  /** The newest messages, or those before or after one, oldest first; at most 1,000. */
  history(room: RoomId, limit: number, page?: Page): Message[]
  /** One message as it is now; null when it is not shown. */
  message(id: RecordHash): Message | null
  /** Notes that our user has read a room, up to a message or all of it; our other devices learn it, and the others by receipt. */
  markRead(room: RoomId, upTo?: RecordHash): Promise<void>
  unread(room: RoomId): UnreadCount
  /** All of the words, the last of which may be a beginning; `from:anna` and `in:#room` narrow it. Newest first. */
  search(text: string, options?: SearchOptions): Promise<SearchHit[]>
  /** What was typed in a room and not sent; '' for nothing. */
  draft(room: RoomId): string
  /** @throws LanyardError `message-too-long`, `storage-failed` */
  setDraft(room: RoomId, text: string): void
  /** Shows nothing of a user here, and tells of nothing; only here, and until it is taken off. */
  block(user: UserName, on?: boolean): void
  blocked(): readonly UserName[]
  /** A muted room counts, and makes no noise: whoever shows notifications asks. */
  mute(room: RoomId, on?: boolean): void
  isMuted(room: RoomId): boolean
}

export type ChatParts = {
  readonly compose: Pick<Compose, 'send'>
  readonly timeline: Pick<TimelineStore, 'get' | 'page'>
  readonly conversation: Conversation
}

export const createChat = ({ compose, timeline, conversation }: ChatParts): Chat => {
  const { inbox, unread, desk, search } = conversation

  /** @throws LanyardError `message-unknown` */
  const shown = (id: RecordHash): Message => {
    const message = inbox.get(id)
    if (message === null || message.deleted) throw fault('message-unknown', id)
    return message
  }
  const own = (id: RecordHash): Message => {
    const message = shown(id)
    if (!message.own) throw fault('message-not-own', message.user)
    return message
  }

  return {
    say: async (room, text, { reply } = {}) => {
      if (reply !== undefined && shown(reply).room !== room) throw fault('message-unknown', reply)
      return compose.send(room, { kind: 'text', text, ...(reply === undefined ? {} : { reply: fromHex(reply) }) })
    },
    edit: async (id, text) => {
      const { room, content } = own(id)
      if (content?.kind !== 'text') throw fault('message-unknown', 'only a text can be edited')
      await compose.send(room, { kind: 'edit', of: fromHex(id), text })
    },
    takeBack: async (id) => {
      await compose.send(own(id).room, { kind: 'delete', of: fromHex(id) })
    },
    react: async (id, emoji, on = true) => {
      if (emoji === '' || emoji.length > REACTION_MAX) throw fault('input-invalid', 'a reaction is one emoji')
      await compose.send(shown(id).room, { kind: 'reaction', of: fromHex(id), emoji, on })
    },
    history: inbox.history,
    message: inbox.get,
    markRead: async (room, upTo) => {
      const at = upTo === undefined ? timeline.page(room, {}, 0, 1).at(0) : timeline.get(upTo)
      if (at != null) await unread.markRead(room, at)
    },
    unread: unread.of,
    search: search.find,
    draft: desk.draft,
    setDraft: desk.setDraft,
    block: (user, on = true) => conversation.setBlocked(user, on),
    blocked: desk.blocked,
    mute: (room, on = true) => desk.setMuted(room, on),
    isMuted: desk.isMuted,
  }
}
