import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type CatchUpParts, startCatchUp } from '../../peer/log/catch-up.ts'
import type { Pulled } from '../../peer/log/sync-handler.ts'
import type { Session, SessionChange } from '../../peer/network/sessions.ts'
import { LanyardError, refusedThere } from '../../shared/errors.ts'
import type { PeerId, RoomId } from '../../shared/ids.ts'
import { LANE_PATIENCE_MS, SYNC_AGAIN_MS, SYNC_DEBOUNCE_MS, SYNC_INTERVAL_MS } from '../../shared/limits.ts'

const bob = 'bob' as PeerId
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const carol = 'carol' as PeerId
const room = 'room' as RoomId
const other = 'other' as RoomId
const directory = 'directory' as RoomId
const sessionOf = (peerId: PeerId): Session => ({ device: { peerId } }) as unknown as Session
const session = sessionOf(bob)
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Differs = readonly (readonly [room: RoomId, differs: boolean])[]

const start = (
  pull: (peer: PeerId, room: RoomId, progress: (records: number) => void) => Promise<Pulled>,
  changes: Partial<CatchUpParts> = {},
  shared: () => Differs = () => [[room, true]],
) => {
  let begin: (change: SessionChange) => void = () => undefined
  const pulls: number[] = []
  const pulled: string[] = []
  const looks: number[] = []
  const catchUp = startCatchUp({
    sync: {
      pull: async (peer, of, progress = () => undefined) => {
        pulls.push(Date.now())
        pulled.push(`${peer} ${of}`)
        return await pull(peer, of, progress)
      },
      rooms: async () => {
        looks.push(Date.now())
        return shared().map(([of]) => ({
          room: of,
          isMember: true,
          agrees: () => !shared().some(([same, differs]) => same === of && differs),
        }))
      },
    },
    keys: { ask: async () => 0, roomChanged: () => undefined },
    sessions: {
      of: () => session,
      list: () => [session],
      onChange: (listener: typeof begin) => {
        begin = listener
        return () => undefined
      },
    } as unknown as CatchUpParts['sessions'],
    directory,
    isCarried: () => true,
    shares: () => true,
    sharedWith: () => [],
    onRemoved: () => undefined,
    locked: () => false,
    onAgreed: () => undefined,
    clock: { now: () => Date.now() },
    random: { bytes: () => Uint8Array.of(0, 0) },
    onFailure: () => undefined,
    ...changes,
  })
  return { catchUp, pulls, pulled, looks, begin: (of = session) => begin({ kind: 'began', session: of }) }
}

const nothing = async (): Promise<Pulled> => ({ stored: 0, lacking: false })

test('a session begins with one question, and with a pull of the rooms that differ, the directory first', async () => {
  const { begin, pulled, looks } = start(nothing, {}, () => [
    [other, true],
    [room, false],
    [directory, true],
  ])
  begin()
  await vi.advanceTimersByTimeAsync(0)
  expect(looks).toHaveLength(1)
  expect(pulled).toEqual([`bob ${directory}`, `bob ${other}`])
  // Gossip may have lost something in the first seconds.
  await vi.advanceTimersByTimeAsync(SYNC_AGAIN_MS)
  expect(looks).toHaveLength(2)
})

test('where both agree nothing is pulled, and it is told', async () => {
  const onAgreed = vi.fn()
  const { begin, pulls } = start(nothing, { onAgreed }, () => [[room, false]])
  begin()
  await vi.advanceTimersByTimeAsync(0)
  expect(pulls).toEqual([])
  expect(onAgreed.mock.calls).toEqual([[bob, room]])
})

test('of open rooms, those that we are in are pulled; of others, those that the peer takes us to be in', async () => {
  const sync = (isMember: boolean) => ({
    pull: vi.fn(nothing),
    rooms: async () => [room, other].map((of) => ({ room: of, isMember, agrees: () => false })),
  })
  for (const [isMember, expected] of [
    [false, [room]],
    [true, [room, other]],
  ] as const) {
    const fake = sync(isMember)
    const { begin, catchUp } = start(nothing, { sync: fake, isCarried: (of) => of === room })
    begin()
    await vi.advanceTimersByTimeAsync(0)
    expect(fake.pull.mock.calls.map(([, of]: readonly unknown[]) => of)).toEqual(expected)
    catchUp.stop()
  }
})

test('somebody is asked every now and then', async () => {
  const { looks } = start(nothing)
  await vi.advanceTimersByTimeAsync(10 * SYNC_INTERVAL_MS)
  expect(looks).toHaveLength(10)
})

test('a burst of hints that something has changed is one question', async () => {
  const { catchUp, looks } = start(nothing)
  for (let hint = 0; hint < 100; hint++) catchUp.look(bob)
  await vi.advanceTimersByTimeAsync(SYNC_DEBOUNCE_MS)
  expect(looks).toHaveLength(1)
})

test('what several sessions have is pulled from one: the others then agree', async () => {
  let differs = true
  const { promise, resolve } = Promise.withResolvers<Pulled>()
  const { begin, pulled } = start(
    () => promise,
    {},
    () => [[room, differs]],
  )
  for (const peer of [bob, carol]) begin(sessionOf(peer))
  await vi.advanceTimersByTimeAsync(SECOND_MS / 2)
  expect(pulled).toEqual([`bob ${room}`])
  differs = false
  resolve({ stored: 100, lacking: false })
  await vi.advanceTimersByTimeAsync(SYNC_INTERVAL_MS / 2)
  expect(pulled).toEqual([`bob ${room}`])
})

test('but who serves slowly keeps nobody waiting', async () => {
  const { begin, pulled } = start((peer) => (peer === bob ? new Promise(() => undefined) : nothing()))
  for (const peer of [bob, carol]) begin(sessionOf(peer))
  await vi.advanceTimersByTimeAsync(3 * SECOND_MS)
  expect(pulled).toEqual([`bob ${room}`, `carol ${room}`])
})

test('nor does who serves well for ever', async () => {
  const { begin, pulled } = start((peer, _room, progress) => {
    if (peer !== bob) return nothing()
    setInterval(() => progress(1_000), 100)
    return new Promise(() => undefined)
  })
  for (const peer of [bob, carol]) begin(sessionOf(peer))
  await vi.advanceTimersByTimeAsync(LANE_PATIENCE_MS / 2)
  expect(pulled).toEqual([`bob ${room}`])
  await vi.advanceTimersByTimeAsync(LANE_PATIENCE_MS)
  expect(pulled).toEqual([`bob ${room}`, `carol ${room}`])
})

test('a long pull of one room does not hold up another, nor the next question', async () => {
  const shared: [RoomId, boolean][] = [[room, true]]
  const { begin, catchUp, pulled } = start(
    (_peer, of) => (of === room ? new Promise(() => undefined) : nothing()),
    {},
    () => shared,
  )
  begin()
  await vi.advanceTimersByTimeAsync(0)
  shared.push([other, true])
  catchUp.look(bob)
  await vi.advanceTimersByTimeAsync(SECOND_MS)
  expect(pulled).toContain(`bob ${other}`)
})

test('who may be needed no more when its turn has come is not asked', async () => {
  const { catchUp, pulls } = start(nothing)
  let needed = true
  catchUp.soon(bob, room, () => needed)
  needed = false
  await vi.advanceTimersByTimeAsync(SECOND_MS)
  expect(pulls).toEqual([])
})

test('what is lacking is asked of somebody in the room, after the directory', async () => {
  const sessions = [sessionOf(bob), sessionOf(carol)]
  const { catchUp, pulled } = start(nothing, {
    sessions: { of: () => session, list: () => sessions, onChange: () => () => undefined } as never,
    shares: (_room, { device }) => device.peerId === carol,
  })
  catchUp.lack(room)
  await vi.advanceTimersByTimeAsync(SECOND_MS)
  expect(pulled).toEqual([`carol ${directory}`, `carol ${room}`])
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

test('that we are not in a room there is not told: a moment later it may know better', async () => {
  const onFailure = vi.fn()
  const { catchUp, pulls } = start(() => Promise.reject(new LanyardError(refusedThere('not-a-member'))), { onFailure })
  catchUp.soon(bob, room)
  await vi.advanceTimersByTimeAsync(SYNC_DEBOUNCE_MS)
  expect(pulls).toHaveLength(1)
  expect(onFailure).not.toHaveBeenCalled()
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
