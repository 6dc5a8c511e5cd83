import { expect, test } from 'vitest'
import { pathCompletion, wantedAt } from '../../peer/screen/completion.ts'
import { withEmoji } from '../../peer/screen/emoji.ts'
import { playScreen } from '../support/screens.ts'

const known = { commands: ['/join', '/leave'], users: ['bob', 'bert'], places: ['#general', '#plans', '@bob'] }
const offers = (text: string) => {
  const wanted = wantedAt(text, text.length, known)
  return wanted?.kind === 'offers' ? wanted.completion.offers.map(({ put }) => put) : wanted
}

test('what begins a line is a command, or who is spoken to', () => {
  expect(offers('/j')).toEqual(['/join '])
  expect(offers('be')).toEqual(['bert: '])
  expect(offers('well be')).toEqual(['bert '])
  expect(offers('and /j')).toBeNull()
  expect(offers('')).toBeNull()
})

test('names, rooms and emoji are completed wherever they stand', () => {
  expect(offers('hello @b')).toEqual(['@bob ', '@bert '])
  expect(offers('/join #pl')).toEqual(['#plans '])
  expect(offers('nice :tada')).toEqual(['🎉 '])
  expect(offers('well :thumbsu')).toEqual(['👍 '])
  expect(offers(':+1')).toEqual(['👍 '])
  expect(offers('at 10:3')).toBeNull()
  expect(offers('10:30')).toBeNull()
})

test('a path of /send is asked for, the last of several; one with a space comes in quotes', () => {
  expect(wantedAt('/send a.txt my', 14, known)).toEqual({ kind: 'paths', from: 12, to: 14, start: 'my' })
  expect(wantedAt('/send "my d', 11, known)).toEqual({ kind: 'paths', from: 6, to: 11, start: '"my d' })
  expect(pathCompletion(6, 8, ['my day.txt', 'my/'])?.offers.map(({ put }) => put)).toEqual(['"my day.txt" ', 'my/'])
  expect(pathCompletion(6, 8, [])).toBeNull()
})

test('Tab goes through the offers and round again, Shift-Tab back, and any other key takes the one that stands there', () => {
  const play = playScreen()
  play.type('/le')
  play.press('tab')
  expect(play.screen.editor.text).toBe('/leave ')
  expect(play.screen.completion).toBeNull()
  play.press('ctrl-u')
  play.type('@')
  play.press('tab')
  expect(play.screen.editor.text).toBe('@all ')
  expect(play.text()).toContain('@all  @bob  @carol')
  play.press('tab', 'tab')
  expect(play.screen.editor.text).toBe('@carol ')
  play.press('tab', 'shift-tab')
  expect(play.screen.editor.text).toBe('@carol ')
  play.type('x')
  expect(play.screen).toMatchObject({ completion: null, editor: { text: '@carol x' } })
})

test('paths come later, and are put in only while the text is the one that they were asked for', () => {
  const play = playScreen()
  play.type('/send no')
  play.press('tab')
  const [asked] = play.wanted()
  expect(asked).toEqual({ kind: 'paths', text: '/send no', from: 6, to: 8, start: 'no' })
  const answer = { kind: 'paths', text: '/send no', from: 6, to: 8, paths: ['notes.txt'] } as const
  play.happens(answer)
  expect(play.screen.editor.text).toBe('/send notes.txt ')
  play.happens(answer)
  expect(play.screen.editor.text).toBe('/send notes.txt ')
})

test('names of emoji become emoji when it is said, but not within code, nor what is none', () => {
  expect(withEmoji(':smile: :no-such: `:smile:` 10:30:00')).toBe('😄 :no-such: `:smile:` 10:30:00')
})
