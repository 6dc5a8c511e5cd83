import { plain } from '../terminal/lines.ts'
import type { Screen } from './screen-state.ts'
import { cut, hardWrap, widthOf } from './width.ts'

// How the screen is divided: rooms at the left, people below them, or at the right where there is room; what is written below.

const SIDE_FROM = 64 // columns: below that the messages have all of it
const PEOPLE_FROM = 120
const SIDE_MIN = 16
const SIDE_MAX = 24
const PROMPT_MAX = 24
const INPUT_SHARE = 3 // what is written takes a third of the height at most

type Part = Pick<Screen, 'size' | 'editor' | 'intent' | 'completion' | 'here' | 'facts'>

export type Areas = {
  /** Columns of the rooms; 0 when they are not shown. */
  readonly left: number
  /** Columns of the people beside the messages; 0 when they stand below the rooms. */
  readonly right: number
  readonly middle: number
  /** Lines of what is written, and of what is shown about it. */
  readonly input: number
  readonly hints: number
  /** Lines of messages. */
  readonly height: number
}

export const areasOf = (part: Part): Areas => {
  const { columns, rows } = part.size
  const left = columns < SIDE_FROM ? 0 : Math.min(SIDE_MAX, Math.max(SIDE_MIN, Math.floor(columns / 5)))
  const right = columns < PEOPLE_FROM ? 0 : 20
  const middle = columns - (left === 0 ? 0 : left + 2) - (right === 0 ? 0 : right + 2)
  const input = Math.min(inputLines(part).length, Math.max(1, Math.floor(rows / INPUT_SHARE)))
  const hints = (part.intent.kind === 'say' ? 0 : 1) + (part.completion === null ? 0 : 1)
  const taken = 2 + 1 + hints + input + 1 // title and its rule, the rule above what is written, the status
  return { left, right, middle, input, hints, height: Math.max(1, rows - taken) }
}

/** The place of the messages. */
export const messageArea = (part: Part): { readonly height: number; readonly width: number } => {
  const { height, middle } = areasOf(part)
  return { height, width: middle }
}

/** What stands before what is written. */
export const promptOf = ({ intent, facts, here }: Pick<Screen, 'intent' | 'facts' | 'here'>): string => {
  const label = cut(plain(facts.rooms.find(({ id }) => id === here)?.label ?? ''), PROMPT_MAX)
  switch (intent.kind) {
    case 'say':
      return `${label} › `
    case 'reply':
      return `${label} reply › `
    case 'edit':
      return `${label} edit › `
    case 'react':
      return `${label} react › `
  }
}

/** What is written, as lines of the screen; those after the first begin below its text. */
export const inputLines = (part: Part): readonly string[] => {
  const width = Math.max(10, part.size.columns - widthOf(promptOf(part)) - 2)
  return part.editor.text.split('\n').flatMap((line) => hardWrap(line, width))
}

/** The cursor among `inputLines`: its line, and columns from its beginning. */
export const cursorIn = (part: Part): { readonly line: number; readonly column: number } => {
  const width = Math.max(10, part.size.columns - widthOf(promptOf(part)) - 2)
  const before = part.editor.text.slice(0, part.editor.at).split('\n')
  const full = before.slice(0, -1).flatMap((line) => hardWrap(line, width)).length
  const own = hardWrap(before.at(-1) ?? '', width)
  return { line: full + own.length - 1, column: widthOf(own.at(-1) ?? '') }
}
