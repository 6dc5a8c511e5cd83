import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { comparePositions, type Position } from '../../peer/rooms/timeline.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { type MessageContent, messageContentCodec } from '../../shared/wire/bodies.ts'
import { edit, listener, react, type Said, type Speaker, START, speakers, takeBack, text } from '../support/talk.ts'

const room = 'aa'.repeat(32) as RoomId
const other = 'bb'.repeat(32) as RoomId
const everybody = speakers('alice', 'alice', 'bob', 'carol')
const [alice, alicesPhone, bob, carol] = everybody as [Speaker, Speaker, Speaker, Speaker]
const NEWS = START + 2 * 3_600_000
let clock = 0
/** Each thing is said a millisecond after the one before. */
const now = (): [number, number] => [NEWS + clock++, 0]
const shown = (at: ReturnType<typeof listener>, where = room) =>
  at.see(where).map(({ user, content, edited, deleted, reactions }) => ({
    user,
    text: content?.kind === 'text' ? content.text : null,
    edited: edited !== null,
    deleted,
    reactions: reactions.map(({ emoji, users }) => `${emoji} ${users.join(' ')}`),
  }))
const plain = { edited: false, deleted: false, reactions: [] }

describe('an edit', () => {
  test('takes the place of the text, also from another device of the same user, and the newest wins', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('helo'), now())
    const first = alice.say(room, edit(said, 'hello'), now())
    const second = alicesPhone.say(room, edit(said, 'hello!'), now())
    for (const one of [said, second, first]) carols.hear(one)
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello!', edited: true }])
  })

  test('by somebody else changes nothing', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    carols.hear(bob.say(room, edit(said, 'nonsense'), now()))
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello' }])
  })

  test('that is said in another room changes nothing', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    carols.hear(alice.say(other, edit(said, 'nonsense'), now()))
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello' }])
    expect(shown(carols, other)).toEqual([])
  })

  test('that comes before its message waits for it', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('helo'), now())
    carols.hear(alice.say(room, edit(said, 'hello'), now()))
    expect(shown(carols)).toEqual([])
    carols.hear(said)
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello', edited: true }])
    expect(carols.events.flatMap((event) => (event.kind === 'message' ? [event.message.content] : []))).toEqual([
      { kind: 'text', text: 'hello' },
    ])
  })
})

describe('a message that is taken back', () => {
  const keys = (at: ReturnType<typeof listener>, ...some: readonly Said[]) =>
    some.map(({ record }) => at.stores.records.get(record.hash)?.key ?? null)

  test('shows no words, and its key and those of its edits are erased', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('a secret'), now())
    const edited = alice.say(room, edit(said, 'another secret'), now())
    carols.hear(said)
    carols.hear(edited)
    expect(keys(carols, said, edited)).toEqual([said.key, edited.key])
    carols.hear(alicesPhone.say(room, takeBack(said), now()))
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: null, deleted: true }])
    expect(keys(carols, said, edited)).toEqual([null, null])
    expect(carols.stores.records.hasLocked(room)).toBe(false) // and nobody is asked for them
  })

  test('is erased too when it comes after the word that takes it back', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('a secret'), now())
    const edited = alice.say(room, edit(said, 'another secret'), now())
    const gone = alice.say(room, takeBack(said), now())
    const late = alice.say(room, edit(said, 'said behind it'), now())
    for (const one of [edited, gone, said, late]) carols.hear(one)
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: null, deleted: true }])
    expect(keys(carols, said, edited, late)).toEqual([null, null, null])
  })

  test('by somebody else stays', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    carols.hear(said)
    carols.hear(bob.say(room, takeBack(said), now()))
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello' }])
    expect(keys(carols, said)).toEqual([said.key])
  })

  test('and whose taking back is hidden asks for its key again, and is shown', () => {
    const carols = listener(carol, everybody)
    const said = alice.say(room, text('hello'), now())
    const edited = alice.say(room, edit(said, 'hello!'), now())
    const gone = alicesPhone.say(room, takeBack(said), now())
    for (const one of [said, edited, gone]) carols.hear(one)
    carols.hide(gone.log, 0, gone.record.header.seq, true)
    expect(shown(carols)).toEqual([]) // neither body nor key is here any more
    expect(carols.stores.records.hasLocked(room)).toBe(true)
    carols.unlock(said)
    carols.unlock(edited)
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello!', edited: true }])
    carols.hide(gone.log, 0, gone.record.header.seq, false)
    expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: null, deleted: true }])
    expect(keys(carols, said, edited)).toEqual([null, null])
  })
})

test('of each user and emoji the newest reaction counts', () => {
  const carols = listener(carol, everybody)
  const said = alice.say(room, text('lunch?'), now())
  carols.hear(said)
  const on = bob.say(room, react(said, '👍'), now())
  const off = bob.say(room, react(said, '👍', false), now())
  const cake = bob.say(room, react(said, '🍰'), now())
  const hers = carol.say(room, react(said, '👍'), now())
  for (const one of [cake, off, on, hers]) carols.hear(one)
  expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'lunch?', reactions: ['🍰 bob', '👍 carol'] }])
  expect(carols.events.filter(({ kind }) => kind === 'updated')).toHaveLength(4)
})

test('reactions stand in the order of their times, whoever they are by and however they came', () => {
  const carols = listener(carol, everybody)
  const said = alice.say(room, text('lunch?'), now())
  const all = [carol.say(room, react(said, '🍰'), now()), bob.say(room, react(said, '👍'), now())]
  all.push(alice.say(room, react(said, '🍰'), now()))
  for (const one of [...all.reverse(), said]) carols.hear(one)
  expect(shown(carols)[0]?.reactions).toEqual(['🍰 carol alice', '👍 bob'])
  carols.conversation.setBlocked(bob.device.user, true)
  expect(shown(carols)[0]?.reactions).toEqual(['🍰 carol alice'])
})

test('what is hidden is not shown and changes nothing, until it counts again', () => {
  const carols = listener(carol, everybody)
  const said = alice.say(room, text('hello'), now())
  const theirs = bob.say(room, text('me too'), now())
  const liked = bob.say(room, react(said, '👍'), now())
  carols.hear(said)
  carols.hear(theirs, { hidden: true })
  carols.hear(liked)
  carols.hide(bob.logIn(room), 0, Number.MAX_SAFE_INTEGER, true)
  expect(shown(carols)).toEqual([{ ...plain, user: 'alice', text: 'hello' }])
  carols.hide(bob.logIn(room), 0, Number.MAX_SAFE_INTEGER, false)
  expect(shown(carols)).toEqual([
    { ...plain, user: 'alice', text: 'hello', reactions: ['👍 bob'] },
    { ...plain, user: 'bob', text: 'me too' },
  ])
})

describe('pages', () => {
  test('follow each other without a gap, over messages of one millisecond, and around what is not shown', () => {
    const carols = listener(carol, everybody)
    const words: string[] = []
    for (let at = 0; at < 60; at++) {
      const said = alice.say(room, text(`${at}`), [NEWS + Math.floor(at / 7), at % 7])
      carols.hear(said, { hidden: at % 10 === 3 })
      if (at % 10 === 4) carols.hear(alice.say(room, edit(said, `${at}!`), [NEWS + Math.floor(at / 7), at % 7]))
      if (at % 10 !== 3) words.push(at % 10 === 4 ? `${at}!` : `${at}`)
    }
    const { history } = carols.conversation.inbox
    const wordsOf = (page: ReturnType<typeof history>) =>
      page.map(({ content }) => (content?.kind === 'text' ? content.text : ''))
    let page = history(room, 7)
    const backwards = wordsOf(page)
    while (page.length > 0) {
      page = history(room, 7, { before: page[0]?.id as RecordHash })
      backwards.unshift(...wordsOf(page))
    }
    expect(backwards).toEqual(words)
    page = history(room, 1_000).slice(0, 1)
    const forwards = wordsOf(page)
    while (page.length > 0) {
      page = history(room, 7, { after: page.at(-1)?.id as RecordHash })
      forwards.push(...wordsOf(page))
    }
    expect(forwards).toEqual(words)
  })

  test('leave out who is blocked, and are as long without', () => {
    const carols = listener(carol, everybody)
    for (let at = 0; at < 30; at++) carols.hear((at % 3 === 0 ? alice : bob).say(room, text(`${at}`), now()))
    carols.conversation.setBlocked(bob.device.user, true)
    expect(carols.conversation.inbox.history(room, 6).map(({ user }) => user)).toEqual(Array(6).fill('alice'))
    expect(carols.see(room)).toHaveLength(10)
    carols.conversation.setBlocked(bob.device.user, false)
    expect(carols.see(room)).toHaveLength(30)
  })

  test('a message by somebody who is blocked makes no event', () => {
    const carols = listener(carol, everybody)
    carols.conversation.setBlocked(bob.device.user, true)
    carols.hear(bob.say(room, text('hello?'), now()))
    expect(carols.events).toEqual([])
  })
})

test('a message answers another, and tells its sender how far it has come', () => {
  const alices = listener(alice, everybody)
  const said = bob.say(room, text('lunch?'), now())
  const answer = alice.say(room, text('yes', said.record.hash), now())
  alices.hear(said)
  alices.hear(answer)
  const [first, second] = alices.see(room)
  expect([first?.reply, first?.state, first?.own]).toEqual([null, null, false])
  expect([second?.reply, second?.state, second?.own]).toEqual([said.record.hash, { devices: 0, readBy: [] }, true])
  const point = { device: alice.device.peerId, inc: answer.record.header.inc, seq: answer.record.header.seq }
  expect(alices.conversation.delivery.heard(bob.device.peerId, room, [point])).toBe(true)
  expect(alices.conversation.delivery.heard(bob.device.peerId, room, [point])).toBe(false)
  expect(alices.see(room)[1]?.state).toEqual({ devices: 1, readBy: [] })
})

// What the view is, said in the plainest way: from the whole set at once, without a store.
const expected = (all: readonly Said[], hidden: ReadonlySet<Said>): ReturnType<typeof shown> => {
  const facts = all
    .filter((said) => !hidden.has(said))
    .map((said) => ({ said, user: said.author.user, at: positionOf(said), content: contentOf(said) }))
    .sort((a, b) => comparePositions(a.at, b.at))
  return facts.flatMap(({ said, user, content }): ReturnType<typeof shown> => {
    if (content.kind !== 'text') return []
    const about = facts.filter((one) => 'of' in one.content && isOf(one.content.of, said) && one.said.log.room === room)
    if (about.some((one) => one.user === user && one.content.kind === 'delete')) {
      return [{ user, text: null, edited: false, deleted: true, reactions: [] }]
    }
    const edits = about.filter((one) => one.user === user && one.content.kind === 'edit')
    const newest = edits.at(-1)?.content
    const standing = new Map<string, (typeof about)[number]>()
    for (const one of about) if (one.content.kind === 'reaction') standing.set(`${one.user} ${one.content.emoji}`, one)
    const emojis = new Map<string, string[]>()
    for (const one of [...standing.values()].sort((a, b) => comparePositions(a.at, b.at))) {
      if (one.content.kind !== 'reaction' || !one.content.on) continue
      emojis.set(one.content.emoji, [...(emojis.get(one.content.emoji) ?? []), one.user])
    }
    return [
      {
        user,
        text: newest?.kind === 'edit' ? newest.text : content.text,
        edited: newest !== undefined,
        deleted: false,
        reactions: [...emojis].map(([emoji, users]) => `${emoji} ${users.join(' ')}`),
      },
    ]
  })
}
const positionOf = ({ record }: Said): Position => ({
  ms: record.header.time[0],
  count: record.header.time[1],
  hash: record.hash,
})
const contentOf = ({ plaintext }: Said) => messageContentCodec.decode(plaintext) as MessageContent
const isOf = (of: Uint8Array, said: Said): boolean => Buffer.from(of).toString('hex') === said.record.hash

type Step = {
  by: number
  kind: 'text' | 'edit' | 'delete' | 'reaction'
  of: number
  emoji: string
  on: boolean
  ms: number
}
const step: fc.Arbitrary<Step> = fc.record({
  by: fc.nat(3),
  kind: fc.constantFrom('text', 'text', 'edit', 'delete', 'reaction', 'reaction'),
  of: fc.nat(30),
  emoji: fc.constantFrom('👍', '🎉'),
  on: fc.boolean(),
  ms: fc.nat(20),
})

test('any order of arrival, of keys and of hiding gives the view that the set of messages has', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 30 }),
      fc.infiniteStream(fc.nat(1_000)),
      fc.array(fc.nat(29), { maxLength: 6 }),
      fc.array(fc.nat(29), { maxLength: 10 }),
      (steps, chance, hiding, closing) => {
        const all: Said[] = []
        for (const [at, { by, kind, of, emoji, on, ms }] of steps.entries()) {
          const speaker = everybody[by] as Speaker
          const about = all[of % Math.max(1, all.length)]
          const content =
            kind === 'text' || about === undefined
              ? text(`text ${at}`)
              : kind === 'edit'
                ? edit(about, `edit ${at}`)
                : kind === 'delete'
                  ? takeBack(about)
                  : react(about, emoji, on)
          // Times go up in no way: clocks are wrong, and a record may say that it is older than what it speaks of.
          all.push(speaker.say(room, content, [NEWS + ms, at]))
        }
        const draw = (): number => chance.next().value
        const carols = listener(carol, everybody)
        const order = all.map((said) => ({ said, rank: draw() })).sort((a, b) => a.rank - b.rank)
        const closed = new Set(closing.flatMap((at) => all[at] ?? []))
        const hidden = new Set(hiding.flatMap((at) => all[at] ?? []))
        // Some are hidden from the start, some later; and some only for a time.
        const later: (() => void)[] = []
        const seqOf = ({ record }: Said): number => record.header.seq
        for (const { said } of order) {
          const isHidden = hidden.has(said) && draw() % 2 === 0
          carols.hear(said, { closed: closed.has(said), hidden: isHidden })
          if (hidden.has(said) && !isHidden) later.push(() => carols.hide(said.log, seqOf(said), seqOf(said), true))
          if (!hidden.has(said) && draw() % 8 === 0) {
            carols.hide(said.log, seqOf(said), seqOf(said), true)
            later.push(() => carols.hide(said.log, seqOf(said), seqOf(said), false))
          }
          if (draw() % 3 === 0) later.shift()?.()
        }
        for (const do_ of later) do_()
        // The key service brings what is closed, and may be asked for.
        for (let again = true; again; ) {
          const wanted = new Set(
            carols.stores.records.locked(room, 100, Number.MAX_SAFE_INTEGER).map(({ hash }) => hash),
          )
          const some = all.filter(({ record }) => wanted.has(record.hash))
          for (const said of some) if (carols.stores.records.get(said.record.hash)?.key === null) carols.unlock(said)
          again = some.length > 0
        }
        expect(shown(carols)).toEqual(expected(all, hidden))
        for (const said of all.filter((one) => !hidden.has(one))) {
          const words = contentOf(said)
          const target = words.kind === 'edit' ? all.find((one) => isOf(words.of, one)) : said
          const isGone = target !== undefined && carols.conversation.inbox.get(target.record.hash)?.deleted === true
          if (isGone && (words.kind === 'text' || said.author.user === target.author.user)) {
            expect(carols.stores.records.get(said.record.hash)?.key).toBe(null)
          }
        }
        carols.stores.database.close()
      },
    ),
    { numRuns: 150 },
  )
})
