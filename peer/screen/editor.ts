import { graphemes } from './width.ts'

/** A text that is being written, where the cursor stands in it, and what was written before. */
export type Editor = {
  readonly text: string
  /** The cursor, in UTF-16 code units; always between two characters as people see them. */
  readonly at: number
  /** What was written before, the newest last. */
  readonly past: readonly string[]
  /** Which of those is looked at; null while it is the text of now, which is `kept` meanwhile. */
  readonly looking: number | null
  readonly kept: string
  /** What was cut last. */
  readonly scrap: string
}

export type Edit =
  | { readonly kind: 'insert'; readonly text: string }
  | { readonly kind: 'move'; readonly to: Place }
  | { readonly kind: 'erase'; readonly to: Place }
  | { readonly kind: 'paste-scrap' }
  | { readonly kind: 'replace'; readonly from: number; readonly to: number; readonly by: string }
  | { readonly kind: 'set'; readonly text: string }
  /** What was written is done with: it joins the past. */
  | { readonly kind: 'done' }
  | { readonly kind: 'clear' }

export type Place =
  | 'left'
  | 'right'
  | 'word-left'
  | 'word-right'
  | 'line-start'
  | 'line-end'
  | 'start'
  | 'end'
  | 'up'
  | 'down'

const PAST_MAX = 200

export const EMPTY: Editor = { text: '', at: 0, past: [], looking: null, kept: '', scrap: '' }

export const edit = (editor: Editor, change: Edit): Editor => {
  const { text, at } = editor
  switch (change.kind) {
    case 'insert':
      return replaced(editor, at, at, change.text)
    case 'replace':
      return replaced(editor, change.from, change.to, change.by)
    case 'paste-scrap':
      return replaced(editor, at, at, editor.scrap)
    case 'move':
      return moved(editor, change.to)
    case 'erase': {
      const to = placeOf(text, at, change.to)
      const [from, end] = [Math.min(at, to), Math.max(at, to)]
      const isLong = change.to !== 'left' && change.to !== 'right'
      const scrap = isLong && end > from ? text.slice(from, end) : editor.scrap
      return { ...replaced(editor, from, end, ''), scrap }
    }
    case 'set':
      return { ...editor, text: change.text, at: change.text.length, looking: null }
    case 'clear':
      return { ...editor, text: '', at: 0, looking: null, kept: '' }
    case 'done': {
      const past = text.trim() === '' || text === editor.past.at(-1) ? editor.past : [...editor.past, text]
      return { ...EMPTY, scrap: editor.scrap, past: past.slice(-PAST_MAX) }
    }
  }
}

const replaced = (editor: Editor, from: number, to: number, by: string): Editor => {
  const text = editor.text.slice(0, from) + by + editor.text.slice(to)
  return { ...editor, text, at: from + by.length, looking: null }
}

/** Up and down go through the lines of the text first, and then through what was written before. */
const moved = (editor: Editor, to: Place): Editor => {
  const { text, at, past, looking } = editor
  const place = placeOf(text, at, to)
  if (place !== at || (to !== 'up' && to !== 'down')) return { ...editor, at: place }
  const next = to === 'up' ? (looking ?? past.length) - 1 : (looking ?? past.length) + 1
  if (next < 0 || next > past.length || (to === 'down' && looking === null)) return editor
  const kept = looking === null ? text : editor.kept
  const shown = next === past.length ? kept : (past[next] ?? '')
  return { ...editor, text: shown, at: shown.length, kept, looking: next === past.length ? null : next }
}

const placeOf = (text: string, at: number, to: Place): number => {
  const before = text.slice(0, at)
  const after = text.slice(at)
  switch (to) {
    case 'left':
      return at - (graphemes(before).at(-1)?.length ?? 0)
    case 'right':
      return at + (graphemes(after)[0]?.length ?? 0)
    case 'word-left':
      return at - (/[\p{L}\p{N}_]+[^\p{L}\p{N}_]*$|[^\p{L}\p{N}_]+$/u.exec(before)?.[0].length ?? 0)
    case 'word-right':
      return at + (/^[^\p{L}\p{N}_]*[\p{L}\p{N}_]*/u.exec(after)?.[0].length ?? 0)
    case 'line-start':
      return before.lastIndexOf('\n') + 1
    case 'line-end':
      return at + (/^[^\n]*/.exec(after)?.[0].length ?? 0)
    case 'start':
      return 0
    case 'end':
      return text.length
    case 'up':
    case 'down':
      return lineAway(text, at, to === 'up' ? -1 : 1)
  }
}

/** The same place of the line above or below; where we are when there is none. */
const lineAway = (text: string, at: number, by: 1 | -1): number => {
  const lines = text.split('\n')
  const above = text.slice(0, at).split('\n')
  const column = graphemes(above.at(-1) ?? '').length
  const line = lines[above.length - 1 + by]
  if (line === undefined) return at
  const start = lines.slice(0, above.length - 1 + by).reduce((sum, one) => sum + one.length + 1, 0)
  return start + graphemes(line).slice(0, column).join('').length
}
