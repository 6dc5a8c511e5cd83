import { type CertificateHash, type RecordHash, type RoomId, toRecordHash, type UserName } from '../../shared/ids.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { OpenedMessage } from '../log/opened-message.ts'
import type { LogId, RecordStore } from '../store/records.ts'
import type { TimelineStore } from '../store/timeline.ts'
import { contentOf, type ReadContent } from './reader.ts'
import { type ChangeContent, isEntry, type Position, roleOf } from './timeline.ts'

/** Keeps the index of what is shown in step with the records; all of it within the transaction that changes them. */
export type Timeline = {
  /** Notes what a message is that has just become readable. */
  opened(message: OpenedMessage): void
  /** What `opened` has read of it: nobody need decode it again. */
  read(message: OpenedMessage): Read
  /** Messages of a log, from one number to another, were hidden or count again: what they change is judged anew. */
  rejudged(log: LogId, from: number, to: number): void
}

/** What a message says; its user is null when nobody knows the certificate. */
export type Read = { readonly content: MessageContent | null; readonly user: UserName | null }

export type TimelineParts = {
  readonly store: TimelineStore
  readonly records: RecordStore
  readonly reader: ReadContent
  /** Whose certificate it is. */
  readonly userOf: (author: CertificateHash) => UserName | null
  /** Whether our user has yet to read a message: 2 when it mentions our user. */
  readonly unread: (message: Arrived, content: MessageContent) => 0 | 1 | 2
}

/** What is known of a message when it becomes readable. */
export type Arrived = Pick<OpenedMessage, 'author' | 'log' | 'seq' | 'ms'> & { readonly user: UserName }

export const createTimeline = ({ store, records, reader, userOf, unread }: TimelineParts): Timeline => {
  const reads = new WeakMap<OpenedMessage, Read>()

  const read = (message: OpenedMessage): Read => {
    const known = reads.get(message)
    if (known !== undefined) return known
    const fresh = { content: contentOf(message.plaintext), user: userOf(message.author) }
    reads.set(message, fresh)
    return fresh
  }

  const place = (message: Omit<OpenedMessage, 'plaintext'>, { content, user }: Read): void => {
    const { hash, arrival, log, hidden } = message
    const role = roleOf(content)
    if (content === null || user === null || isEntry(content)) {
      const own = content === null || user === null ? 0 : unread({ ...message, user }, content)
      store.place(arrival, user === null ? 'none' : role, null, own)
      if (role === 'entry' && user !== null && isTakenBack(log.room, hash, user)) store.erase(hash)
      return
    }
    const target = store.targetOf(log.room, toRecordHash(content.of))
    store.place(arrival, role, target, 0)
    if (!hidden) apply(log.room, target, message, user, content)
  }
  const isTakenBack = (room: RoomId, hash: RecordHash, user: UserName): boolean =>
    store.standing(store.targetOf(room, hash), user, 'delete') !== null

  const apply = (room: RoomId, target: Uint8Array, at: Position, user: UserName, change: ChangeContent): void => {
    switch (change.kind) {
      case 'reaction':
        store.stand(target, user, { emoji: change.emoji }, at, change.on)
        return
      case 'edit':
        if (store.standing(target, user, 'delete') !== null) store.erase(at.hash)
        else store.stand(target, user, 'edit', at, true)
        return
      case 'delete':
        store.stand(target, user, 'delete', at, true)
        if (isEntryOf(room, toRecordHash(change.of), user)) store.erase(toRecordHash(change.of))
        for (const hash of editsOf(target, user)) store.erase(hash)
    }
  }

  /** What is closed may be a change, and then it is no good to anybody to lose it: it is erased once it opens as an entry. */
  const isEntryOf = (room: RoomId, hash: RecordHash, user: UserName): boolean => {
    const entry = store.get(hash)
    return entry !== null && entry.room === room && entry.role === 'entry' && userOf(entry.author) === user
  }
  const editsOf = (target: Uint8Array, user: UserName): RecordHash[] =>
    store
      .changesOf(target)
      .filter(({ role, author }) => role === 'edit' && userOf(author) === user)
      .map(({ hash }) => hash)

  const contentAt = (hash: RecordHash): MessageContent | null => {
    const stored = records.get(hash)
    return stored === null ? null : reader(stored)
  }

  /** What stands of one message, from all that was ever said about it. */
  const rebuild = (room: RoomId, target: Uint8Array): void => {
    store.clear(target)
    let of: RecordHash | null = null
    for (const change of store.changesOf(target)) {
      const content = contentAt(change.hash)
      const user = userOf(change.author)
      if (content === null || isEntry(content) || user === null) continue
      of = toRecordHash(content.of)
      if (!change.hidden) apply(room, target, change, user, content)
    }
    const entry = of === null ? null : store.get(of)
    const user = entry === null ? null : userOf(entry.author)
    if (of === null || user === null) return
    // The delete that erased it does not count any more: another member may still have what it erased.
    if (!isTakenBack(room, of, user)) for (const hash of [of, ...editsOf(target, user)]) store.restore(hash)
  }

  return {
    opened: (message) => place(message, read(message)),
    read,
    rejudged: (log, from, to) => {
      for (const target of store.targetsIn(log, from, to)) rebuild(log.room, target)
    },
  }
}
