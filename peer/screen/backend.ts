import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import type { FileProgress } from '../events.ts'
import type { Message } from '../rooms/inbox.ts'

// All that the screen asks of a device, and hears from it. Of others' words nothing is made harmless here: the layout does that.

/** A message, with what it answers. */
export type Entry = Message & { readonly quote: { readonly user: UserName; readonly text: string } | null }

export type ScreenRoom = {
  readonly id: RoomId
  /** `#plans`, `@bob`. */
  readonly label: string
  readonly topic: string
  /** Null where everybody is. */
  readonly members: readonly UserName[] | null
  readonly unread: number
  readonly mentions: number
  readonly muted: boolean
}

export type Person = {
  readonly user: UserName
  readonly self: boolean
  readonly here: boolean
  /** Nobody sits at the devices that are here. */
  readonly away: boolean
  readonly revoked: boolean
}

/** How things stand, asked for anew whenever something has changed. */
export type Facts = {
  readonly user: UserName
  readonly network: string
  /** Those that we are in. */
  readonly rooms: readonly ScreenRoom[]
  readonly people: readonly Person[]
  /** Other devices that are here. */
  readonly devices: number
  readonly list: {
    readonly number: number
    /** When it was made, milliseconds since the epoch; null without one. */
    readonly made: number | null
    readonly stale: boolean
  }
  /** End of our certificate, milliseconds since the epoch. */
  readonly certificateUntil: number
}

/** A piece of a room's past, oldest first, and whether there is more on either side. */
export type Piece = { readonly entries: readonly Entry[]; readonly atStart: boolean; readonly atEnd: boolean }

export type Hit = { readonly entry: Entry; readonly label: string; readonly snippet: string }

/** `warn`: something that somebody should do something about. */
export type Tone = 'calm' | 'warn'

export type News =
  | { readonly kind: 'message'; readonly entry: Entry }
  | { readonly kind: 'updated'; readonly entry: Entry }
  | { readonly kind: 'erased'; readonly room: RoomId; readonly ids: readonly RecordHash[] }
  /** How far our own messages of a room have come may have changed. */
  | { readonly kind: 'spread'; readonly room: RoomId }
  /** Rooms, people, counts or papers have changed: ask for the facts. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'ca-seen' }
  | { readonly kind: 'typing'; readonly room: RoomId; readonly user: UserName; readonly until: number }
  | { readonly kind: 'file'; readonly progress: FileProgress }
  | { readonly kind: 'notice'; readonly text: string; readonly tone: Tone; readonly room: RoomId | null }

/** What a command shows, and where it leads. */
export type CommandDesk = {
  readonly here: () => RoomId
  readonly goTo: (room: RoomId) => void
  readonly show: (text: string) => void
}

/** A device, as the screen works with it; every refusal is a LanyardError. */
export type Backend = {
  readonly general: RoomId
  /** Names of all slash commands of the device. */
  readonly commands: readonly string[]
  readonly help: string
  facts(): Promise<Facts>
  /** The newest of a room, and what was being written there. */
  open(room: RoomId): Promise<Piece & { readonly draft: string; readonly firstUnread: RecordHash | null }>
  before(room: RoomId, id: RecordHash): Promise<Piece>
  after(room: RoomId, id: RecordHash): Promise<Piece>
  around(room: RoomId, id: RecordHash): Promise<Piece>
  entries(ids: readonly RecordHash[]): Promise<readonly Entry[]>
  say(room: RoomId, text: string, reply: RecordHash | null): Promise<void>
  edit(id: RecordHash, text: string): Promise<void>
  takeBack(id: RecordHash): Promise<void>
  /** Adds a reaction, or takes the same one off. */
  react(id: RecordHash, emoji: string): Promise<void>
  /** Accepts an offer. */
  fetch(id: RecordHash): Promise<void>
  markRead(room: RoomId, upTo: RecordHash): Promise<void>
  setDraft(room: RoomId, text: string): Promise<void>
  /** Our user writes; or sits at the terminal, or does not. */
  typing(room: RoomId): void
  present(here: boolean): void
  search(words: string): Promise<readonly Hit[]>
  /** Files and folders whose path begins so; folders end in `/`. */
  paths(start: string): Promise<readonly string[]>
  /** A slash command that the screen has none of its own for. */
  run(line: string, desk: CommandDesk): Promise<void>
  on(listener: (news: News) => void): () => void
}
