import { describe, expect, test } from 'vitest'
import type { Entry } from '../../peer/screen/backend.ts'
import { KEPT } from '../../peer/screen/moves.ts'
import { entry, FACTS, NOON, own, playScreen } from '../support/screens.ts'

const many = (count: number): Entry[] => Array.from({ length: count }, (_, at) => entry(`message ${at}`))
const message = (one: Entry) => ({ kind: 'news', news: { kind: 'message', entry: one } }) as const
const kinds = (effects: readonly { readonly kind: string }[]) => effects.map(({ kind }) => kind)

describe('the messages of a room', () => {
  test('follow their end, and what is shown there is read', () => {
    const play = playScreen(many(50))
    expect(play.text()).toContain('message 49')
    const next = entry('the newest')
    play.happens(message(next))
    expect(play.text()).toContain('the newest')
    expect(play.wanted()).toEqual([{ kind: 'read', room: 'general', upTo: next.id }])
  })

  test('stay where they are while more comes below, which is counted, until End', () => {
    const play = playScreen(many(100))
    play.press('pageup', 'pageup')
    const before = play.lines().slice(2, 18)
    play.wanted()
    play.happens(message(entry('below')))
    play.happens(message(entry('further below')))
    expect(play.lines().slice(2, 18)).toEqual(before)
    expect(play.text()).toContain('↓ 2 new · End')
    expect(play.wanted()).toEqual([])
    play.press('end')
    expect(play.text()).toContain('further below')
    expect(kinds(play.wanted())).toEqual(['read'])
  })

  test('are read by nobody while the terminal is not looked at', () => {
    const play = playScreen(many(3))
    play.press('blur')
    play.happens(message(entry('unseen')))
    expect(play.wanted()).toEqual([{ kind: 'present', here: false }])
    play.press('focus')
    expect(kinds(play.wanted())).toEqual(['present', 'read'])
  })

  test('reach down to the first and up to the last, line by line, without a gap', () => {
    const play = playScreen(many(200))
    for (let at = 0; at < 40; at++) play.press('pageup')
    expect(play.text()).toContain('message 0\n')
    const top = play.screen.scroll
    play.press('pageup', 'shift-up')
    expect(play.screen.scroll).toEqual(top)
    const seen = new Set<string>()
    for (let at = 0; at < 300; at++) {
      for (const [, number = ''] of play.text().matchAll(/message (\d+)$/gm)) seen.add(number)
      play.press('shift-down')
    }
    expect(seen.size).toBe(200)
    expect(play.screen.scroll).toBeNull()
  })

  test('of a room of 100,000 only a part is held, and more is asked for before its edge is seen', () => {
    const all = many(2_000) // the rule is the same however many there are: what is held does not grow with them
    const pageBefore = (id: string) => {
      const at = all.findIndex((one) => one.id === id)
      return { entries: all.slice(Math.max(0, at - 100), at), atStart: at <= 100, atEnd: false }
    }
    const play = playScreen(all.slice(-100), { atStart: false })
    const shown = new Set<string>()
    let most = 0
    for (let at = 0; at < 2_000 / 10; at++) {
      for (const [, number = ''] of play.text().matchAll(/message (\d+)$/gm)) shown.add(number)
      play.press('pageup')
      for (const effect of play.wanted()) {
        if (effect.kind === 'more') play.happens({ ...effect, piece: pageBefore(effect.id) })
      }
      most = Math.max(most, play.screen.entries.length)
    }
    expect(shown.size).toBe(2_000)
    expect(most).toBeLessThanOrEqual(2 * KEPT)
    expect(play.screen.atEnd).toBe(false)
    // What comes meanwhile belongs to a part that is not held.
    play.happens(message(entry('far below')))
    expect(play.text()).toContain('↓ 1 new · End')
    play.press('end')
    expect(play.wanted()).toEqual([{ kind: 'open', room: 'general' }])
  })

  test('do not grow without end where they are followed', () => {
    const play = playScreen([])
    for (const one of many(3 * KEPT)) play.happens(message(one))
    expect(play.screen.entries.length).toBeLessThanOrEqual(1.5 * KEPT)
    expect(play.screen.atStart).toBe(false)
    expect(play.text()).toContain(`message ${3 * KEPT - 1}`)
  })

  test('stand in the order of their time, and where that does not decide the room is asked', () => {
    const [first, second] = [entry('first'), entry('second')]
    const play = playScreen([])
    play.happens(message(second))
    play.happens(message(first))
    expect(play.screen.entries).toEqual([first, second])
    expect(kinds(play.wanted())).toContain('again')
    const twin = entry('twin', { time: second.time })
    play.happens({
      kind: 'again',
      room: 'general',
      piece: { entries: [first, twin, second], atStart: true, atEnd: true },
    })
    expect(play.screen.entries).toEqual([first, twin, second])
  })

  test('change where they stand, also where they are quoted; those that are past their time go', () => {
    const first = entry('frist')
    const answer = entry('yes', { reply: first.id, quote: { user: 'bob', text: 'frist' } })
    const play = playScreen([first, answer])
    const edited = { ...first, content: { kind: 'text', text: 'first' } as const, edited: true }
    play.happens({ kind: 'news', news: { kind: 'updated', entry: edited } })
    expect(play.text()).not.toContain('frist')
    expect(play.text()).toContain('↳ bob: first')
    play.happens({ kind: 'news', news: { kind: 'erased', room: 'general', ids: [answer.id] } })
    expect(play.text()).not.toContain('yes')
  })

  test('tell how far our own have come: here, at others, read', () => {
    const mine = own('mine')
    const play = playScreen([mine])
    expect(play.text()).toMatch(/mine +·$/m)
    play.happens({ kind: 'news', news: { kind: 'spread', room: 'general' } })
    expect(play.wanted()).toEqual([{ kind: 'look', ids: [mine.id] }])
    for (const [state, mark] of [
      [{ devices: 2, readBy: [] }, '✓'],
      [{ devices: 2, readBy: ['bob'] }, '✓✓ bob'],
      [{ devices: 2, readBy: ['bob', 'carol'] }, '✓✓ 2'],
    ] as const) {
      play.happens({ kind: 'news', news: { kind: 'updated', entry: { ...mine, state } } })
      expect(play.text()).toMatch(new RegExp(`mine +${mark}$`, 'm'))
    }
  })
})

describe('what is written', () => {
  test('is said with Enter, over several lines with Alt-Enter, and remembered', () => {
    const play = playScreen()
    play.type('one')
    play.press('alt-enter')
    play.type('two\r')
    expect(play.wanted()).toContainEqual({ kind: 'say', room: 'general', text: 'one\ntwo', reply: null })
    expect(play.screen.editor.text).toBe('')
    play.press('up')
    expect(play.screen.editor.text).toBe('one\ntwo')
  })

  test('is given back when it is not taken, unless something else is being written', () => {
    const play = playScreen()
    play.type('too long\r')
    play.happens({ kind: 'refused', text: 'the message is too long', draft: 'too long' })
    expect(play.screen.editor.text).toBe('too long')
    expect(play.text()).toContain('the message is too long')
    play.happens({ kind: 'refused', text: 'again', draft: 'other' })
    expect(play.screen.editor.text).toBe('too long')
  })

  test('stays behind in the room where it was begun', () => {
    const play = playScreen()
    play.type('half a thou')
    play.press('ctrl-n')
    expect(play.screen).toMatchObject({ here: 'plans', editor: { text: '' } })
    expect(play.wanted()).toContainEqual({ kind: 'draft', room: 'general', text: 'half a thou' })
    const opened = { entries: [], atStart: true, atEnd: true, draft: 'kept here', firstUnread: null, transfers: [] }
    play.happens({ kind: 'opened', room: 'plans', opened })
    expect(play.screen.editor.text).toBe('kept here')
  })

  test('is a command behind a slash, which the screen or the device has; two slashes are text', () => {
    const play = playScreen()
    play.type('/join #lounge\r')
    expect(play.wanted()).toEqual([{ kind: 'run', line: '/join #lounge', room: 'general' }])
    play.type('//etc is a folder\r')
    expect(play.wanted()).toContainEqual({ kind: 'say', room: 'general', text: '/etc is a folder', reply: null })
    play.type('/theme light\r')
    expect(play.screen.theme).toBe('light')
    play.type('/theme pink\r')
    expect(play.text()).toContain('/theme dark, light, none')
    play.type('/quit\r')
    expect(play.wanted()).toContainEqual({ kind: 'quit' })
  })

  test('goes with one Ctrl-C; the next two leave', () => {
    const play = playScreen()
    play.type('oh')
    play.press('ctrl-c')
    expect(play.screen.editor.text).toBe('')
    play.press('ctrl-c')
    expect(play.text()).toContain('Ctrl-C again leaves')
    play.type('x')
    play.press('ctrl-c', 'ctrl-c')
    expect(kinds(play.wanted())).not.toContain('quit')
    play.press('ctrl-c')
    expect(kinds(play.wanted())).toContain('quit')
  })
})

describe('a message that is chosen', () => {
  const [theirs, mine] = [entry('theirs'), own('mine')]

  test('is answered, changed, reacted to, taken back by a letter', () => {
    const play = playScreen([theirs, mine])
    play.press('alt-up', 'alt-up')
    expect(play.screen.chosen).toBe(theirs.id)
    play.type('r')
    expect(play.text()).toContain('↳ bob: theirs')
    play.type('yes\r')
    expect(play.wanted()).toContainEqual({ kind: 'say', room: 'general', text: 'yes', reply: theirs.id })
    play.press('alt-up', 'up')
    play.type('+')
    play.type(':tada:\r')
    expect(play.wanted()).toContainEqual({ kind: 'react', id: theirs.id, emoji: '🎉' })
    play.press('alt-up')
    play.type('e')
    expect(play.screen.editor.text).toBe('mine')
    play.type('!\r')
    expect(play.wanted()).toContainEqual({ kind: 'edit', id: mine.id, text: 'mine!' })
    play.press('alt-up')
    play.type('d')
    expect(play.wanted()).toContainEqual({ kind: 'take-back', id: mine.id })
  })

  test('of others is neither changed nor taken back, and a letter that means nothing is text', () => {
    const play = playScreen([theirs])
    play.press('alt-up')
    play.type('e')
    play.type('d')
    expect(play.screen.intent).toEqual({ kind: 'say' })
    expect(kinds(play.wanted())).not.toContain('take-back')
    play.type('hello')
    expect(play.screen.editor.text).toBe('hello')
  })

  test('with a file is fetched, and shows how that goes', () => {
    const file = entry('', { content: { kind: 'file', name: 'plans.pdf', size: 1_000, files: null } })
    const play = playScreen([file])
    expect(play.text()).toContain(`/get ${file.id.slice(0, 8)}`)
    play.press('alt-up')
    play.type('g')
    expect(play.wanted()).toContainEqual({ kind: 'fetch', id: file.id })
    play.press('esc')
    const told = { id: file.id, size: 1_000, bytes: 420 }
    play.happens({ kind: 'news', news: { kind: 'file', transfer: { ...told, state: 'fetching' } } })
    expect(play.text()).toContain('42 %')
    play.happens({
      kind: 'news',
      news: { kind: 'file', transfer: { ...told, state: 'whole', path: '/home/a/plans.pdf' } },
    })
    expect(play.text()).toContain('here: /home/a/plans.pdf')
  })

  test('comes into view, however far up', () => {
    const play = playScreen(many(60))
    for (let at = 0; at < 45; at++) play.press('alt-up')
    expect(play.text()).toContain('message 15\n')
    expect(play.screen.entries.find(({ id }) => id === play.screen.chosen)?.content).toMatchObject({
      text: 'message 15',
    })
  })
})

describe('rooms and people', () => {
  test('are gone through with keys: the next, the one before, by place, the next unread', () => {
    const play = playScreen()
    const heres: string[] = []
    for (const key of ['ctrl-n', 'ctrl-n', 'ctrl-n', 'ctrl-p', 'alt-1', 'alt-2', 'alt-1', 'alt-a', 'alt-9']) {
      play.press(key)
      heres.push(play.screen.here)
    }
    expect(heres).toEqual(['plans', 'bob', 'general', 'bob', 'general', 'plans', 'general', 'plans', 'plans'])
  })

  test('who is called, or written to alone, hears of it once, and of a muted room nothing', () => {
    const calling = { users: ['alice'], all: false }
    const play = playScreen()
    play.type('/bell on\r')
    play.happens(message(entry('here, @alice', { mentions: calling })))
    play.happens(message(entry('nothing for me', { room: 'plans' })))
    expect(kinds(play.wanted())).toEqual(['read'])
    play.happens(message(entry('look,\n@alice', { room: 'plans', mentions: calling })))
    expect(play.wanted()).toEqual([{ kind: 'bell' }, { kind: 'notify', text: 'bob in #plans: look, @alice' }])
    play.type('/bell off\r')
    play.happens(message(entry('psst', { room: 'bob' })))
    expect(play.wanted()).toEqual([{ kind: 'notify', text: 'bob: psst' }])
    const muted = FACTS.rooms.map((room) => ({ ...room, muted: true }))
    play.happens({ kind: 'facts', facts: { ...FACTS, rooms: muted } })
    play.happens(message(entry('psst', { room: 'bob' })))
    expect(play.wanted()).toEqual([])
  })

  test('who comes into the network is told, and who is revoked; a room that is no more is left', () => {
    const play = playScreen()
    const dave = { user: 'dave', self: false, here: true, away: false, revoked: false }
    const people = FACTS.people.map((one) => ({ ...one, revoked: one.user === 'carol' }))
    play.happens({ kind: 'facts', facts: { ...FACTS, people: [...people, dave] } })
    expect(play.text()).toContain('dave has joined the network')
    expect(play.text()).toContain('carol was revoked')
    expect(play.text()).not.toContain('○ carol')
    play.happens(message(entry('and me', { user: 'erin' })))
    expect(kinds(play.wanted())).toContain('facts')
    const crowd = Array.from({ length: 9 }, (_, at) => ({ ...dave, user: `user${at}` }))
    play.happens({ kind: 'facts', facts: { ...FACTS, people: [...people, dave, ...crowd] } })
    expect(play.text()).toContain('9 more people are in the network')
    play.press('alt-2')
    play.happens({ kind: 'facts', facts: { ...FACTS, rooms: FACTS.rooms.filter(({ id }) => id !== 'plans') } })
    expect(play.screen.here).toBe('general')
  })

  test('what warns is said once, however often it happens', () => {
    const play = playScreen()
    const news = { kind: 'notice', text: 'no connection', tone: 'warn', room: null } as const
    for (let at = 0; at < 5; at++) play.happens({ kind: 'news', news }, NOON + at * 1_000)
    expect(play.screen.notices).toHaveLength(1)
  })

  test('a list that is stale, a certificate that ends, and nobody there stand out in the status line', () => {
    const play = playScreen()
    const list = { number: 3, made: NOON - 15 * 86_400_000, stale: true }
    const facts = { ...FACTS, devices: 0, caSeen: null, list, certificateUntil: NOON + 3_600_000 }
    play.happens({ kind: 'facts', facts })
    expect(play.lines().at(-1)).toContain('0 peers · CA not seen yet · list 3, stale: 15 d old')
    play.happens({ kind: 'size', columns: 120, rows: 24 })
    expect(play.lines().at(-1)).toContain('certificate ends in 1 h')
  })

  test('who writes is shown until it is over', () => {
    const play = playScreen()
    play.happens({ kind: 'news', news: { kind: 'typing', room: 'general', user: 'bob', until: NOON + 5_000 } })
    expect(play.text()).toContain('bob is writing')
    expect(play.text(NOON + 6_000)).not.toContain('bob is writing')
  })
})

describe('over the messages', () => {
  test('lies the help, which scrolls and goes', () => {
    const play = playScreen(many(3))
    play.press('f1')
    expect(play.text()).toContain('Alt-Enter')
    for (let at = 0; at < 30; at++) play.press('down')
    expect(play.text()).toContain('who is there')
    play.press('esc')
    expect(play.text()).toContain('message 2')
  })

  test('lies what was found, from where one goes to the message, in whatever room', () => {
    const play = playScreen(many(60))
    const [near, far] = [play.screen.entries[5] ?? entry(''), entry('far', { room: 'plans' })]
    const hits = [near, far].map((one) => ({ entry: one, label: '#x', snippet: 'a snippet' }))
    play.type('/search some words\r')
    expect(play.wanted()).toEqual([{ kind: 'search', words: 'some words' }])
    play.happens({ kind: 'found', words: 'some words', hits })
    expect(play.text()).toContain('2 found for some words')
    play.press('enter')
    expect(play.text()).toContain('message 5\n')
    play.happens({ kind: 'found', words: 'some words', hits })
    play.press('down', 'enter')
    expect(play.wanted()).toContainEqual({ kind: 'around', room: 'plans', id: far.id })
    const piece = { entries: [entry('x', { room: 'plans' }), far], atStart: false, atEnd: false }
    play.happens({ kind: 'around', room: 'plans', id: far.id, piece })
    expect(play.screen).toMatchObject({ here: 'plans', chosen: far.id })
    expect(play.text()).toContain('far')
  })
})
