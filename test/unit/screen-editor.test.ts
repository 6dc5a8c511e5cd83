import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Edit, type Editor, EMPTY, edit, type Place } from '../../peer/screen/editor.ts'
import { graphemes } from '../../peer/screen/width.ts'

const written = (text: string, at = text.length): Editor => ({ ...EMPTY, text, at })
const after = (editor: Editor, ...changes: readonly Edit[]): Editor => changes.reduce(edit, editor)
const move = (to: Place): Edit => ({ kind: 'move', to })
const erase = (to: Place): Edit => ({ kind: 'erase', to })

test('the cursor goes by what people take for a character', () => {
  const family = '👨‍👩‍👧'
  const editor = written(`a${family}é`)
  expect(after(editor, move('left')).at).toBe(1 + family.length)
  expect(after(editor, move('left'), move('left')).at).toBe(1)
  expect(after(editor, erase('left'), erase('left'))).toMatchObject({ text: 'a', at: 1 })
  expect(after(written(`${family}b`, 0), move('right')).at).toBe(family.length)
})

test('words are gone over, and cut, whatever stands between them', () => {
  const editor = written('one two, drei')
  expect(after(editor, move('word-left')).at).toBe('one two, '.length)
  expect(after(editor, move('word-left'), move('word-left')).at).toBe('one '.length)
  const cut = after(editor, erase('word-left'))
  expect(cut.text).toBe('one two, ')
  expect(after(cut, { kind: 'paste-scrap' }).text).toBe('one two, drei')
})

test('start and end are those of the line, and all before or after the cursor is cut there', () => {
  const editor = written('first\nsecond', 'first\nsec'.length)
  expect(after(editor, move('line-start')).at).toBe('first\n'.length)
  expect(after(editor, move('line-end')).at).toBe('first\nsecond'.length)
  expect(after(editor, erase('line-start')).text).toBe('first\nond')
  expect(after(editor, erase('line-end')).text).toBe('first\nsec')
})

test('up goes through the lines first, then through what was written before, and down comes back to what was begun', () => {
  const past = after(EMPTY, { kind: 'insert', text: 'hello' }, { kind: 'done' }, { kind: 'insert', text: 'a\nbc' })
  const top = after(past, move('up'))
  expect(top).toMatchObject({ text: 'a\nbc', at: 1 })
  const before = after(top, move('up'))
  expect(before).toMatchObject({ text: 'hello', at: 5 })
  expect(after(before, move('up')).text).toBe('hello')
  expect(after(before, move('down'))).toMatchObject({ text: 'a\nbc', looking: null })
})

test('what was said is remembered once, and nothing where there was nothing', () => {
  const editor = after(written(' '), { kind: 'done' }, { kind: 'insert', text: 'x' }, { kind: 'done' })
  const again = after(editor, { kind: 'insert', text: 'x' }, { kind: 'done' })
  expect(again.past).toEqual(['x'])
})

test('whatever is done, the cursor stands between two characters', () => {
  const places: Place[] = [
    'left',
    'right',
    'word-left',
    'word-right',
    'line-start',
    'line-end',
    'start',
    'end',
    'up',
    'down',
  ]
  const changes = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 5 }).map((text): Edit => ({ kind: 'insert', text })),
    fc.constantFrom(...places).map(move),
    fc.constantFrom(...places).map(erase),
    fc.constant<Edit>({ kind: 'insert', text: '\n' }),
  )
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 30 }), (all) => {
      const { text, at } = after(EMPTY, ...all)
      expect(at).toBeGreaterThanOrEqual(0)
      expect(at).toBeLessThanOrEqual(text.length)
      expect(graphemes(text.slice(0, at)).join('') + graphemes(text.slice(at)).join('')).toBe(text)
      expect(text.slice(0, at).isWellFormed()).toBe(true)
    }),
  )
})
