import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { snippetOf } from '../../peer/rooms/search.ts'
import { createSearchIndex, type Indexed } from '../../peer/rooms/search-index.ts'
import { parseQuery, wordsOf } from '../../peer/rooms/search-query.ts'
import { comparePositions } from '../../peer/rooms/timeline.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { SEARCH_WORD_MAX, SNIPPET_CHARACTERS } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { edit, listener, type Speaker, START, speakers, takeBack, text } from '../support/talk.ts'

describe('words', () => {
  test.each([
    ['Hello, World!', ['hello', 'world']],
    ['Café naïve ÅNGSTRÖM', ['cafe', 'naive', 'angstrom']],
    ['ﬁle № ２', ['file', 'no', '2']],
    ['don’t stop-me', ['don', 't', 'stop', 'me']],
    ['ПРИВЕТ мир', ['привет', 'мир']],
    ['漢字かな', ['漢', '字', 'かな']],
    ['v2漢', ['v2', '漢']],
    ['', []],
    ['a'.repeat(SEARCH_WORD_MAX + 9), ['a'.repeat(SEARCH_WORD_MAX)]],
  ])('of “%s”', (written, words) => {
    expect(wordsOf(written)).toEqual(words)
  })
})

describe('a question', () => {
  test.each([
    ['lunch mon', { words: ['lunch', 'mon'], open: true, from: [], in: [] }],
    ['lunch mon ', { words: ['lunch', 'mon'], open: false, from: [], in: [] }],
    ['from:anna lunch', { words: ['lunch'], open: true, from: ['anna'], in: [] }],
    ['FROM:@Anna in:#General', { words: [], open: false, from: ['anna'], in: ['general'] }],
    ['lunch in:#a in:b', { words: ['lunch'], open: false, from: [], in: ['a', 'b'] }],
    ['mail from: me', { words: ['mail', 'from', 'me'], open: true, from: [], in: [] }],
    ['"lunch"', { words: ['lunch'], open: false, from: [], in: [] }],
    ['', { words: [], open: false, from: [], in: [] }],
  ])('“%s”', (written, query) => {
    expect(parseQuery(written)).toEqual(query)
  })
})

const room = 'aa'.repeat(32) as RoomId
const VOCABULARY = ['lunch', 'lunches', 'monday', 'mon', 'cake', 'l']
const words = fc.array(fc.constantFrom(...VOCABULARY), { maxLength: 4 })

test('the index finds what a look through all messages finds, newest first, after any puts and removals', () => {
  const message = fc.record({ id: fc.nat(9), ms: fc.nat(5), count: fc.nat(2), words, remove: fc.boolean() })
  fc.assert(
    fc.property(fc.array(message), words, fc.boolean(), fc.integer({ min: 1, max: 5 }), (steps, asked, open, limit) => {
      const index = createSearchIndex()
      const all = new Map<RecordHash, Indexed & { readonly words: readonly string[] }>()
      for (const { id, ms, count, words, remove } of steps) {
        const hash = `${id}`.padStart(64, '0') as RecordHash
        if (remove) {
          index.remove(hash)
          all.delete(hash)
        } else {
          const one = { hash, ms, count, room, user: user(id % 2 === 0 ? 'anna' : 'bob') }
          index.put(one, words)
          all.set(hash, { ...one, words })
        }
      }
      const fits = ({ user: by }: Indexed): boolean => by === user('anna')
      const has = (those: readonly string[]): boolean =>
        asked.every((word, at) =>
          those.some((one) => (open && at === asked.length - 1 ? one.startsWith(word) : one === word)),
        )
      const expected = [...all.values()]
        .filter((one) => fits(one) && has(one.words))
        .sort((a, b) => comparePositions(b, a))
      const finding = index.find({ words: asked, open, fits }, limit)
      let step = finding.next()
      while (step.done !== true) step = finding.next()
      expect(step.value.map(({ hash }) => hash)).toEqual(expected.slice(0, limit).map(({ hash }) => hash))
      expect(index.size()).toBe(all.size)
    }),
  )
})

test('a snippet is the part in which it was found', () => {
  expect(snippetOf('short', { words: ['x'] })).toBe('short')
  const long = `${'before '.repeat(60)}the Café is here ${'after '.repeat(60)}`
  const snippet = snippetOf(long, { words: ['cafe'] })
  expect(snippet).toContain('Café')
  expect(snippet).toMatch(/^….*…$/)
  expect(snippet.length).toBeLessThanOrEqual(SNIPPET_CHARACTERS + 2)
  expect(snippetOf(long, { words: ['nowhere'] })).toMatch(/^before .*…$/)
  for (let at = 0; at < 4; at++)
    expect(snippetOf(`${'x'.repeat(at)}${'😀'.repeat(200)}`, { words: [] }).isWellFormed()).toBe(true)
})

describe('what is found', () => {
  const everybody = speakers('alice', 'bob', 'carol')
  const [alice, bob, carol] = everybody as [Speaker, Speaker, Speaker]
  const other = 'bb'.repeat(32) as RoomId
  let clock = 0
  const now = (): [number, number] => [START + 1e7 + clock++, 0]
  const find = async (at: ReturnType<typeof listener>, question: string): Promise<string[]> =>
    (await at.conversation.search.find(question)).map(({ snippet }) => snippet)

  test('is in all rooms, from before the first question and after it, newest first', async () => {
    const carols = listener(carol, everybody)
    carols.hear(alice.say(room, text('lunch on monday'), now()))
    carols.hear(bob.say(other, text('Lunch at the café'), now()))
    expect(await find(carols, 'lunch')).toEqual(['Lunch at the café', 'lunch on monday'])
    carols.hear(bob.say(room, text('no lunch for me'), now()))
    expect(await find(carols, 'lun')).toEqual(['no lunch for me', 'Lunch at the café', 'lunch on monday'])
    expect(await find(carols, 'lunch from:bob')).toEqual(['no lunch for me', 'Lunch at the café'])
    expect(await find(carols, 'cafe lunch ')).toEqual(['Lunch at the café'])
    expect(await find(carols, 'in:#room lunch')).toHaveLength(3)
    expect(await find(carols, 'in:#elsewhere lunch')).toEqual([])
    expect(await find(carols, '')).toEqual([])
  })

  test('is what a message says now: not its earlier words, nothing that was taken back, is hidden, or by who is blocked', async () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('first words'), now())
    const secret = alice.say(room, text('secret words'), now())
    const theirs = bob.say(room, text('other words'), now())
    for (const one of [said, secret, theirs]) carols.hear(one)
    expect(await find(carols, 'words')).toEqual(['other words', 'secret words', 'first words'])
    carols.hear(alice.say(room, edit(said, 'second words'), now()))
    carols.hear(alice.say(room, takeBack(secret), now()))
    expect(await find(carols, 'first')).toEqual([])
    expect(await find(carols, 'words')).toEqual(['other words', 'second words'])
    carols.conversation.setBlocked(bob.device.user, true)
    expect(await find(carols, 'words')).toEqual(['second words'])
    carols.conversation.setBlocked(bob.device.user, false)
    expect(await find(carols, 'words')).toEqual(['other words', 'second words'])
    carols.hide(alice.logIn(room), 0, 1_000, true)
    carols.conversation.search.forget()
    expect(await find(carols, 'words')).toEqual(['other words'])
    carols.hide(alice.logIn(room), 0, 1_000, false)
    expect(await find(carols, 'words')).toEqual(['other words', 'second words'])
  })

  test('comes in turns: others have theirs while the index is made, and a search that is given up ends', async () => {
    const carols = listener(carol, everybody)
    for (let at = 0; at < 2_000; at++) carols.hear(alice.say(room, text(`word ${at}`), now()))
    let turns = 0
    let watching = true
    const watch = (): void => {
      turns++
      if (watching) setImmediate(watch)
    }
    watch()
    const abort = new AbortController()
    const given = carols.conversation.search.find('word', { signal: abort.signal })
    abort.abort()
    await expect(given).rejects.toMatchObject({ code: 'given-up' })
    expect(await carols.conversation.search.find('word', { limit: 3 })).toHaveLength(3)
    expect(turns).toBeGreaterThan(3)
    watching = false
  })
})
