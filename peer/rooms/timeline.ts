import type { RecordHash, UserName } from '../../shared/ids.ts'
import { toRecordHash } from '../../shared/ids.ts'
import type { MessageContent } from '../../shared/wire/bodies.ts'
import { type Mentions, mentionsOf, NO_MENTIONS } from './mentions.ts'

// What a room shows is a function of the set of its messages, whatever the order in which they came: a message stands where
// its time puts it, its user's newest edit is its text, its user's delete is final, and of each user's reactions with one
// emoji the newest counts. What names a message that is not there, or is another user's, changes nothing.

/** A place in the order that all members show: hybrid time, and the hash among equal times. */
export type Position = { readonly ms: number; readonly count: number; readonly hash: RecordHash }

export const comparePositions = (a: Position, b: Position): number =>
  a.ms - b.ms || a.count - b.count || (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0)

/** Whether something said at `a` takes the place of what was said at `b`. */
export const supersedes = (a: Position, b: Position | null): boolean => b === null || comparePositions(a, b) > 0

/** What is shown by itself. */
export type EntryContent = Extract<MessageContent, { readonly kind: 'text' | 'file' }>
/** What changes an earlier message. */
export type ChangeContent = Exclude<MessageContent, EntryContent>

/** What a message is to the timeline; `none` is what can't be read by anybody's protocol. */
export type Role = 'entry' | ChangeContent['kind'] | 'none'

export const roleOf = (content: MessageContent | null): Role => {
  if (content === null) return 'none'
  return isEntry(content) ? 'entry' : content.kind
}

export const isEntry = (content: MessageContent): content is EntryContent =>
  content.kind === 'text' || content.kind === 'file'

/** A reaction that stands: `since` orders those of one message. */
export type Standing = { readonly user: UserName; readonly emoji: string; readonly since: Position }

/** What stands of the changes that were made to one message. */
export type Changes = {
  /** Its user's newest edit; `text` is null while no key is here for it. */
  readonly edit: { readonly ms: number; readonly text: string | null } | null
  readonly deleted: boolean
  readonly reactions: readonly Standing[]
}

export const NO_CHANGES: Changes = { edit: null, deleted: false, reactions: [] }

export type Reaction = { readonly emoji: string; readonly users: readonly UserName[] }

/** What a message says, with its text as it stands now. */
export type ShownContent =
  | { readonly kind: 'text'; readonly text: string }
  | Extract<EntryContent, { readonly kind: 'file' }>

/** What is shown of one message. */
export type Shown = {
  /** Null while no key is here for it, and once it is deleted. */
  readonly content: ShownContent | null
  /** The message that it answers. */
  readonly reply: RecordHash | null
  /** When it was last edited, milliseconds since the epoch. */
  readonly edited: number | null
  readonly deleted: boolean
  /** In the order in which they were first added. */
  readonly reactions: readonly Reaction[]
  readonly mentions: Mentions
}

/** One message with all that changed it. @param known whether there is a user of this name */
export const shownOf = (entry: EntryContent | null, changes: Changes, known: (name: string) => boolean): Shown => {
  if (changes.deleted) return { ...NOTHING, deleted: true }
  if (entry === null) return NOTHING
  const reactions = reactionsOf(changes.reactions)
  if (entry.kind === 'file') return { ...NOTHING, content: entry, reactions }
  const text = changes.edit?.text ?? entry.text
  return {
    content: { kind: 'text', text },
    reply: entry.reply === undefined ? null : toRecordHash(entry.reply),
    edited: changes.edit?.text == null ? null : changes.edit.ms,
    deleted: false,
    reactions,
    mentions: mentionsOf(text, known),
  }
}

const NOTHING: Shown = {
  content: null,
  reply: null,
  edited: null,
  deleted: false,
  reactions: [],
  mentions: NO_MENTIONS,
}

const reactionsOf = (standing: readonly Standing[]): Reaction[] => {
  const inOrder = [...standing].sort((a, b) => comparePositions(a.since, b.since))
  return [...Map.groupBy(inOrder, ({ emoji }) => emoji)].map(([emoji, some]) => ({
    emoji,
    users: some.map(({ user }) => user),
  }))
}
