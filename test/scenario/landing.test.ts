import { randomBytes } from 'node:crypto'
import { appendFileSync, truncateSync } from 'node:fs'
import { link, mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hasBit } from '../../peer/files/bitmap.ts'
import type { ReadOptions } from '../../peer/files/hash-chunks.ts'
import { type Landing, type LandingPlan, openLanding } from '../../peer/files/landing.ts'
import { chunkHash, type Manifest } from '../../peer/files/manifest.ts'
import { buildManifest as build, lookAt } from '../../peer/files/source.ts'
import { openSpan } from '../../peer/files/span.ts'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import { CHUNK_BYTES, DISK_RESERVE_BYTES } from '../../shared/limits.ts'

const ID = '00112233445566778899aabbccddeeff'
const PART = `.lanyard-${ID}.part`
const NOTE = `.lanyard-${ID}.note`

let home = ''
let folder = ''
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lanyard-landing-'))
  folder = join(home, 'downloads')
})
afterEach(() => rm(home, { recursive: true, force: true }))

const content = new Uint8Array(randomBytes(3 * CHUNK_BYTES + 123))
const chunkOf = (index: number) => content.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)

const granted = <T>(verdict: T | Refusal): T => {
  if (isRefusal(verdict)) throw new Error(`${verdict.code}: ${verdict.detail}`)
  return verdict
}
const buildManifest = async (path: string, options: ReadOptions = {}): Promise<Manifest | Refusal> => {
  const source = await lookAt(path)
  return isRefusal(source) ? source : await build(source, options)
}
const manifestOf = async (bytes: Uint8Array): Promise<Manifest> => {
  const path = join(home, 'source')
  await writeFile(path, bytes)
  return granted(await buildManifest(path))
}
const planOf = async (changes: Partial<LandingPlan> = {}): Promise<LandingPlan> => ({
  folder,
  name: 'photo.jpg',
  manifest: changes.manifest ?? (await manifestOf(content)),
  id: ID,
  ...changes,
})
const landingOf = async (changes: Partial<LandingPlan> = {}): Promise<Landing> =>
  granted(await openLanding(await planOf(changes)))
const land = async (landing: Landing, ...indexes: number[]) => {
  for (const index of indexes) expect(await landing.write(index, chunkOf(index))).toBeUndefined()
}
const landedIn = (landing: Landing) => [0, 1, 2, 3].filter((index) => hasBit(landing.landed, index))
const isContent = async (path: string) => Buffer.compare(await readFile(path), content) === 0

describe('a manifest from the disk', () => {
  test.each([0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])(
    'has the hashes of %i bytes',
    async (size) => {
      const bytes = content.subarray(0, size)
      const manifest = await manifestOf(bytes)
      expect(manifest.size).toBe(size)
      expect(manifest.hashes.byteLength).toBe(32 * Math.ceil(size / CHUNK_BYTES))
      for (let index = 0; index * CHUNK_BYTES < size; index++) {
        const chunk = bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)
        expect(chunkHash(manifest, index)).toEqual(sha256(chunk))
      }
    },
  )

  test('tells how far it is, and stops when asked to', async () => {
    const path = join(home, 'source')
    await writeFile(path, content)
    const seen: number[] = []
    await buildManifest(path, { onProgress: (bytes) => seen.push(bytes) })
    expect(seen).toEqual([1, 2, 3].map((n) => n * CHUNK_BYTES).concat(content.byteLength))
    const stop = new AbortController()
    const building = buildManifest(path, { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) })
    await expect(building).rejects.toThrow('enough')
  })

  test('is refused for what is not there, or a device', async () => {
    for (const path of [join(home, 'nothing'), '/dev/null']) {
      expect(await buildManifest(path)).toMatchObject({ kind: 'refusal', code: 'file-unreadable' })
    }
  })

  test('is refused when the file shrinks or grows meanwhile', async () => {
    const path = join(home, 'source')
    for (const change of [() => truncateSync(path, 10), () => appendFileSync(path, 'more')]) {
      await writeFile(path, content)
      // After the first chunk; the third has not been looked at by then.
      const verdict = await buildManifest(path, { onProgress: (bytes) => bytes === CHUNK_BYTES && change() })
      expect(verdict).toMatchObject({ kind: 'refusal', code: 'file-changed' })
    }
  })

  test('a chunk that is no longer there is a change, not a fault', async () => {
    const path = join(home, 'source')
    const manifest = await manifestOf(content)
    await truncate(path, CHUNK_BYTES + 5)
    await using span = openSpan([{ path, size: content.byteLength }], manifest)
    expect(granted(await span.read(0))).toHaveLength(CHUNK_BYTES)
    expect(await span.read(1)).toMatchObject({ code: 'file-changed' })
  })
})

describe('a file that lands', () => {
  test('in any order, has its name and its bytes only when it is whole, and leaves nothing else', async () => {
    const landing = await landingOf()
    await land(landing, 3, 1, 0)
    expect(landing.isWhole()).toBe(false)
    await expect(landing.finish()).rejects.toThrow()
    expect((await readdir(folder)).sort()).toEqual([NOTE, PART])
    await land(landing, 2)
    const path = await landing.finish()
    expect(path).toBe(join(folder, 'photo.jpg'))
    expect(await isContent(path)).toBe(true)
    expect(await readdir(folder)).toEqual(['photo.jpg'])
  })

  test('is for its owner only', async () => {
    const landing = await landingOf()
    await land(landing, 0, 1, 2, 3)
    expect((await stat(join(folder, PART))).mode & 0o777).toBe(0o600)
    expect((await stat(await landing.finish())).mode & 0o777).toBe(0o600)
  })

  test('may be empty', async () => {
    const landing = await landingOf({ manifest: await manifestOf(new Uint8Array(0)) })
    expect(landing.isWhole()).toBe(true)
    expect((await stat(await landing.finish())).size).toBe(0)
  })

  test('never overwrites: a name that is taken gets a number', async () => {
    await mkdir(folder)
    await writeFile(join(folder, 'photo.jpg'), 'mine')
    await mkdir(join(folder, 'photo (2).jpg'))
    await symlink(join(home, 'nowhere'), join(folder, 'photo (3).jpg'))
    const landing = await landingOf()
    await land(landing, 0, 1, 2, 3)
    const path = await landing.finish()
    expect(path).toBe(join(folder, 'photo (4).jpg'))
    expect(await isContent(path)).toBe(true)
    expect(await readFile(join(folder, 'photo.jpg'), 'utf8')).toBe('mine')
    await expect(stat(join(home, 'nowhere'))).rejects.toThrow()
  })

  test('many of one name at once land beside each other', async () => {
    const manifest = await manifestOf(content.subarray(0, 10))
    const ids = Array.from({ length: 12 }, (_, index) => `${index}`.padStart(8, '0'))
    const paths = await Promise.all(
      ids.map(async (id) => {
        const landing = await landingOf({ manifest, id })
        await landing.write(0, content.subarray(0, 10))
        return landing.finish()
      }),
    )
    expect(new Set(paths).size).toBe(12)
    expect(await readdir(folder)).toHaveLength(12)
  })

  test('with an unsafe name is refused before anything is written', async () => {
    expect(await openLanding(await planOf({ name: '../photo.jpg' }))).toMatchObject({ code: 'file-name-unsafe' })
    await expect(stat(folder)).rejects.toThrow()
  })

  test('that the disk has no room for is refused, and leaves nothing', async () => {
    const freeBytes = async () => content.byteLength + DISK_RESERVE_BYTES - 1
    expect(await openLanding(await planOf({ freeBytes }))).toMatchObject({ kind: 'refusal', code: 'disk-full' })
    expect(await readdir(folder)).toEqual([])
  })

  test('asks the system for the room there is', async () => {
    const manifest = { ...(await manifestOf(content)), size: 2 ** 50 }
    expect(await openLanding(await planOf({ manifest }))).toMatchObject({ code: 'disk-full' })
  })

  test('does not follow a link that waits in its place', async () => {
    await mkdir(folder)
    await writeFile(join(home, 'target'), 'precious')
    await symlink(join(home, 'target'), join(folder, PART))
    await expect(openLanding(await planOf())).rejects.toThrow()
    expect(await readFile(join(home, 'target'), 'utf8')).toBe('precious')
  })

  test('takes no chunk of a wrong length or place', async () => {
    await using landing = await landingOf()
    await expect(landing.write(0, chunkOf(3))).rejects.toThrow()
    await expect(landing.write(3, chunkOf(0))).rejects.toThrow()
    await expect(landing.write(4, chunkOf(0))).rejects.toThrow()
    await expect(landing.write(4, new Uint8Array(0))).rejects.toThrow()
    expect(landedIn(landing)).toEqual([])
  })

  test('zeros are a hole on the disk, and are written where something else lies', async () => {
    const bytes = new Uint8Array(3 * CHUNK_BYTES)
    bytes.fill(7, 2 * CHUNK_BYTES)
    const manifest = await manifestOf(bytes)
    const landAll = async (landing: Landing): Promise<string> => {
      for (const index of [0, 1, 2])
        await landing.write(index, bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES))
      return await landing.finish()
    }
    const sparse = await landAll(await landingOf({ manifest }))
    expect((await stat(sparse)).blocks * 512).toBeLessThan(2 * CHUNK_BYTES)
    expect(Buffer.compare(await readFile(sparse), bytes)).toBe(0)

    await (await landingOf({ manifest })).close()
    await writeFile(join(folder, PART), new Uint8Array(3 * CHUNK_BYTES).fill(9))
    expect(Buffer.compare(await readFile(await landAll(await landingOf({ manifest }))), bytes)).toBe(0)
  })

  test('that is not wanted any more leaves nothing', async () => {
    const landing = await landingOf()
    await land(landing, 0)
    await landing.discard()
    expect(await readdir(folder)).toEqual([])
  })
})

describe('after a crash or a stop', () => {
  test('a transfer goes on where it was', async () => {
    const before = await landingOf()
    await land(before, 0, 2)
    await before.close()
    const seen: number[] = []
    const after = granted(await openLanding(await planOf(), { onProgress: (bytes) => seen.push(bytes) }))
    expect(landedIn(after)).toEqual([0, 2])
    expect(seen).toEqual([CHUNK_BYTES, 2 * CHUNK_BYTES])
    await land(after, 1, 3)
    expect(await isContent(await after.finish())).toBe(true)
  })

  test('of a process that was killed, what it wrote counts: nothing waits for a close', async () => {
    const killed = await landingOf()
    await land(killed, 1)
    // The other landing is still open, as the files of a killed process would be found.
    await using after = await landingOf()
    expect(landedIn(after)).toEqual([1])
    await killed.close()
  })

  test('a chunk that the note claims, and the disk does not have, is fetched again', async () => {
    const before = await landingOf()
    await land(before, 0, 1, 2, 3)
    await before.close()
    const part = await open(join(folder, PART), 'r+')
    await part.write(
      Buffer.from([chunkOf(1)[500] ?? 0]).map((byte) => byte ^ 1),
      0,
      1,
      CHUNK_BYTES + 500,
    )
    await part.close()
    await truncate(join(folder, PART), 3 * CHUNK_BYTES + 5)
    const after = await landingOf()
    expect(landedIn(after)).toEqual([0, 2])
    await land(after, 1, 3)
    expect(await isContent(await after.finish())).toBe(true)
  })

  test('a note that is lost, cut or full of lies costs time, never a wrong byte', async () => {
    const lies = [new Uint8Array(0), new Uint8Array([0xff]), new Uint8Array(1_000).fill(0xff)]
    for (const lie of lies) {
      const before = await landingOf()
      await land(before, 2)
      await before.close()
      await writeFile(join(folder, NOTE), lie)
      const after = await landingOf()
      expect(landedIn(after)).toEqual(lie.byteLength === 0 ? [] : [2])
      await land(after, 0, 1, 2, 3)
      expect(await isContent(await after.finish())).toBe(true)
    }
  })

  test('room that ran out keeps what has arrived, and counts it', async () => {
    const before = await landingOf()
    await land(before, 0, 1)
    await before.close()
    const little = async () => DISK_RESERVE_BYTES + CHUNK_BYTES
    expect(await openLanding(await planOf({ freeBytes: little }))).toMatchObject({ code: 'disk-full' })
    const enough = async () => DISK_RESERVE_BYTES + CHUNK_BYTES + 123
    await using after = await landingOf({ freeBytes: enough })
    expect(landedIn(after)).toEqual([0, 1])
  })

  test('between the name and the end, the file is found under its name, not landed a second time', async () => {
    const before = await landingOf()
    await land(before, 0, 1, 2, 3)
    await before.close()
    await link(join(folder, PART), join(folder, 'photo.jpg'))
    const after = await landingOf()
    expect(after.isWhole()).toBe(true)
    expect(await after.finish()).toBe(join(folder, 'photo.jpg'))
    expect(await readdir(folder)).toEqual(['photo.jpg'])
  })

  test('between the name and the end, what the owner has done to the file stays done', async () => {
    for (const edit of [(path: string) => truncate(path, 7), (path: string) => writeFile(path, 'edited')]) {
      const before = await landingOf()
      await land(before, 0, 1, 2, 3)
      await before.close()
      const named = join(folder, 'photo.jpg')
      await link(join(folder, PART), named)
      await edit(named)
      const edited = await readFile(named)
      const after = await landingOf()
      expect(landedIn(after)).toEqual([])
      await land(after, 0, 1, 2, 3)
      expect(await after.finish()).toBe(join(folder, 'photo (2).jpg'))
      expect(await readFile(named)).toEqual(edited)
      await rm(folder, { recursive: true })
    }
  })
})
