import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeRecord, parseRecord } from '../../peer/log/record.ts'
import { blob } from '../../peer/store/database.ts'
import { orThrow } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { ERASE_AT_ONCE, RETENTION_CHECK_MS, SECOND_MS } from '../../shared/limits.ts'
import { edit, listener, react, type Said, type Speaker, START, speakers, takeBack, text } from '../support/talk.ts'

const room = 'aa'.repeat(32) as RoomId
const forEver = 'bb'.repeat(32) as RoomId
const everybody = speakers('alice', 'bob', 'carol')
const [alice, bob, carol] = everybody as [Speaker, Speaker, Speaker]
const NEWS = START + 10_000 * SECOND_MS

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-retention-'))
  path = join(folder, 'peer.db')
})
afterEach(() => rmSync(folder, { recursive: true }))

const at = (ms: number) => ({ now: () => NEWS + ms })
const shown = (one: ReturnType<typeof listener>, where = room) =>
  one.see(where).map(({ content }) => (content?.kind === 'text' ? content.text : null))
const beat = async (one: ReturnType<typeof listener>, ms: number): Promise<void> => {
  one.clock = at(ms)
  await one.conversation.beat()
}
const stored = (one: ReturnType<typeof listener>, { record }: Said) => one.stores.records.get(record.hash)

describe('a room that keeps messages for a time', () => {
  test('shows none past it, at once, and erases body and key soon', async () => {
    const carols = listener(carol, everybody, { path })
    carols.retention.set(room, { keepMs: 60 * SECOND_MS, keepMessages: 0 })
    carols.clock = at(0)
    const old = alice.say(room, text('old'), [NEWS, 0])
    const liked = bob.say(room, react(old, '👍'), [NEWS + 1, 0])
    const young = alice.say(room, text('young'), [NEWS + 30 * SECOND_MS, 0])
    const other = alice.say(forEver, text('for ever'), [NEWS, 0])
    for (const said of [old, liked, young, other]) carols.hear(said)
    await beat(carols, 59 * SECOND_MS)
    expect(shown(carols)).toEqual(['old', 'young'])
    carols.clock = at(60 * SECOND_MS + 2)
    expect(shown(carols)).toEqual(['young'])
    expect(carols.conversation.inbox.get(old.record.hash)).toBe(null)
    expect(stored(carols, old)?.key).toEqual(old.key)
    await carols.conversation.beat()
    expect([stored(carols, old)?.key, stored(carols, old)?.body]).toEqual([null, null])
    expect([stored(carols, liked)?.key, stored(carols, liked)?.body]).toEqual([null, null])
    expect(stored(carols, young)?.key).toEqual(young.key)
    expect(carols.events.filter(({ kind }) => kind === 'expired')).toEqual([
      { kind: 'expired', room, ids: [old.record.hash, liked.record.hash] },
    ])
    expect(carols.conversation.inbox.get(old.record.hash)).toBe(null)
    expect(carols.conversation.unread.of(room).count).toBe(1)
    expect(carols.stores.records.hasLocked(room)).toBe(false) // nobody is asked for them
    expect(shown(carols, forEver)).toEqual(['for ever'])
    await beat(carols, 200 * SECOND_MS)
    expect([shown(carols), shown(carols, forEver)]).toEqual([[], ['for ever']])
  })

  test('erases what comes late, too', async () => {
    const carols = listener(carol, everybody, { path })
    carols.retention.set(room, { keepMs: 60 * SECOND_MS, keepMessages: 0 })
    carols.clock = at(0)
    carols.hear(alice.say(room, text('in time'), [NEWS, 0]))
    await beat(carols, 100 * SECOND_MS)
    const late = bob.say(room, text('late'), [NEWS - 1_000, 0])
    const closed = bob.say(room, text('late and closed'), [NEWS - 900, 0])
    carols.hear(late)
    carols.hear(closed, { closed: true })
    expect(carols.events.filter(({ kind }) => kind === 'message')).toHaveLength(1) // and nobody is told of it
    expect(carols.conversation.unread.of(room).count).toBe(0)
    await beat(carols, 100 * SECOND_MS + RETENTION_CHECK_MS)
    expect([stored(carols, late)?.body, stored(carols, closed)?.body]).toEqual([null, null])
  })

  test('begins to erase when it is told to, and a longer time brings nothing back', async () => {
    const carols = listener(carol, everybody, { path })
    carols.clock = at(0)
    for (let second = 0; second < 5; second++) {
      carols.hear(alice.say(room, text(`${second}`), [NEWS + second * SECOND_MS, 0]))
    }
    expect(carols.conversation.due()).not.toBe(null) // counts of unread messages
    await beat(carols, 100 * SECOND_MS)
    expect(shown(carols)).toHaveLength(5)
    carols.retention.set(room, { keepMs: 98 * SECOND_MS, keepMessages: 0 })
    carols.conversation.roomChanged(room)
    await carols.conversation.beat()
    expect(shown(carols)).toEqual(['2', '3', '4'])
    carols.retention.set(room, { keepMs: 0, keepMessages: 0 })
    carols.conversation.roomChanged(room)
    await beat(carols, 200 * SECOND_MS)
    expect(shown(carols)).toEqual(['2', '3', '4'])
  })
})

test('a room that keeps so many messages erases the oldest, in turns', async () => {
  const carols = listener(carol, everybody, { path })
  carols.retention.set(room, { keepMs: 0, keepMessages: 3 })
  carols.clock = at(0)
  const many = ERASE_AT_ONCE * 2 + 50
  for (let one = 0; one < many; one++) carols.hear(alice.say(room, text(`${one}`), [NEWS + one, 0]))
  await beat(carols, SECOND_MS * 10)
  expect(shown(carols)).toEqual([many - 3, many - 2, many - 1].map(String))
  carols.hear(alice.say(room, text('one more'), [NEWS + many, 0]))
  await beat(carols, SECOND_MS * 20)
  expect(shown(carols)).toEqual([many - 2, many - 1].map(String).concat('one more'))
})

test('what is being signed when it is due is erased once that is done', async () => {
  const carols = listener(carol, everybody, { path })
  carols.retention.set(room, { keepMs: 0, keepMessages: 1 })
  carols.clock = at(0)
  const said = ['one', 'two', 'three'].map((words, n) => alice.say(room, text(words), [NEWS + n, 0]))
  for (const one of said) carols.hear(one)
  const two = said[1] as Said
  const { records, database } = carols.stores
  const { signature, proof } = orThrow(parseRecord(encodeRecord(two.record.wire))).wire
  database.prepare('UPDATE records SET signature = NULL WHERE hash = unhex(?)').run(two.record.hash)
  await beat(carols, SECOND_MS * 10)
  expect(shown(carols)).toEqual(['two', 'three'])
  records.sign(two.record.hash, { signature, proof })
  await beat(carols, SECOND_MS * 20)
  expect(shown(carols)).toEqual(['three'])
})

describe('what is erased', () => {
  const files = (): Buffer => Buffer.concat([path, `${path}-wal`].filter(existsSync).map((file) => readFileSync(file)))
  /** What of a message is in the store: its ciphertext, and its key as it is sealed there. */
  const bytesOf = (one: ReturnType<typeof listener>, said: Said): Buffer[] => {
    const row = one.stores.database.prepare('SELECT sealed_key FROM named_records WHERE hash = ?').get(said.record.hash)
    return [Buffer.from(blob(row?.sealed_key)), Buffer.from(said.record.wire.body ?? [])]
  }

  test('is not in the database file any more, nor in its log', async () => {
    const carols = listener(carol, everybody, { path })
    carols.clock = at(0)
    const words = (n: number) => `${n} ${'words '.repeat((n * 7) % 60)}`
    const said: Said[] = []
    for (let n = 0; n < 1_000; n++) {
      const one = (n % 2 === 0 ? alice : bob).say(room, text(words(n)), [NEWS + n, 0])
      // Rows that grow move: of such as these, too, nothing may stay behind.
      carols.hear(one, { closed: n % 3 === 0 })
      said.push(one)
    }
    for (const [n, one] of said.entries()) if (n % 3 === 0) carols.unlock(one)
    const secrets = said.map((one) => bytesOf(carols, one))
    carols.stores.database.checkpoint()
    const before = files()
    for (const [key, body] of secrets)
      expect([before.includes(key ?? ''), before.includes(body ?? '')]).toEqual([true, true])
    carols.retention.set(room, { keepMs: SECOND_MS, keepMessages: 0 })
    carols.conversation.roomChanged(room)
    await beat(carols, 1_000 + 3 * SECOND_MS)
    expect(shown(carols)).toEqual([])
    const after = files()
    expect(secrets.filter((some) => some.some((bytes) => after.includes(bytes)))).toHaveLength(0)
    carols.stores.database.close()
    const closed = files()
    expect(secrets.filter((some) => some.some((bytes) => closed.includes(bytes)))).toHaveLength(0)
  })

  test('is what was noted of its file, too', async () => {
    const carols = listener(carol, everybody, { path })
    carols.clock = at(0)
    const [old, young] = [NEWS, NEWS + SECOND_MS].map((ms) => {
      const said = alice.say(room, text(`at ${ms}`), [ms, 0])
      carols.hear(said)
      carols.stores.files.put({
        record: said.record.hash,
        room,
        state: 'held',
        paused: false,
        own: false,
        size: 1,
        path: '/tax.pdf',
        parts: [],
        encoded: null,
      })
      return said.record.hash
    }) as [RecordHash, RecordHash]
    carols.retention.set(room, { keepMs: 0, keepMessages: 1 })
    carols.conversation.roomChanged(room)
    await beat(carols, 10 * SECOND_MS)
    expect(carols.stores.files.get(old)).toBe(null)
    expect(carols.stores.files.get(young)).toMatchObject({ state: 'held' })
  })

  test('when it is taken back is its key and its edits’ keys', async () => {
    const carols = listener(carol, everybody, { path })
    carols.clock = at(0)
    const said = alice.say(room, text('a secret'), [NEWS, 0])
    const edited = alice.say(room, edit(said, 'another secret'), [NEWS + 1, 0])
    carols.hear(said)
    carols.hear(edited)
    for (let n = 0; n < 200; n++) carols.hear(bob.say(room, text(`${n}`), [NEWS + 10 + n, 0]))
    const keys = [said, edited].map((one) => bytesOf(carols, one)[0] ?? Buffer.alloc(0))
    carols.stores.database.checkpoint()
    const before = files()
    expect(keys.map((key) => before.includes(key))).toEqual([true, true])
    carols.hear(alice.say(room, takeBack(said), [NEWS + 1_000, 0]))
    await beat(carols, 10 * SECOND_MS)
    const after = files()
    expect(keys.map((key) => after.includes(key))).toEqual([false, false])
  })

  test('leaves a skeleton that travels: the same header and signature, and so the same hash in the chain', async () => {
    const carols = listener(carol, everybody, { path })
    carols.clock = at(0)
    const said = alice.say(room, text('old'), [NEWS, 0])
    const next = alice.say(room, text('young'), [NEWS + SECOND_MS, 0])
    carols.hear(said)
    carols.hear(next)
    carols.retention.set(room, { keepMs: SECOND_MS, keepMessages: 0 })
    await beat(carols, 1_500)
    const wire = carols.stores.records.wire(said.record.hash)
    expect(wire?.body).toBe(null)
    if (wire === null) return
    const travelled = orThrow(parseRecord(encodeRecord(wire)))
    expect([travelled.hash, travelled.wire]).toEqual([said.record.hash, { ...said.record.wire, body: null }])
  })
})
