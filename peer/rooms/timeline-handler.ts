import { type CertificateHash, type RecordHash, type RoomId, toRecordHash, type UserName } from '../../shared/ids.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import type { OpenedMessage } from '../log/opened-message.ts'
import type { LogId } from '../store/log-id.ts'
import type { Placement, RecordStore } from '../store/records.ts'
import type { TimelineStore } from '../store/timeline.ts'
import { contentOf, type ReadContent } from './reader.ts'
import { type ChangeContent, isEntry, type Position, roleOf } from './timeline.ts'

/** Keeps the index of what is shown in step with the records; all of it within the transaction that changes them. */
export type Timeline = {
  /** What a message is that has just become readable: its row is written with it. */
  placement(message: Omit<OpenedMessage, 'arrival' | 'hidden'>): Placement
  /** … and once that is written: what it changes takes effect. */
  placed(message: OpenedMessage): void
  /** Both, of a message that was stored before it became readable. */
  opened(message: OpenedMessage): void
  /** What `opened` has read of it: nobody need decode it again. */
  read(message: Pick<OpenedMessage, 'plaintext' | 'author'>): Read
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
  /** By the plaintext, which is the message's own: decoded once, however often it is asked for. */
  const reads = new WeakMap<Uint8Array, Read>()

  const read = ({ plaintext, author }: Pick<OpenedMessage, 'plaintext' | 'author'>): Read => {
    const known = reads.get(plaintext)
    if (known !== undefined) return known
    const fresh = { content: contentOf(plaintext), user: userOf(author) }
    reads.set(plaintext, fresh)
    return fresh
  }

  const placement: Timeline['placement'] = (message) => {
    const { content, user } = read(message)
    if (content === null || user === null)
      return { role: user === null ? 'none' : roleOf(content), target: null, unread: 0 }
    if (isEntry(content)) return { role: 'entry', target: null, unread: unread({ ...message, user }, content) }
    return { role: content.kind, target: store.targetOf(message.log.room, toRecordHash(content.of)), unread: 0 }
  }
  const placed: Timeline['placed'] = (message) => {
    const { content, user } = read(message)
    const { hash, log, hidden } = message
    if (content === null || user === null) return
    if (isEntry(content)) {
      if (isTakenBack(log.room, hash, user)) store.erase(hash)
    } else if (!hidden) apply(log.room, store.targetOf(log.room, toRecordHash(content.of)), message, user, content)
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
    placement,
    placed,
    opened: (message) => {
      store.place(message.arrival, placement(message))
      placed(message)
    },
    read,
    rejudged: (log, from, to) => {
      for (const target of store.targetsIn(log, from, to)) rebuild(log.room, target)
    },
  }
}
