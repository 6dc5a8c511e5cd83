import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { paint, span, styleOfName } from '../../peer/screen/theme.ts'
import { cut, fill, hardWrap, widthOf, wrap } from '../../peer/screen/width.ts'
import { entry, FACTS, own, playScreen } from '../support/screens.ts'

describe('lines of so many columns', () => {
  test('break between words, within one that is too long, and by columns rather than characters', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three'])
    expect(wrap('abcdefghij k', 4)).toEqual(['abcd', 'efgh', 'ij k'])
    expect(wrap('漢字漢字', 4)).toEqual(['漢字', '漢字'])
    expect(wrap('a\n\nb', 4)).toEqual(['a', '', 'b'])
    expect(cut('漢字漢字', 5)).toBe('漢字…')
    expect(fill('👍', 4)).toBe('👍  ')
  })

  test('are never wider than that, and lose nothing but the spaces at which they break', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.integer({ min: 10, max: 30 }), (text, columns) => {
        for (const line of [
          ...wrap(text, columns),
          ...hardWrap(text.replaceAll('\n', ''), columns),
          cut(text, columns),
        ])
          expect(widthOf(line)).toBeLessThanOrEqual(columns)
        const bare = (one: string): string => one.replace(/\s/gu, '')
        expect(bare(wrap(text, columns).join(''))).toBe(bare(text))
      }),
    )
  })
})

const EVERY_SIZE = [
  [80, 24],
  [200, 50],
  [40, 10],
  [120, 30],
  [20, 5],
] as const

test.each(EVERY_SIZE)('at %i × %i every line fits, and there are as many as there are', (columns, rows) => {
  const words = 'wide 漢字 and 👨‍👩‍👧 emoji, and words enough to break over several lines of any terminal there is '
  const play = playScreen(
    [entry(words.repeat(3)), own(words), entry('x'.repeat(300), { user: 'a-long-user-name-of-32-columns--' })],
    {
      columns,
      rows,
    },
  )
  for (const step of [() => play.type('some text\n'.repeat(9)), () => play.press('f1'), () => play.press('esc')]) {
    step()
    const lines = play.lines()
    expect(lines).toHaveLength(rows)
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns)
  }
})

test('a screen of 80 × 24 reads like this', () => {
  const day = new Date(2026, 4, 4, 9, 41).getTime() // wherever this runs it reads the same
  const first = entry('Good morning', { time: day })
  const play = playScreen([
    first,
    entry('Who brings the projector on Thursday? The small one, please, with the right cable.', { time: day + 1_000 }),
    own('I do', {
      time: day + 60_000,
      state: { devices: 2, readBy: ['bob'] },
      reply: first.id,
      quote: { user: 'bob', text: 'Good\nmorning' },
    }),
    entry('thanks', {
      user: 'carol',
      time: day + 61_000,
      reactions: [{ emoji: '🎉', users: ['bob', 'alice'] }],
      edited: true,
    }),
  ])
  const news = { kind: 'notice', text: 'dave is in #plans now', tone: 'calm', room: null } as const
  play.happens({ kind: 'news', news }, day + 120_000)
  play.type('see you')
  expect(play.lines().filter((line) => line !== '')).toMatchInlineSnapshot(`
    [
      " alice · Home     #general                                            everybody",
      "────────────────  ──────────────────────────────────────────────────────────────",
      "▌ #general",
      "  #plans       3",
      "  @bob",
      "● alice",
      "● bob",
      "○ carol",
      "                  ── Monday, 4 May 2026 ────────────────────────────────────────",
      "                  09:41    bob  Good morning",
      "                                Who brings the projector on Thursday? The small",
      "                                one, please, with the right cable.",
      "                  09:42  alice  ↳ bob: Good morning",
      "                                I do                                      ✓✓ bob",
      "                         carol  thanks",
      "                                🎉 2                                      edited",
      "                         dave is in #plans now",
      "────────────────────────────────────────────────────────────────────────────────",
      " #general › see you",
      " 1 peer · CA seen 2 min ago · list 3, 1 h old                           F1 help",
    ]
  `)
})

test('what somebody else wrote is text and nothing else: no code of theirs reaches the terminal', () => {
  const nasty = '\u001b[31mred\u001b]0;title\u0007\u202eevil\r\u009b2J'
  const facts = { ...FACTS, rooms: FACTS.rooms.map((room) => ({ ...room, label: `#${nasty}`, topic: nasty })) }
  const play = playScreen([
    entry(nasty, { quote: { user: 'bob', text: nasty }, reactions: [{ emoji: nasty, users: ['bob'] }] }),
    entry('', { content: { kind: 'file', name: nasty, size: 1, files: null } }),
  ])
  play.happens({ kind: 'facts', facts })
  play.happens({ kind: 'news', news: { kind: 'notice', text: nasty, tone: 'warn', room: null } })
  const control = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u
  expect(play.text().replaceAll('\n', '')).not.toMatch(control)
  expect(paint([span(nasty)], 'dark')).not.toMatch(control)
})

test('a user has one colour everywhere; without colours there are none', () => {
  expect(styleOfName('bob')).toBe(styleOfName('bob'))
  expect(new Set(['alice', 'bob', 'carol', 'dave', 'erin', 'frank'].map(styleOfName)).size).toBeGreaterThan(3)
  const row = [span('bob', styleOfName('bob')), span('dim', 'dim')]
  expect(paint(row, 'none')).toBe('bobdim')
  for (const theme of ['dark', 'light'] as const) expect(paint(row, theme)).toContain('\u001b[')
})
