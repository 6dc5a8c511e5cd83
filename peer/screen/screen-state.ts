import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import type { FileProgress } from '../events.ts'
import type { Entry, Facts, Hit, Tone } from './backend.ts'
import type { Completion } from './completion.ts'
import { type Editor, EMPTY } from './editor.ts'
import { DEFAULT_THEME, type ThemeName } from './theme.ts'

/** Something that happened, among the messages of a room, or of whichever room is open. */
export type Notice = {
  readonly key: string
  readonly time: number
  readonly text: string
  readonly tone: Tone
  readonly room: RoomId | null
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
  readonly caSeen: number | null
  /** False while the terminal says that nobody looks at it. */
  readonly focused: boolean
  readonly here: RoomId
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
  readonly firstUnread: RecordHash | null
  readonly notices: readonly Notice[]
  readonly editor: Editor
  readonly intent: Intent
  /** The message that keys go to. */
  readonly chosen: RecordHash | null
  readonly panel: Panel | null
  readonly completion: Completion | null
  readonly transfers: ReadonlyMap<string, FileProgress>
  /** Who writes in the open room, and until when that counts. */
  readonly typing: ReadonlyMap<UserName, number>
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
  caSeen: null,
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
