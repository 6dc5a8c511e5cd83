import { createHash, randomBytes } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FileProgress, PeerEvent } from '../../peer/events.ts'
import { createWorld } from '../support/world.ts'

const whole = (event: PeerEvent): boolean => event.kind === 'file' && event.progress.state === 'whole'
const progressOf = (event: PeerEvent): FileProgress => {
  if (event.kind !== 'file') throw new Error(`not about a file: ${event.kind}`)
  return event.progress
}
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('a file arrives whole in the download folder, for its owner only', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const content = randomBytes(5 * 1024 * 1024 + 123)
  const path = join(world.folder, 'pläne.bin')
  await writeFile(path, content)
  await alice.peer.sendFile(alice.peer.general, path)
  const landed = progressOf(await bob.until(whole)).path ?? ''
  expect(sha256(await readFile(landed))).toBe(sha256(content))
  expect(landed.endsWith('pläne.bin')).toBe(true)
  expect((await stat(landed)).mode & 0o777).toBe(0o600)
})

test('a file comes from another member when its sender is gone', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const content = randomBytes(3 * 1024 * 1024)
  const path = join(world.folder, 'plan.bin')
  await writeFile(path, content)
  await alice.peer.sendFile(alice.peer.general, path)
  await bob.until(whole)
  await alice.leave()
  const carol = await world.settle('carol')
  const landed = progressOf(await carol.until(whole)).path ?? ''
  expect(sha256(await readFile(landed))).toBe(sha256(content))
})

test('a file that changed after it was offered is refused, and never mixed', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const path = join(world.folder, 'draft.bin')
  await writeFile(path, randomBytes(2 * 1024 * 1024))
  await alice.peer.sendFile(alice.peer.general, path)
  await writeFile(path, randomBytes(2 * 1024 * 1024))
  const bob = await world.settle('bob')
  const { refusal } = progressOf(
    await bob.until((event) => event.kind === 'file' && event.progress.state === 'waiting'),
  )
  expect(refusal).toMatchObject({ code: 'file-changed', by: 'there' })
})

test('an empty file arrives', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const path = join(world.folder, 'empty.txt')
  await writeFile(path, '')
  await alice.peer.sendFile(alice.peer.general, path)
  expect((await stat(progressOf(await bob.until(whole)).path ?? '')).size).toBe(0)
})

test('a file that is offered twice can be fetched under either offer', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const path = join(world.folder, 'again.bin')
  await writeFile(path, randomBytes(2 * 1024 * 1024))
  const offers = [
    await alice.peer.sendFile(alice.peer.general, path),
    await alice.peer.sendFile(alice.peer.general, path),
  ]
  const bob = await world.settle('bob')
  for (const id of offers) await bob.until((event) => whole(event) && progressOf(event).id === id)
})
