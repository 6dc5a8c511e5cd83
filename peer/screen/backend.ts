import type { ApiEvent } from '../api/event-json.ts'

// All that the screen asks of a device, and hears from it. Of others' words nothing is made harmless here: the layout does that.

/** A message, with what it answers. */
export type Entry = {
  readonly id: string
  /** The id of the room. */
  readonly room: string
  readonly user: string
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly own: boolean
  /** Null while no key is here for it, and once it is taken back. */
  readonly content:
    | { readonly kind: 'text'; readonly text: string }
    | { readonly kind: 'file'; readonly name: string; readonly size: number; readonly files: number | null }
    | null
  readonly reply: string | null
  readonly quote: { readonly user: string; readonly text: string } | null
  readonly edited: boolean
  readonly deleted: boolean
  readonly reactions: readonly { readonly emoji: string; readonly users: readonly string[] }[]
  readonly mentions: { readonly users: readonly string[]; readonly all: boolean }
  /** How far one of our own has come. */
  readonly state: { readonly devices: number; readonly readBy: readonly string[] } | null
}

/** How a file moves; `id` is that of the message that offers it. */
export type Transfer = Pick<Extract<ApiEvent, { event: 'file' }>, 'id' | 'state' | 'bytes' | 'size' | 'path'>

export type ScreenRoom = {
  readonly id: string
  /** `#plans`, `@bob`. */
  readonly label: string
  readonly topic: string
  /** Null where everybody is. */
  readonly members: readonly string[] | null
  readonly unread: number
  readonly mentions: number
  readonly muted: boolean
}

export type Person = {
  readonly user: string
  readonly self: boolean
  readonly here: boolean
  /** Nobody sits at the devices that are here. */
  readonly away: boolean
  readonly revoked: boolean
}

/** How things stand, asked for anew whenever something has changed. */
export type Facts = {
  readonly user: string
  readonly network: string
  /** Those that we are in. */
  readonly rooms: readonly ScreenRoom[]
  readonly people: readonly Person[]
  /** Other devices that are here. */
  readonly devices: number
  /** When the CA was reached last, milliseconds since the epoch; null: not since the device started. */
  readonly caSeen: number | null
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

/** The end of a room, and what was left there. */
export type Opened = Piece & {
  /** What was being written. */
  readonly draft: string
  readonly firstUnread: string | null
  /** How its files stand. */
  readonly transfers: readonly Transfer[]
}

export type Hit = { readonly entry: Entry; readonly label: string; readonly snippet: string }

/** `warn`: something that somebody should do something about; `answer`: what somebody asked for. */
export type Tone = 'calm' | 'warn' | 'answer'

export type News =
  | { readonly kind: 'message'; readonly entry: Entry }
  | { readonly kind: 'updated'; readonly entry: Entry }
  | { readonly kind: 'erased'; readonly room: string; readonly ids: readonly string[] }
  /** How far our own messages of a room have come may have changed. */
  | { readonly kind: 'spread'; readonly room: string }
  /** Rooms, people, counts or papers have changed: ask for the facts. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'typing'; readonly room: string; readonly user: string; readonly until: number }
  | { readonly kind: 'file'; readonly transfer: Transfer }
  /** Events were missed; the device has stopped. */
  | { readonly kind: 'gap' }
  | { readonly kind: 'ended' }
  | { readonly kind: 'notice'; readonly text: string; readonly tone: Tone; readonly room: string | null }

/** What a command shows, and where it leads. */
export type CommandDesk = {
  readonly here: () => string
  readonly goTo: (room: string) => void
  readonly show: (text: string) => void
}

/** A device, as the screen works with it; every refusal is a LanyardError. */
export type Backend = {
  readonly general: string
  /** Names of all slash commands of the device. */
  readonly commands: readonly string[]
  readonly help: string
  facts(): Promise<Facts>
  /** The newest of a room, and what was being written there. */
  open(room: string): Promise<Opened>
  before(room: string, id: string): Promise<Piece>
  after(room: string, id: string): Promise<Piece>
  around(room: string, id: string): Promise<Piece>
  entries(ids: readonly string[]): Promise<readonly Entry[]>
  say(room: string, text: string, reply: string | null): Promise<void>
  edit(id: string, text: string): Promise<void>
  takeBack(id: string): Promise<void>
  /** Adds a reaction, or takes the same one off. */
  react(id: string, emoji: string): Promise<void>
  /** Accepts an offer. */
  fetch(id: string): Promise<void>
  markRead(room: string, upTo: string): Promise<void>
  setDraft(room: string, text: string): Promise<void>
  /** Our user writes; or sits at the terminal, or does not. */
  typing(room: string): void
  present(here: boolean): void
  search(words: string): Promise<readonly Hit[]>
  /** Files and folders whose path begins so; folders end in `/`. */
  paths(start: string): Promise<readonly string[]>
  /** A slash command that the screen has none of its own for. */
  run(line: string, desk: CommandDesk): Promise<void>
  on(listener: (news: News) => void): () => void
}
