import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sitDown } from '../support/terminal.ts'
import { createWorld } from '../support/world.ts'

let world: Awaited<ReturnType<typeof createWorld>>
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

// Two pixels by three.
const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000020000000308060000009d747466', 'hex')

test('files are offered, listed, fetched and deleted with words that people know', async () => {
  const one = await world.settle('alice')
  const two = await world.settle('bob', undefined, { files: { accept: { maxBytes: 0, from: 'everybody' } } })
  const alice = sitDown(one)
  const bob = sitDown(two)
  await bob.sees('alice is here')
  const folder = join(world.folder, 'my files')
  await mkdir(join(folder, 'album'), { recursive: true })
  await writeFile(join(folder, 'notes.txt'), '\n  first line\nsecond line\n')
  await writeFile(join(folder, 'dot.png'), PNG)
  await writeFile(join(folder, 'album', 'a'), 'a')

  alice.type(`/cd ${folder}`)
  await alice.sees(`files go to ${folder} from now on`)
  alice.type('/pwd')
  await alice.sees(folder)
  alice.type('/ls')
  await alice.sees(/folder {2}album\n[\s\S]*33 B {2}dot.png\n[\s\S]*26 B {2}notes.txt/)
  for (const one of ['"notes.txt"', 'dot.png', 'album']) {
    alice.type(`/send ${one}`)
    await alice.sees(`${one.replaceAll('"', '')}; keep this running`)
  }
  await bob.sees('sends album (1 B, 1 files)')

  bob.type('/files')
  await bob.sees(/alice: notes.txt \(26 B\) {2}to be fetched/)
  const ids = new Map(two.peer.files.list().map(({ name, id }) => [name, id.slice(0, 8)]))
  bob.type(`/get ${ids.get('notes.txt')}`)
  await bob.sees('* notes.txt is here: ')
  await bob.sees('“first line”')
  bob.type(`/get ${ids.get('dot.png')}`)
  await bob.sees('PNG, 2 × 3')
  bob.type(`/get ${ids.get('album')}`)
  await bob.sees('* album is here: ')
  await alice.sees('* album was fetched by')
  alice.type('/files')
  await alice.sees(/alice: album \(1 B, 1 files\) {2}here: .*has it: bob/)
  const album = two.peer.files.list().find(({ name }) => name === 'album')?.path ?? ''
  expect(await readFile(join(album, 'a'), 'utf8')).toBe('a')

  alice.type('/send "notes.txt" album')
  await bob.sees('sends notes.txt and 1 more (')
  bob.type(`/get ${two.peer.files.list().at(-1)?.id}`)
  await bob.sees('* notes.txt and 1 more is here: ')

  bob.type(`/files delete ${ids.get('album')}`)
  await bob.sees('* deleted here')
  bob.type('/files')
  await bob.sees(/alice: album \(1 B, 1 files\) {2}not wanted/)
  await expect(readFile(join(album, 'a'))).rejects.toThrow()
  alice.type(`/pause ${ids.get('album')}`)
  await alice.sees('* album is paused')
  alice.type(`/resume ${ids.get('album')}`)
  await alice.sees('* it goes on')
  alice.type(`/cancel ${ids.get('notes.txt')}`)
  await alice.sees('* cancelled')
  await bob.sees('(taken back)')
  for (const wrong of ['/get', '/get ffff', '/send nothing-there', '/cd nowhere', '/files delete']) {
    bob.type(wrong)
    await bob.sees('  next: ')
    bob.type('/pwd')
    await bob.sees(two.peer.files.folder())
  }
  await Promise.all([alice.leave(), bob.leave()])
})
