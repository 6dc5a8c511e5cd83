import type { Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { fault, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { CHUNK_BYTES, DISK_CHECK_BYTES, DISK_RESERVE_BYTES, FILE_FLUSH_BYTES } from '../../shared/limits.ts'
import { type Bitmap, countBits, emptyBitmap, hasBit, setBit } from './bitmap.ts'
import { openDirect } from './direct.ts'
import { chunkCount, chunkLength } from './extent.ts'
import { openGround, openOwn } from './ground.ts'
import { hashChunks, type ReadOptions } from './hash-chunks.ts'
import { chunkHash, type Manifest } from './manifest.ts'
import { safeFileName } from './name.ts'
import { placesOf } from './path.ts'
import { publishedFolder, publishFile, publishFolder } from './publish.ts'
import type { StampedPart } from './source.ts'
import { codeOf, openSpan, type Part, writeAll } from './span.ts'
import { stampOf } from './tree.ts'

/**
 * A file or a folder on its way to the download folder. The chunks go to `.lanyard-<id>.part`, and a note of which are there
 * to `.lanyard-<id>.note`; only what is whole gets its name. Closing keeps both, for a later `openLanding` to go on from.
 */
export type Landing = AsyncDisposable & {
  /** The chunks that are on the disk, those of an earlier time hashed again. Grows with each `write`. */
  readonly landed: Bitmap
  isWhole(): boolean
  /** Writes a chunk that `openChunk` has checked, in its place. `disk-full` keeps what is there. */
  write(index: number, chunk: Uint8Array): Promise<Refusal | undefined>
  /** A chunk that has landed, for others; `file-changed` when somebody has taken it away again. */
  read(index: number, into?: Uint8Array): Promise<Uint8Array | Refusal>
  /**
   * Gives what is whole its name, or a numbered one where that is taken. Then it is closed.
   * @param onNamed notes the path and the files; after a crash before that is done, `openLanding` finds what was named
   */
  finish(onNamed?: (landed: Landed) => void): Promise<string>
  /** Closes, and keeps what has arrived. */
  close(): Promise<void>
  /** Closes, and deletes what has arrived. */
  discard(): Promise<void>
}

/** Where it is now. */
export type Landed = { readonly path: string; readonly parts: readonly StampedPart[] }

export type LandingPlan = {
  /** The download folder; made if it is missing. */
  readonly folder: string
  /** The name that the sender gave: checked here again. */
  readonly name: string
  readonly manifest: Manifest
  /** 8–64 lower-case hex characters that name this download, such as the manifest's hash. One landing an id at a time. */
  readonly id: string
  /** Free bytes of the disk that has the folder; the system's answer unless given. */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined
}

/**
 * Prepares the place, once the disk has room for what is missing. A chunk that the note claims counts only when its bytes
 * on the disk hash to the manifest's: after a power cut the note may know of more than the disk does.
 * @param options `onProgress` tells of the bytes that were hashed again
 */
export const openLanding = async (plan: LandingPlan, options: ReadOptions = {}): Promise<Landing | Refusal> => {
  const name = safeFileName(plan.name)
  if (isRefusal(name)) return name
  if (!/^[0-9a-f]{8,64}$/.test(plan.id)) throw fault('fault', 'a landing id that is not hex')
  const { folder, manifest } = plan
  const { tree } = manifest
  const places = tree === undefined ? null : placesOf(tree)
  if (isRefusal(places)) return places
  const traces = tracesOf(folder, plan.id)
  const freeBytes = plan.freeBytes ?? systemFreeBytes
  await mkdir(folder, { recursive: true, mode: 0o700 })

  /** Where the files are below a root: the part, or the folder that got its name. */
  const partsIn = (root: string): readonly Part[] =>
    places === null || tree === undefined
      ? [{ path: root, size: manifest.size }]
      : places.files.map((place, at) => ({ path: join(root, place), size: tree.files[at]?.size ?? 0 }))

  const named = places === null ? null : await publishedFolder(traces.to)
  if (named !== null) return alreadyNamed(manifest, { path: named, parts: await stamped(partsIn(named)) }, traces)

  await using opened = new AsyncDisposableStack()
  const isNew = (await lstat(traces.part).catch(() => null)) === null
  const ground = opened.use(await openGround(traces.part, places))
  const note = opened.use(await openOwn(traces.note))
  const parts = partsIn(traces.part)
  const before = isNew ? [] : await Promise.all(parts.map(({ path }) => lstat(path).catch(() => null)))

  const missing = Math.max(0, manifest.size - allocatedBytes(before))
  const free = await freeBytes(folder)
  if (missing > 0 && missing + DISK_RESERVE_BYTES > free) {
    // Room that runs out later leaves what has arrived; a file that was never begun leaves nothing.
    if (allocatedBytes(before) === 0) await removeTraces(traces)
    return refuse('disk-full', `${missing} bytes are missing, ${Math.max(0, free - DISK_RESERVE_BYTES)} are free`)
  }

  const landed = await verified(parts, await claimed(note, manifest), manifest, options)
  const isWhole = () => countBits(landed, chunkCount(manifest)) === chunkCount(manifest)
  // A crash after the file had got its name leaves a part that is that same file. What its owner has done to it since is
  // not ours to touch: whole, it is finished; else we begin with a part of our own.
  if (places === null && (before[0]?.nlink ?? 0) > 1 && !isWhole()) {
    await removeTraces(traces)
    return openLanding(plan, options)
  }
  await note.write(landed, 0, landed.byteLength, 0)
  await note.truncate(landed.byteLength)
  // Nothing was ever written to a part without a length: all of it is one hole.
  const isHole = places === null && (isNew || before[0]?.size === 0)
  const span = opened.use(openSpan(parts, manifest, { create: ground.create, onFilled: ground.settle }))
  if (places === null) await ground.extend(manifest.size)
  const direct = places === null && manifest.size >= manifest.chunkBytes ? await openDirect(traces.part) : null
  if (direct !== null) opened.use(direct)

  const handles = opened.move()
  const close = async () => {
    await flushing
    await handles.disposeAsync()
  }
  let unflushed = 0
  let flushing: Promise<void> | null = null
  /** Sends what was written on to the disk while more comes: at the end little is left to wait for. */
  const flushSoon = (bytes: number): void => {
    unflushed += bytes
    if (unflushed < FILE_FLUSH_BYTES || flushing !== null) return
    unflushed = 0
    flushing = span.flush().then(
      () => {
        flushing = null
      },
      () => undefined, // `finish` syncs again, and tells
    )
  }
  let noting: Promise<void> = Promise.resolve()
  let unlooked = 0
  return {
    landed,
    isWhole,
    read: (index, into) => span.read(index, into),
    write: async (index, chunk) => {
      if (chunk.byteLength === 0 || chunk.byteLength !== chunkLength(manifest, index)) {
        throw fault('fault', `${chunk.byteLength} bytes for chunk ${index}`)
      }
      unlooked += chunk.byteLength
      if (unlooked >= DISK_CHECK_BYTES) {
        unlooked = 0
        // Others write to this disk, too: who fills it to the last byte breaks the database that all this is kept in.
        if ((await freeBytes(folder)) < DISK_RESERVE_BYTES) return refuse('disk-full')
      }
      try {
        const isThere = (isHole && isZeros(chunk)) || (await direct?.write(chunk, index * manifest.chunkBytes)) === true
        if (!isThere) await span.write(index, chunk)
        // One byte in place, after the chunk: no crash leaves half a note, and a claim too many is found at the resume.
        const at = setBit(landed, index)
        noting = noting.then(() => writeAll(note, landed.subarray(at, at + 1), at))
        await noting
        if (!isThere) flushSoon(chunk.byteLength)
        return undefined
      } catch (cause) {
        if (FULL.has(codeOf(cause))) return refuse('disk-full')
        throw cause
      }
    },
    finish: async (onNamed) => {
      if (!isWhole()) throw fault('fault', 'a file that is not whole gets no name')
      const whole = await ground.complete(parts)
      await close()
      const path =
        places === null
          ? await publishFile(traces.part, folder, name)
          : await publishFolder(traces.part, traces.to, folder, name)
      // A file that gets another name is still the same one.
      onNamed?.({ path, parts: partsIn(path).map((part, at) => ({ ...part, stamp: stampIn(whole[at]) })) })
      await removeTraces(traces)
      return path
    },
    close,
    discard: async () => {
      await close()
      await removeTraces(traces)
    },
    [Symbol.asyncDispose]: close,
  }
}

/** Takes away what has arrived of a download that is not wanted any more. @param id as in its plan */
export const discardLanding = (folder: string, id: string): Promise<void> => removeTraces(tracesOf(folder, id))

/** It got its name before the crash, and nobody was told. */
const alreadyNamed = (manifest: Manifest, landed: Landed, traces: Traces): Landing => ({
  landed: emptyBitmap(chunkCount(manifest)).fill(0xff),
  isWhole: () => true,
  write: () => Promise.reject(fault('fault', 'it is whole')),
  read: () => Promise.resolve(refuse('file-not-held')),
  finish: async (onNamed) => {
    onNamed?.(landed)
    await removeTraces(traces)
    return landed.path
  },
  close: () => Promise.resolve(),
  discard: () => removeTraces(traces),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

/** A hole reads as zeros: the image of a disk takes as much room here as at its sender. */
const isZeros = (chunk: Uint8Array): boolean =>
  chunk[0] === 0 && Buffer.compare(chunk, ZEROS.subarray(0, chunk.byteLength)) === 0
const ZEROS = new Uint8Array(CHUNK_BYTES) // the system gives it pages when it is first compared with

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

type Traces = { readonly part: string; readonly note: string; readonly to: string }

const tracesOf = (folder: string, id: string): Traces => {
  const trace = (ending: string) => join(folder, `.lanyard-${id}.${ending}`)
  return { part: trace('part'), note: trace('note'), to: trace('to') }
}

const removeTraces = async ({ part, note, to }: Traces): Promise<void> => {
  await rm(part, { recursive: true, force: true })
  await Promise.all([rm(note, { force: true }), rm(to, { force: true })])
}

/** What the note says, which is not yet to be believed. */
const claimed = async (note: FileHandle, manifest: Manifest): Promise<readonly number[]> => {
  const chunks = chunkCount(manifest)
  const claims = emptyBitmap(chunks)
  await note.read(claims, 0, claims.byteLength, 0)
  return Array.from({ length: chunks }, (_, index) => index).filter((index) => hasBit(claims, index))
}

/** The claims that the disk bears out. */
const verified = async (
  parts: readonly Part[],
  claims: readonly number[],
  manifest: Manifest,
  options: ReadOptions,
): Promise<Bitmap> => {
  const landed = emptyBitmap(chunkCount(manifest))
  const onHash = (index: number, hash: Uint8Array | null): void => {
    if (hash !== null && Buffer.compare(hash, chunkHash(manifest, index)) === 0) setBit(landed, index)
  }
  await hashChunks({ parts, extent: { size: manifest.size, chunkBytes: manifest.chunkBytes } }, claims, onHash, options)
  return landed
}

const stampIn = (stats: Stats | undefined): string => (stats === undefined ? '' : stampOf(stats))

const stamped = async (parts: readonly Part[]): Promise<readonly StampedPart[]> => {
  const all: StampedPart[] = []
  for (const part of parts) all.push({ ...part, stamp: stampOf(await lstat(part.path)) })
  return all
}

const systemFreeBytes = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

// POSIX counts in blocks of 512 bytes, whatever the disk's own are; holes do not count.
const allocatedBytes = (all: readonly (Stats | null)[]): number =>
  all.reduce((sum, stats) => sum + (stats?.blocks ?? 0) * 512, 0)
