import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { FileProgress, PeerEvent } from '../../peer/events.ts'
import { wordsOf } from '../../shared/errors.ts'
import { CHUNK_BYTES } from '../../shared/limits.ts'
import { testNetwork } from '../support/certificates.ts'
import { startDriver, writeDriverProfile } from '../support/drivers.ts'
import { createSmallDisk, testWithSmallDisk } from '../support/small-disk.ts'

const CHUNKS = 12

const progressOf = (event: PeerEvent): FileProgress | null => (event.kind === 'file' ? event.progress : null)
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

testWithSmallDisk(
  'the disk of the download folder runs full in the middle: it is told, and with room again the file goes on',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lanyard-full-'))
    await using stack = new AsyncDisposableStack()
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const network = testNetwork()
    // Room for the file and for what we leave free: only what others write there in the middle fills it.
    const disk = createSmallDisk(join(folder, 'disk'), '96m')
    const alice = stack.use(
      await startDriver(await writeDriverProfile(network, folder, 'alice', { bytesPerSecond: 4 * CHUNK_BYTES })),
    )
    const downloads = join(disk.path, 'downloads')
    const bob = stack.use(
      await startDriver(await writeDriverProfile(network, folder, 'bob', { downloads }), { spawn: disk.start }),
    )
    await bob.do({ do: 'meet', peer: alice.ready.peer, addresses: [...alice.ready.addresses] })
    const content = randomBytes(CHUNKS * CHUNK_BYTES)
    const path = join(folder, 'film.bin')
    await writeFile(path, content)
    await alice.do({ do: 'send', path })
    let reached = 0
    let told: FileProgress['refusal']
    let least = Number.POSITIVE_INFINITY
    let filling = false
    let cleared = false
    void bob
      .until((event) => {
        const progress = progressOf(event)
        if (progress?.state === 'waiting' && filling) told ??= progress.refusal
        if (progress?.state !== 'fetching') return false
        if (told === undefined) reached = Math.max(reached, progress.bytes)
        else if (cleared) least = Math.min(least, progress.bytes)
        return false
      })
      .catch(() => undefined)
    await bob.until((event) => (progressOf(event)?.bytes ?? 0) >= 2 * CHUNK_BYTES)

    filling = true
    disk.fill()
    const isFull = (event: PeerEvent): boolean => progressOf(event)?.refusal?.code === 'disk-full'
    const { event } = await bob.until(isFull)
    expect(progressOf(event)?.state).toBe('waiting')
    if (told === undefined) throw new Error('nothing was told')
    // Told by the write that found no room, and not only by the next look at the disk, which would say how much is missing.
    expect(told).toEqual({ kind: 'refusal', code: 'disk-full', detail: undefined, by: 'here' })
    expect(wordsOf(told)).toMatch(/not enough room on the disk/)
    expect(reached).toBeLessThan(content.byteLength)

    cleared = true
    disk.clear()
    const { event: end } = await bob.until((one) => progressOf(one)?.state === 'whole')
    const landed = progressOf(end)?.path ?? ''
    expect(landed).toBe(join(downloads, 'film.bin'))
    expect(sha256(await readFile(disk.seen(landed)))).toBe(sha256(content))
    // It went on from what was there: no chunk came twice.
    expect(least).toBeGreaterThanOrEqual(reached)
    expect(least).toBeLessThan(content.byteLength)
  },
  120_000,
)
