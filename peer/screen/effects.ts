import type { Facts, Hit, News, Opened, Piece, Tone } from './backend.ts'
import type { Key } from './keys.ts'
import type { Screen } from './screen-state.ts'

/** What happens to the screen. */
export type ScreenEvent =
  | { readonly kind: 'key'; readonly key: Key }
  | { readonly kind: 'size'; readonly columns: number; readonly rows: number }
  | { readonly kind: 'news'; readonly news: News }
  | { readonly kind: 'facts'; readonly facts: Facts }
  /** A command leads to a room, or somebody does. */
  | { readonly kind: 'go'; readonly room: string }
  | { readonly kind: 'opened'; readonly room: string; readonly opened: Opened }
  | { readonly kind: 'more'; readonly room: string; readonly side: 'before' | 'after'; readonly piece: Piece }
  | { readonly kind: 'again'; readonly room: string; readonly piece: Piece }
  | { readonly kind: 'around'; readonly room: string; readonly id: string; readonly piece: Piece }
  | { readonly kind: 'found'; readonly words: string; readonly hits: readonly Hit[] }
  | {
      readonly kind: 'paths'
      readonly text: string
      readonly from: number
      readonly to: number
      readonly paths: readonly string[]
    }
  /** Words of the program itself: what a command shows, or why it was refused. */
  | { readonly kind: 'told'; readonly text: string; readonly tone: Tone }
  | { readonly kind: 'refused'; readonly text: string; readonly draft: string }

/** What the screen wants done. */
export type Effect =
  | { readonly kind: 'facts' }
  | { readonly kind: 'open'; readonly room: string }
  | { readonly kind: 'more'; readonly room: string; readonly side: 'before' | 'after'; readonly id: string }
  /** Look at the end of the room anew: where something belongs there is not certain. */
  | { readonly kind: 'again'; readonly room: string }
  | { readonly kind: 'around'; readonly room: string; readonly id: string }
  /** Look at these anew: how far they have come has changed. */
  | { readonly kind: 'look'; readonly ids: readonly string[] }
  | { readonly kind: 'say'; readonly room: string; readonly text: string; readonly reply: string | null }
  | { readonly kind: 'edit'; readonly id: string; readonly text: string }
  | { readonly kind: 'react'; readonly id: string; readonly emoji: string }
  | { readonly kind: 'take-back'; readonly id: string }
  | { readonly kind: 'fetch'; readonly id: string }
  | { readonly kind: 'run'; readonly line: string; readonly room: string }
  | { readonly kind: 'search'; readonly words: string }
  | {
      readonly kind: 'paths'
      readonly text: string
      readonly from: number
      readonly to: number
      readonly start: string
    }
  | { readonly kind: 'read'; readonly room: string; readonly upTo: string }
  | { readonly kind: 'draft'; readonly room: string; readonly text: string }
  | { readonly kind: 'typing'; readonly room: string }
  | { readonly kind: 'present'; readonly here: boolean }
  | { readonly kind: 'bell' }
  | { readonly kind: 'notify'; readonly text: string }
  | { readonly kind: 'redraw' }
  | { readonly kind: 'quit' }

/** The screen as it is next, and what is to be done. */
export type Step = readonly [screen: Screen, effects: readonly Effect[]]
