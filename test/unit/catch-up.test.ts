import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CatchUpParts, startCatchUp } from '../../peer/log/catch-up.ts'
import type { Pulled } from '../../peer/log/sync-handler.ts'
import type { Session, SessionChange } from '../../peer/network/sessions.ts'
import type { PeerId, RoomId } from '../../shared/ids.ts'
import { SYNC_DEBOUNCE_MS, SYNC_INTERVAL_MS } from '../../shared/limits.ts'

const bob = 'bob' as PeerId
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const room = 'room' as RoomId
const session = { device: { peerId: bob } } as unknown as Session
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const start = (pull: () => Promise<Pulled>, changes: Partial<CatchUpParts> = {}) => {
  let begin: (change: SessionChange) => void = () => undefined
  const pulls: number[] = []
  const catchUp = startCatchUp({
    sync: {
      pull: async () => {
        pulls.push(Date.now())
        return await pull()
      },
    },
    keys: { ask: async () => 0 },
    sessions: {
      of: () => session,
      list: () => [session],
      onChange: (listener: typeof begin) => {
        begin = listener
        return () => undefined
      },
    } as unknown as CatchUpParts['sessions'],
    rooms: () => [room],
    locked: () => false,
    random: { bytes: () => Uint8Array.of(0) },
    onFailure: () => undefined,
    ...changes,
  })
  return { catchUp, pulls, begin: () => begin({ kind: 'began', session }) }
}

test('a session begins with a pull', async () => {
  const { begin, pulls } = start(async () => ({ stored: 0, lacking: false }))
  begin()
  await vi.advanceTimersByTimeAsync(0)
  expect(pulls).toHaveLength(1)
})

test('a burst of hints is one pull', async () => {
  const { catchUp, pulls } = start(async () => ({ stored: 1, lacking: false }))
  for (let hint = 0; hint < 100; hint++) catchUp.soon(bob, room)
  await vi.advanceTimersByTimeAsync(SYNC_DEBOUNCE_MS)
  expect(pulls).toHaveLength(1)
})

test('while a peer gives what it has, it is asked again at once', async () => {
  let left = 5
  const { catchUp, pulls } = start(async () => ({ stored: 1, lacking: --left > 0 }))
  catchUp.soon(bob, room)
  await vi.advanceTimersByTimeAsync(SECOND_MS)
  expect(pulls).toHaveLength(5)
})

test('a peer that claims to have more and gives nothing is asked ever less often, however it hints', async () => {
  const { catchUp, pulls } = start(async () => ({ stored: 0, lacking: true }))
  const hints = setInterval(() => catchUp.soon(bob, room), 10)
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS)
  clearInterval(hints)
  const looks = (10 * MINUTE_MS) / SYNC_INTERVAL_MS // one is taken anyhow, and one for all the hints between
  expect(pulls.length).toBeLessThan(2 * looks + 12)
  expect(pulls.length).toBeGreaterThanOrEqual(looks)
})

test('once it gives something, it is asked at once again', async () => {
  let gives = false
  const { catchUp, pulls } = start(async () => ({ stored: gives ? 1 : 0, lacking: true }))
  catchUp.soon(bob, room)
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  gives = true
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  const before = pulls.length
  await vi.advanceTimersByTimeAsync(SECOND_MS)
  expect(pulls.length - before).toBeGreaterThan(10)
})

test('a pull that fails is told, and does not end the catching up', async () => {
  const failures: string[] = []
  const { catchUp, pulls } = start(() => Promise.reject(new Error('gone')), {
    onFailure: (peer, { code }) => failures.push(`${peer} ${code}`),
  })
  catchUp.soon(bob, room)
  await vi.advanceTimersByTimeAsync(SYNC_DEBOUNCE_MS)
  catchUp.soon(bob, room)
  await vi.advanceTimersByTimeAsync(SYNC_DEBOUNCE_MS)
  expect(failures).toEqual(['bob fault', 'bob fault'])
  expect(pulls).toHaveLength(2)
})

test('after its stop nothing is asked any more, not even by a pull that ends later', async () => {
  const { promise, resolve } = Promise.withResolvers<Pulled>()
  const { catchUp, pulls, begin } = start(() => promise)
  begin()
  await vi.advanceTimersByTimeAsync(0)
  catchUp.stop()
  resolve({ stored: 1, lacking: true })
  await vi.advanceTimersByTimeAsync(MINUTE_MS)
  expect(pulls).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})
