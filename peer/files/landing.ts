import { constants, type Stats } from 'node:fs'
import { type FileHandle, mkdir, open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { fault, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { DISK_RESERVE_BYTES, FILE_FLUSH_BYTES } from '../../shared/limits.ts'
import { type Bitmap, countBits, emptyBitmap, hasBit, setBit } from './bitmap.ts'
import { chunkCount, chunkLength } from './extent.ts'
import { isChunk, type Manifest } from './manifest.ts'
import { safeFileName } from './name.ts'
import { codeOf, publishFile } from './publish.ts'
import { type ReadOptions, visitChunks } from './read-chunks.ts'

/**
 * A file on its way to the download folder. The chunks go to `.lanyard-<id>.part`, and a note of which are there to
 * `.lanyard-<id>.note`; only a whole file gets its name. Closing keeps both, for a later `openLanding` to go on from.
 */
export type Landing = AsyncDisposable & {
  /** The chunks that are on the disk, those of an earlier time hashed again. Grows with each `write`. */
  readonly landed: Bitmap
  isWhole(): boolean
  /** Writes a chunk that `openChunk` has checked, in its place. `disk-full` keeps what is there. */
  write(index: number, chunk: Uint8Array): Promise<Refusal | undefined>
  /** Gives the whole file its name, or a numbered one where that is taken, and returns its path. Then it is closed. */
  finish(): Promise<string>
  /** Closes, and keeps what has arrived. */
  close(): Promise<void>
  /** Closes, and deletes what has arrived. */
  discard(): Promise<void>
}

export type LandingPlan = {
  /** The download folder; made if it is missing. */
  readonly folder: string
  /** The name that the sender gave: checked here again. */
  readonly name: string
  readonly manifest: Manifest
  /** 8–64 lower-case hex characters that name this download, such as the manifest's hash. One landing an id at a time. */
  readonly id: string
  /** Free bytes of the disk that has the folder; the system's answer unless given. */
  readonly freeBytes?: (folder: string) => Promise<number>
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
  const paths = { part: join(folder, `.lanyard-${plan.id}.part`), note: join(folder, `.lanyard-${plan.id}.note`) }
  await mkdir(folder, { recursive: true, mode: 0o700 })

  await using opened = new AsyncDisposableStack()
  const part = opened.use(await openOwn(paths.part))
  const note = opened.use(await openOwn(paths.note))

  const before = await part.stat()
  const missing = Math.max(0, manifest.size - allocatedBytes(before))
  const free = await (plan.freeBytes ?? systemFreeBytes)(folder)
  if (missing > 0 && missing + DISK_RESERVE_BYTES > free) {
    // Room that runs out later leaves what has arrived; a file that was never begun leaves nothing.
    if (before.blocks === 0) await removeBoth(paths)
    return refuse('disk-full', `${missing} bytes are missing, ${Math.max(0, free - DISK_RESERVE_BYTES)} are free`)
  }

  const landed = await verified(part, before.size, await claimed(note, manifest), manifest, options)
  if (isRefusal(landed)) return landed
  const isWhole = () => countBits(landed, chunkCount(manifest)) === chunkCount(manifest)
  // A crash after the file had got its name leaves a part that is that same file. What its owner has done to it since is
  // not ours to touch: whole, it is finished; else we begin with a part of our own.
  if (before.nlink > 1 && !isWhole()) {
    await removeBoth(paths)
    return openLanding(plan, options)
  }
  await note.write(landed, 0, landed.byteLength, 0)
  await note.truncate(landed.byteLength)
  await part.truncate(manifest.size)

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
    flushing = part.datasync().then(
      () => {
        flushing = null
      },
      () => undefined, // `finish` syncs again, and tells
    )
  }
  return {
    landed,
    isWhole,
    write: async (index, chunk) => {
      if (chunk.byteLength === 0 || chunk.byteLength !== chunkLength(manifest, index)) {
        throw fault('fault', `${chunk.byteLength} bytes for chunk ${index}`)
      }
      try {
        await writeAll(part, chunk, index * manifest.chunkBytes)
        // One byte in place, after the chunk: no crash leaves half a note, and a claim too many is found at the resume.
        const at = setBit(landed, index)
        await writeAll(note, landed.subarray(at, at + 1), at)
        flushSoon(chunk.byteLength)
        return undefined
      } catch (cause) {
        if (FULL.has(codeOf(cause))) return refuse('disk-full')
        throw cause
      }
    },
    finish: async () => {
      if (!isWhole()) throw fault('fault', 'a file that is not whole gets no name')
      await part.sync()
      await close()
      const path = await publishFile(paths.part, folder, name)
      await rm(paths.note, { force: true })
      return path
    },
    close,
    discard: async () => {
      await close()
      await removeBoth(paths)
    },
    [Symbol.asyncDispose]: close,
  }
}

// Following a link that somebody laid in the folder would write outside of it. (0 where the system has no such flag.)
const OWN_FLAGS = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0)
const OWN_MODE = 0o600
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

const openOwn = async (path: string): Promise<FileHandle> => {
  const file = await open(path, OWN_FLAGS, OWN_MODE)
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw fault('storage-failed', `${path} is not a file`)
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
  part: FileHandle,
  partBytes: number,
  claims: readonly number[],
  manifest: Manifest,
  options: ReadOptions,
): Promise<Bitmap | Refusal> => {
  const landed = emptyBitmap(chunkCount(manifest))
  const present = claims.filter(
    (index) => index * manifest.chunkBytes + chunkLength(manifest, index) <= partBytes, // the rest was lost
  )
  const visit = (index: number, chunk: Uint8Array) => {
    if (isChunk(manifest, index, chunk)) setBit(landed, index)
  }
  return (await visitChunks(part, manifest, present, visit, options)) ?? landed
}

const writeAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  let written = 0
  while (written < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, written, bytes.byteLength - written, position + written)
    written += bytesWritten
  }
}

const removeBoth = async ({ part, note }: { readonly part: string; readonly note: string }): Promise<void> => {
  await Promise.all([rm(part, { force: true }), rm(note, { force: true })])
}

const systemFreeBytes = async (folder: string): Promise<number> => {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}

// POSIX counts in blocks of 512 bytes, whatever the disk's own are; holes do not count.
const allocatedBytes = ({ blocks }: Stats): number => blocks * 512
