import { createHash, randomBytes } from 'node:crypto'
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { expect, test } from 'vitest'
import type { FileProgress, PeerEvent } from '../../peer/events.ts'
import { openLanding } from '../../peer/files/landing.ts'
import { manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { buildManifest, lookAt } from '../../peer/files/source.ts'
import { walkFolder } from '../../peer/files/tree.ts'
import { orThrow } from '../../shared/errors.ts'
import { CHUNK_BYTES } from '../../shared/limits.ts'
import { temporaryFolder } from '../support/enrolment.ts'
import { createWorld } from '../support/world.ts'

const progressOf = (event: PeerEvent): FileProgress => {
  if (event.kind !== 'file') throw new Error(`not about a file: ${event.kind}`)
  return event.progress
}
const whole = (event: PeerEvent): boolean => event.kind === 'file' && event.progress.state === 'whole'

const disposable = async () => {
  const { path, remove } = await temporaryFolder()
  return { path, [Symbol.asyncDispose]: remove }
}

/** All that lies in a folder: hashes of files, and folders as such. */
const contentOf = async (root: string): Promise<Record<string, string>> => {
  const content: Record<string, string> = {}
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name)
    const stats = await lstat(path)
    expect(stats.mode & 0o777, path).toBe(entry.isDirectory() ? 0o700 : 0o600)
    content[relative(root, path)] = entry.isDirectory()
      ? 'folder'
      : createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
  }
  return content
}
const fill = async (root: string, files: Readonly<Record<string, Uint8Array | string>>): Promise<void> => {
  await mkdir(root, { recursive: true, mode: 0o700 })
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true, mode: 0o700 })
    await writeFile(join(root, path), content, { mode: 0o600 })
  }
}

test('a folder arrives whole under its name: large files, small ones, empty ones, empty folders, names in any script', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const source = join(world.folder, 'Ferien 2024')
  await fill(source, {
    'video.bin': randomBytes(2 * CHUNK_BYTES + 17),
    'a/small.txt': 'small',
    'a/empty.txt': '',
    'a/.hidden': 'seen all the same',
    '写真/東京.jpg': randomBytes(100_000),
    'نامه/سلام.txt': 'سلام',
    'z/👩‍👩‍👧.png': randomBytes(CHUNK_BYTES),
  })
  await mkdir(join(source, 'nothing/at all'), { recursive: true, mode: 0o700 })
  await alice.peer.sendFile(alice.peer.general, source)
  const { path = '' } = progressOf(await bob.until(whole))
  expect(path.endsWith('Ferien 2024')).toBe(true)
  expect(await contentOf(path)).toEqual(await contentOf(source))
  expect(await readdir(join(path, '..'))).toEqual(['Ferien 2024'])
  expect(bob.peer.files.list()).toMatchObject([{ name: 'Ferien 2024', files: 7, state: 'held', path }])

  // It comes a second time beside the first, also from bob, who was not asked to hash it.
  await bob.peer.sendFile(bob.peer.general, path)
  const again = progressOf(await alice.until(whole)).path ?? ''
  expect(await contentOf(again)).toEqual(await contentOf(source))
})

test('several files and folders are one offer, each under its own name, and no two under one', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const source = join(world.folder, 'source')
  await fill(source, {
    'plan.txt': 'one',
    'old/plan.txt': 'another',
    'photos/a.jpg': randomBytes(CHUNK_BYTES + 1),
    'photos/b/c.jpg': 'c',
    '.profile': 'asked for by name',
  })
  await mkdir(join(source, 'nothing'), { mode: 0o700 })
  const paths = ['plan.txt', 'old/plan.txt', 'photos', '.profile', 'nothing', 'plan.txt'].map((one) =>
    join(source, one),
  )
  const { id } = await alice.peer.files.offer(alice.peer.general, ...paths)
  const { path = '' } = progressOf(await bob.until(whole))
  expect(path.endsWith('plan.txt and 4 more')).toBe(true)
  expect(await readdir(join(path, '..'))).toEqual(['plan.txt and 4 more'])
  expect(Object.keys(await contentOf(path)).sort()).toEqual(
    ['.profile', 'nothing', 'photos', 'photos/a.jpg', 'photos/b', 'photos/b/c.jpg', 'plan (2).txt', 'plan.txt'].sort(),
  )
  expect(await readFile(join(path, 'plan.txt'), 'utf8')).toBe('one')
  expect(await readFile(join(path, 'plan (2).txt'), 'utf8')).toBe('another')
  expect((await readFile(join(path, 'photos/a.jpg'))).equals(await readFile(join(source, 'photos/a.jpg')))).toBe(true)
  // The sender's own stay where they are, whatever becomes of the offer.
  expect(await alice.peer.files.remove(id)).toBeNull()
  expect(await readdir(source)).toHaveLength(5)
  await expect(
    alice.peer.files.offer(alice.peer.general, join(source, 'plan.txt'), join(source, 'gone')),
  ).rejects.toMatchObject({ code: 'file-unreadable' })
})

test('a thousand small files are one offer of a few chunks', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const bob = await world.settle('bob')
  const source = join(world.folder, 'many')
  await fill(
    source,
    Object.fromEntries(Array.from({ length: 1_000 }, (_, at) => [`${at % 7}/${at}`, randomBytes(2_048)])),
  )
  await alice.peer.sendFile(alice.peer.general, source)
  const { path = '' } = progressOf(await bob.until(whole))
  expect(await contentOf(path)).toEqual(await contentOf(source))
})

test('links are not followed out of an offered folder', async () => {
  await using temporary = await disposable()
  const source = join(temporary.path, 'offered')
  await fill(temporary.path, { 'secret/key': 'secret', 'offered/a': 'a' })
  await symlink(join(temporary.path, 'secret'), join(source, 'b'))
  await symlink(join(temporary.path, 'secret/key'), join(source, 'c'))
  const found = orThrow(await walkFolder(source))
  expect(found.tree).toEqual({ files: [{ path: 'a', size: 1 }], folders: [] })
  expect(found.skipped).toBe(2)
})

test('names that others could not take are offered as names that they can', async () => {
  await using temporary = await disposable()
  await fill(temporary.path, { 'a:b': '1', 'a?b': '2', 'con.txt': '3', 'x /-y': '4', 'e\u0301': '5', A_b: '6' })
  const { tree } = orThrow(await walkFolder(temporary.path))
  const names = tree.files.map(({ path }) => path)
  expect(names).toHaveLength(6)
  expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(6)
  expect(names).toEqual(expect.arrayContaining(['_con.txt', 'x/_-y', '\u00e9', 'a_b (2)']))
  const places = orThrow(await lookAt(temporary.path)).parts.map(({ path }) => path)
  expect(places).toHaveLength(6)
})

test('a folder that changes after it was offered is refused, and never mixed', async () => {
  await using world = await createWorld()
  const alice = await world.settle('alice')
  const source = join(world.folder, 'draft')
  await fill(source, { a: 'one', b: 'two' })
  await alice.peer.sendFile(alice.peer.general, source)
  await writeFile(join(source, 'b'), 'TWO')
  const bob = await world.settle('bob')
  const event = await bob.until((one) => one.kind === 'file' && one.progress.state === 'waiting')
  expect(progressOf(event).refusal).toMatchObject({ code: 'file-changed', by: 'there' })
})

test('a folder that landed before a crash, and was not noted, is found under its name', async () => {
  await using temporary = await disposable()
  const source = join(temporary.path, 'source')
  await fill(source, { a: 'one', 'b/c': 'two' })
  const manifest = orThrow(await buildManifest(orThrow(await lookAt(source))))
  const plan = { folder: join(temporary.path, 'downloads'), name: 'folder', manifest, id: '0011223344556677' }
  const landing = orThrow(await openLanding(plan))
  await landing.write(0, Buffer.from('onetwo'))
  const crash = () => {
    throw new Error('crash')
  }
  await expect(landing.finish(crash)).rejects.toThrow('crash')
  const after = orThrow(await openLanding(plan))
  expect(after.isWhole()).toBe(true)
  const path = await after.finish()
  expect(path).toBe(join(plan.folder, 'folder'))
  expect(await contentOf(path)).toEqual(await contentOf(source))
  expect(await readdir(plan.folder)).toEqual(['folder'])
})

test('a folder goes on where it was, and does not write through a link that somebody laid in its way', async () => {
  await using temporary = await disposable()
  const source = join(temporary.path, 'source')
  const [first, second] = [randomBytes(CHUNK_BYTES), randomBytes(10)]
  await fill(source, { 'a/b': first, 'c/d': second })
  const manifest = orThrow(await buildManifest(orThrow(await lookAt(source))))
  const plan = { folder: join(temporary.path, 'downloads'), name: 'folder', manifest, id: '0011223344556677' }
  const before = orThrow(await openLanding(plan))
  await before.write(0, first)
  await before.close()
  await fill(temporary.path, { 'outside/d': 'precious' })
  const part = join(plan.folder, `.lanyard-${plan.id}.part`)
  await symlink(join(temporary.path, 'outside'), join(part, 'c'))
  const after = orThrow(await openLanding(plan))
  expect(after.landed[0]).toBe(1)
  await expect(after.write(1, second)).rejects.toThrow()
  await after.close()
  expect(await readFile(join(temporary.path, 'outside/d'), 'utf8')).toBe('precious')
})

test('20 GiB have a manifest of 640 KiB', async () => {
  const chunks = 20 * 1024
  const manifest = { size: chunks * CHUNK_BYTES, chunkBytes: CHUNK_BYTES, hashes: new Uint8Array(chunks * 32) }
  expect(manifestBytes(manifest).byteLength).toBeLessThan(641 * 1024)
  expect(manifestHash(manifest)).toHaveLength(32)
})
