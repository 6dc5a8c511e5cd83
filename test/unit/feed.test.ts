import { expect, test } from 'vitest'
import type { ApiEvent } from '../../peer/api/event-json.ts'
import { createFeed } from '../../peer/api/feed.ts'
import { API_EVENTS_KEPT, API_EVENTS_KEPT_BYTES } from '../../shared/limits.ts'

const read = (number: number, user = 'bob'): ApiEvent => ({ event: 'read', room: '#a', roomId: String(number), user })
const numbers = (some: readonly string[] | null) => some?.map((sent) => Number(JSON.parse(sent).roomId)) ?? null

test('a place in the feed is good until as many events have come as are kept', () => {
  const feed = createFeed('ab')
  const heard: string[] = []
  const end = feed.on((sent) => heard.push(sent))
  const start = feed.cursor()
  expect(feed.since(start)).toEqual([])
  for (let number = 0; number < API_EVENTS_KEPT; number++) feed.put(read(number))
  const all = Array.from({ length: API_EVENTS_KEPT }, (_, number) => number)
  expect(numbers(feed.since(start))).toEqual(all)
  expect(numbers(heard)).toEqual(all)
  expect(feed.since(JSON.parse(heard[9] ?? '').cursor)).toEqual(heard.slice(10))
  end()
  feed.put(read(-1))
  expect(heard).toHaveLength(API_EVENTS_KEPT)
  expect(feed.since(start)).toBeNull()
  for (const other of [createFeed('cd').cursor(), 'ab-', 'ab--1', 'ab-1e3', '', `ab-${API_EVENTS_KEPT + 2}`]) {
    expect(feed.since(other)).toBeNull()
  }
})

test('long events are kept while they are few enough together, and what is soon over is not kept at all', () => {
  const feed = createFeed('ab')
  const start = feed.cursor()
  for (const state of ['hashing', 'fetching', 'serving'] as const) {
    feed.put({ event: 'file', id: '', name: 'a', state, bytes: 1, size: 2 })
  }
  expect(feed.cursor()).toBe(start)
  const long = 'x'.repeat(100_000)
  for (let number = 0; number < 100; number++) feed.put(read(number, long))
  const places = Array.from({ length: 101 }, (_, number) => feed.since(`ab-${number}`))
  const kept = places.find((some) => some !== null) ?? []
  expect(kept.length).toBe(Math.floor(API_EVENTS_KEPT_BYTES / Buffer.byteLength(kept[0] ?? '')))
})
