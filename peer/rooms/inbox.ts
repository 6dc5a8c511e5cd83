import type { CertificateHash, PeerId, RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { HISTORY_LOOK_MAX, HISTORY_PAGE_MAX, REACTIONS_READ_MAX } from '../../shared/limits.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { OpenedMessage } from '../log/opened-message.ts'
import type { LogId } from '../store/log-id.ts'
import type { RecordStore, StoredRecord } from '../store/records.ts'
import type { PageFrom, TimelineStore } from '../store/timeline.ts'
import type { DeliveryState } from './delivery.ts'
import type { ReadContent } from './reader.ts'
import { type Changes, isEntry, NO_CHANGES, type Position, type Shown, shownOf } from './timeline.ts'

/** One message as it is shown. */
export type Message = Shown & {
  readonly id: RecordHash
  readonly room: RoomId
  readonly user: UserName
  readonly device: PeerId
  /** Milliseconds since the epoch, by the author's hybrid clock. */
  readonly time: number
  /** Our user wrote it, on this device or another one. */
  readonly own: boolean
  /** How far one of our user's own has come; null of others'. */
  readonly state: DeliveryState | null
}

/** Where a page of history lies: before or after a message; without either, at the end. */
export type Page = { readonly before?: RecordHash; readonly after?: RecordHash }

export type Inbox = {
  /** Messages of a room, oldest first, in the same order at every member; at most 1,000. What it costs is theirs alone. */
  history(room: RoomId, limit: number, page?: Page): Message[]
  /** Places before one, the newest first, with what is shown there; null where that is nothing, as of who is blocked. */
  older(room: RoomId, before: Position | null, limit: number): (Position & { readonly message: Message | null })[]
  /** A message that is shown; null for one that is hidden, past its room's retention, or only changes another. */
  get(id: RecordHash): Message | null
  /** The message that has just been opened, without asking the store for it; null when it is not shown by itself. */
  opened(message: OpenedMessage, content: MessageContent | null): Message | null
}

export type InboxParts = {
  readonly records: RecordStore
  readonly timeline: TimelineStore
  readonly reader: ReadContent
  readonly self: UserName
  readonly userOf: (author: CertificateHash) => UserName | null
  readonly isUser: (name: string) => boolean
  readonly isBlocked: (user: UserName) => boolean
  /** Whether the room's history policy grants us a message: one from before we came, and not for us, is not shown. */
  readonly mayHaveKey: (log: LogId, seq: number) => boolean
  readonly delivery: (log: LogId, seq: number) => DeliveryState
  /** The earliest time that is still shown in a room, milliseconds since the epoch. */
  readonly keptSince: (room: RoomId) => number
}

export const createInbox = (parts: InboxParts): Inbox => {
  const { records, timeline, reader, userOf } = parts

  const changesOf = (room: RoomId, hash: RecordHash, user: UserName): Changes => {
    const target = timeline.targetOf(room, hash)
    if (!timeline.isChanged(target)) return NO_CHANGES
    if (timeline.standing(target, user, 'delete') !== null) return { ...NO_CHANGES, deleted: true }
    const edit = timeline.standing(target, user, 'edit')
    const reactions = timeline.reactions(target, REACTIONS_READ_MAX).filter((one) => !parts.isBlocked(one.user))
    return { edit: edit === null ? null : { ms: edit.ms, text: textOf(edit.hash) }, deleted: false, reactions }
  }
  const textOf = (edit: RecordHash): string | null => {
    const stored = records.get(edit)
    const content = stored === null ? null : reader(stored)
    return content?.kind === 'edit' ? content.text : null
  }

  /** @param mayOpen whether there is a body: what came as a skeleton is past its time, or not served whole, and is nothing to see */
  const show = (one: Shownable, content: MessageContent | null, mayOpen: boolean): Message | null => {
    const { hash: id, room, device, incarnation, ms: time, seq } = one
    const user = userOf(one.author)
    if (user === null || parts.isBlocked(user) || (content !== null && !isEntry(content))) return null
    const log = { room, device, incarnation }
    const changes = changesOf(room, id, user)
    if (content === null && !changes.deleted && !(mayOpen && parts.mayHaveKey(log, seq))) return null
    const own = user === parts.self
    const shown = shownOf(content, changes, parts.isUser)
    const state = own ? parts.delivery(log, seq) : null
    return { ...shown, id, room, user, device, time, own, state }
  }

  const read = (stored: StoredRecord): Message | null => show(stored, reader(stored), stored.body !== null)
  const get = (id: RecordHash): Message | null => {
    const stored = timeline.shown(id)
    return stored === null || stored.ms < parts.keptSince(stored.room) ? null : read(stored)
  }

  /** Null when the message that the page lies by is not known here. */
  const fromOf = (before: RecordHash | undefined, after: RecordHash | undefined): PageFrom | null => {
    const id = after ?? before
    if (id === undefined) return {}
    const at = timeline.get(id)
    if (at === null) return null
    return after === undefined ? { before: at } : { after: at }
  }

  return {
    history: (room, limit, { before, after } = {}) => {
      const wanted = Math.min(limit, HISTORY_PAGE_MAX)
      const since = parts.keptSince(room)
      const shown: Message[] = []
      let from: PageFrom | null = fromOf(before, after)
      // Who is blocked, and what is not for us, takes no place in a page; but nobody waits for a search through all of it.
      for (let looked = 0; from !== null && shown.length < wanted && looked < HISTORY_LOOK_MAX; ) {
        const asked: number = wanted - shown.length
        const page = timeline.page(room, from, since, asked)
        looked += page.length
        const messages = page.flatMap((stored) => read(stored) ?? [])
        if (from.after === undefined) shown.unshift(...messages)
        else shown.push(...messages)
        const last = from.after === undefined ? page.at(0) : page.at(-1)
        if (last === undefined || page.length < asked) from = null
        else from = from.after === undefined ? { before: last } : { after: last }
      }
      return shown
    },
    older: (room, before, limit) =>
      timeline
        .page(room, before === null ? {} : { before }, parts.keptSince(room), limit)
        .map((stored) => ({ ...positionOf(stored), message: read(stored) }))
        .reverse(),
    get,
    opened: (message, content) =>
      message.hidden || content === null || message.ms < parts.keptSince(message.log.room)
        ? null
        : show({ ...message, ...message.log }, content, true),
  }
}

/** What is to be known of a message to show it. */
type Shownable = Pick<StoredRecord, 'hash' | 'room' | 'device' | 'incarnation' | 'seq' | 'ms' | 'author'>

const positionOf = ({ ms, count, hash }: Position): Position => ({ ms, count, hash })
