import { randomBytes } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { FileProgress, PeerEvent } from '../../peer/events.ts'
import type { RecordHash } from '../../shared/ids.ts'
import { CHUNK_BYTES, DISK_RESERVE_BYTES } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { createWorld, type Resident } from '../support/world.ts'

const is =
  (state: FileProgress['state'], id?: RecordHash) =>
  (event: PeerEvent): boolean =>
    event.kind === 'file' && event.progress.state === state && (id === undefined || event.progress.id === id)
const progressOf = (event: PeerEvent): FileProgress => {
  if (event.kind !== 'file') throw new Error(`not about a file: ${event.kind}`)
  return event.progress
}
const hears = (who: Resident, id: RecordHash) =>
  who.until((event) => event.kind === 'message' && event.message.id === id)
const BY_HAND = { files: { accept: { maxBytes: 0, from: 'everybody' } } } as const

/** Alice, who offers a file of so many chunks, and slowly; bob, who decides by hand. */
const offering = async (chunks: number, bytesPerSecond?: number) => {
  const world = await createWorld()
  const alice = await world.settle(
    'alice',
    undefined,
    bytesPerSecond === undefined ? {} : { files: { bytesPerSecond } },
  )
  const bob = await world.settle('bob', undefined, BY_HAND)
  const content = randomBytes(chunks * CHUNK_BYTES)
  const path = join(world.folder, 'plan.bin')
  await writeFile(path, content)
  const id = await alice.peer.sendFile(alice.peer.general, path)
  await hears(bob, id)
  return { world, alice, bob, id, content, path, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test('an offer waits until it is accepted by hand', async () => {
  await using scene = await offering(1)
  const { bob, id, content } = scene
  expect(bob.peer.files.list()).toMatchObject([
    { id, user: 'alice', name: 'plan.bin', state: 'offered', size: CHUNK_BYTES },
  ])
  expect(bob.peer.files.fetch(id)).toBeNull()
  const { path = '' } = progressOf(await bob.until(is('whole', id)))
  expect((await readFile(path)).equals(content)).toBe(true)
  await scene.alice.until(is('served', id))
  expect(scene.alice.peer.files.list()).toMatchObject([{ state: 'held', holders: [{ user: 'bob' }] }])
})

test('files under a bound come by themselves, of users who are trusted', async () => {
  await using world = await createWorld()
  const accept = { maxBytes: 10, from: [user('alice')] }
  const bob = await world.settle('bob', undefined, { files: { accept } })
  const alice = await world.settle('alice')
  const carol = await world.settle('carol')
  const small = join(world.folder, 'small')
  const large = join(world.folder, 'large')
  await writeFile(small, 'small')
  await writeFile(large, 'more than ten bytes')
  const theirs = await carol.peer.sendFile(carol.peer.general, small)
  const heavy = await alice.peer.sendFile(alice.peer.general, large)
  await Promise.all([hears(bob, theirs), hears(bob, heavy)])
  const light = await alice.peer.sendFile(alice.peer.general, small)
  await bob.until(is('whole', light))
  const states = new Map(bob.peer.files.list().map(({ id, state }) => [id, state]))
  expect([states.get(light), states.get(heavy), states.get(theirs)]).toEqual(['held', 'offered', 'offered'])
})

test('a fetch is paused and goes on where it was, over a restart too', async () => {
  await using scene = await offering(8, 8 * CHUNK_BYTES)
  const { bob, id, content } = scene
  bob.peer.files.fetch(id)
  await bob.until((event) => is('fetching', id)(event) && progressOf(event).bytes >= 2 * CHUNK_BYTES)
  expect(await bob.peer.files.pause(id)).toBeNull()
  const { bytes } = progressOf(await bob.until(is('paused', id)))
  expect(bytes).toBeLessThan(content.byteLength)
  await bob.comeBack()
  expect(bob.peer.files.list()).toMatchObject([{ state: 'wanted', paused: true }])
  expect(bob.seen(is('fetching', id))).toBe(false)
  bob.peer.files.resume(id)
  // What had come is not fetched again.
  const first = await bob.until((event) => is('fetching', id)(event) && progressOf(event).bytes > 0)
  expect(progressOf(first).bytes).toBeGreaterThanOrEqual(bytes)
  const { path = '' } = progressOf(await bob.until(is('whole', id)))
  expect((await readFile(path)).equals(content)).toBe(true)
})

test('a sender pauses what it serves, and goes on', async () => {
  await using scene = await offering(8, 8 * CHUNK_BYTES)
  const { alice, bob, id, content } = scene
  bob.peer.files.fetch(id)
  await bob.until((event) => is('fetching', id)(event) && progressOf(event).bytes >= CHUNK_BYTES)
  expect(await alice.peer.files.pause(id)).toBeNull()
  const { refusal } = progressOf(await bob.until(is('waiting', id)))
  expect(refusal).toMatchObject({ code: 'file-paused', by: 'there' })
  alice.peer.files.resume(id)
  const { path = '' } = progressOf(await bob.until(is('whole', id)))
  expect((await readFile(path)).equals(content)).toBe(true)
})

test('a fetch that is cancelled leaves nothing, and can be begun again', async () => {
  await using scene = await offering(8, 8 * CHUNK_BYTES)
  const { bob, id, content } = scene
  bob.peer.files.fetch(id)
  await bob.until((event) => is('fetching', id)(event) && progressOf(event).bytes >= CHUNK_BYTES)
  expect(await bob.peer.files.cancel(id)).toBeNull()
  expect(await readdir(bob.peer.files.folder())).toEqual([])
  expect(bob.peer.files.list()).toMatchObject([{ state: 'declined' }])
  bob.peer.files.fetch(id)
  const { path = '' } = progressOf(await bob.until(is('whole', id)))
  expect((await readFile(path)).equals(content)).toBe(true)
})

test('an offer that is withdrawn is served by nobody any more, and what was on its way is gone', async () => {
  await using scene = await offering(8, 4 * CHUNK_BYTES)
  const { world, alice, bob, id } = scene
  const small = join(world.folder, 'small')
  await writeFile(small, 'small')
  const held = await alice.peer.sendFile(alice.peer.general, small)
  await hears(bob, held)
  bob.peer.files.fetch(held)
  await bob.until(is('whole', held))
  bob.peer.files.fetch(id)
  await bob.until((event) => is('fetching', id)(event) && progressOf(event).bytes >= CHUNK_BYTES)
  expect(await alice.peer.files.cancel(id)).toBeNull()
  expect(await alice.peer.files.cancel(held)).toBeNull()
  await bob.until(is('cancelled', id))
  await vi.waitFor(async () => expect(await readdir(bob.peer.files.folder())).toEqual(['small']))
  await vi.waitFor(() => expect(bob.peer.files.list()).toEqual([]))
  expect(bob.peer.files.fetch(id)).toMatchObject({ code: 'file-not-held' })
  expect((await stat(scene.path)).size).toBe(8 * CHUNK_BYTES)
  expect(alice.peer.files.fetch(held)).toMatchObject({ code: 'file-not-held' })
})

test('a fetched copy is deleted here, and our own file never', async () => {
  await using scene = await offering(1)
  const { alice, bob, id } = scene
  bob.peer.files.fetch(id)
  const { path = '' } = progressOf(await bob.until(is('whole', id)))
  expect(await bob.peer.files.remove(id)).toBeNull()
  await expect(stat(path)).rejects.toThrow()
  expect(await alice.peer.files.remove(id)).toBeNull()
  expect((await stat(scene.path)).size).toBe(CHUNK_BYTES)
  bob.peer.files.fetch(id)
  expect(progressOf(await bob.until(is('waiting', id))).refusal).toMatchObject({ code: 'file-not-held' })
})

test('what is shared again is not hashed again, unless it has changed', async () => {
  await using scene = await offering(1)
  const { alice, path } = scene
  const hashing = (): number => hashed
  let hashed = 0
  alice.peer.on((event) => {
    if (is('hashing')(event)) hashed++
  })
  await alice.peer.sendFile(alice.peer.general, path)
  expect(hashing()).toBe(0)
  await writeFile(path, randomBytes(CHUNK_BYTES))
  await alice.peer.sendFile(alice.peer.general, path)
  expect(hashing()).toBe(1)
})

test('a disk that fills up in the middle pauses the file with a reason, and it goes on when there is room', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  let free = Number.MAX_SAFE_INTEGER
  const bob = await world.settle('bob', undefined, { files: { freeBytes: async () => free } })
  const path = join(world.folder, 'large.bin')
  const content = randomBytes(40 * CHUNK_BYTES)
  await writeFile(path, content)
  free = DISK_RESERVE_BYTES // enough for nothing
  const id = await alice.peer.sendFile(alice.peer.general, path)
  const { refusal } = progressOf(await bob.until(is('waiting', id)))
  expect(refusal).toMatchObject({ code: 'disk-full', by: 'here' })
  free = Number.MAX_SAFE_INTEGER
  bob.peer.on((event) => {
    if (is('fetching', id)(event) && progressOf(event).bytes === 20 * CHUNK_BYTES) free = 0
  })
  const full = await bob.until((event) => is('waiting', id)(event) && progressOf(event).bytes > 0)
  expect(progressOf(full)).toMatchObject({ refusal: { code: 'disk-full' } })
  expect(progressOf(full).bytes).toBeLessThan(content.byteLength)
  free = Number.MAX_SAFE_INTEGER
  const landed = progressOf(await bob.until(is('whole', id))).path ?? ''
  expect((await readFile(landed)).equals(content)).toBe(true)
})

test('a quota is kept, and room is made by deleting', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob', undefined, { files: { quotaBytes: 10 } })
  const [first, second] = [join(world.folder, 'first'), join(world.folder, 'second')]
  await writeFile(first, '12345678')
  await writeFile(second, '12345678')
  const one = await alice.peer.sendFile(alice.peer.general, first)
  await bob.until(is('whole', one))
  const other = await alice.peer.sendFile(alice.peer.general, second)
  expect(progressOf(await bob.until(is('waiting', other))).refusal).toMatchObject({ code: 'file-quota' })
  await bob.peer.files.remove(one)
  await bob.until(is('whole', other))
})

test('another folder is for the files from then on', async () => {
  await using scene = await offering(1)
  const { world, bob, id } = scene
  await expect(bob.peer.files.setFolder(join(world.folder, 'nowhere'))).rejects.toThrow()
  expect(await bob.peer.files.setFolder(world.folder)).toBe(world.folder)
  await rm(scene.path) // its name is free
  await writeFile(join(world.folder, 'other'), '')
  bob.peer.files.fetch(id)
  expect(progressOf(await bob.until(is('waiting', id))).refusal).toMatchObject({ code: 'file-unreadable' })
})
