import type { Entry, Facts, Hit, Tone, Transfer } from './backend.ts'
import type { Completion } from './completion.ts'
import { type Editor, EMPTY } from './editor.ts'
import { DEFAULT_THEME, type ThemeName } from './theme.ts'

/** Something that happened, among the messages of a room, or of whichever room is open. */
export type Notice = {
  readonly key: string
  readonly time: number
  readonly text: string
  readonly tone: Tone
  readonly room: string | null
}

/** What Enter does with what is written. */
export type Intent = { readonly kind: 'say' } | { readonly kind: 'reply' | 'edit' | 'react'; readonly to: Entry }

/** What lies over the messages. */
export type Panel =
  | { readonly kind: 'help'; readonly top: number }
  | { readonly kind: 'found'; readonly words: string; readonly hits: readonly Hit[]; readonly at: number }

/** The line at the bottom of what is shown: so many of its lines, from its last on, are below the edge. */
export type Scroll = { readonly key: string; readonly skip: number }

export type Screen = {
  readonly size: { readonly columns: number; readonly rows: number }
  readonly facts: Facts
  readonly commands: readonly string[]
  readonly help: readonly string[]
  readonly theme: ThemeName
  readonly bell: boolean
  readonly notify: boolean
  /** False while the terminal says that nobody looks at it. */
  readonly focused: boolean
  readonly here: string
  /** The part of the open room that is held, oldest first. */
  readonly entries: readonly Entry[]
  readonly atStart: boolean
  readonly atEnd: boolean
  /** More of it has been asked for. */
  readonly loading: boolean
  /** Null while the end is shown, and followed. */
  readonly scroll: Scroll | null
  /** What has come since it is not followed. */
  readonly missed: number
  /** Where reading begins, of what was unread when the room was opened. */
  readonly firstUnread: string | null
  readonly notices: readonly Notice[]
  readonly editor: Editor
  readonly intent: Intent
  /** The message that keys go to. */
  readonly chosen: string | null
  readonly panel: Panel | null
  readonly completion: Completion | null
  readonly transfers: ReadonlyMap<string, Transfer>
  /** Who writes in the open room, and until when that counts. */
  readonly typing: ReadonlyMap<string, number>
  /** Whether Ctrl-C was the key before this one. */
  readonly leaving: boolean
}

export type Start = Pick<Screen, 'size' | 'facts' | 'commands' | 'help' | 'here'> &
  Partial<Pick<Screen, 'theme' | 'bell' | 'notify'>>

export const startScreen = (start: Start): Screen => ({
  theme: DEFAULT_THEME,
  bell: false,
  notify: true,
  ...start,
  focused: true,
  entries: [],
  atStart: true,
  atEnd: true,
  loading: false,
  scroll: null,
  missed: 0,
  firstUnread: null,
  notices: [],
  editor: EMPTY,
  intent: { kind: 'say' },
  chosen: null,
  panel: null,
  completion: null,
  transfers: new Map(),
  typing: new Map(),
  leaving: false,
})

/** The open room, as it is listed. */
export const openRoom = ({ facts, here }: Pick<Screen, 'facts' | 'here'>) => facts.rooms.find(({ id }) => id === here)
