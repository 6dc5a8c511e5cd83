import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { fault, type Refusal, refuse } from '../../shared/errors.ts'
import { FILES_OPEN_MAX } from '../../shared/limits.ts'
import { chunkLength, type Extent } from './extent.ts'
import { inTurns } from './in-turns.ts'

/** One of the files that lie behind each other in a span. */
export type Part = {
  /** Where it is on the disk. */
  readonly path: string
  /** Bytes. */
  readonly size: number
}

/** Files laid end to end, read and written as if they were one. */
export type Span = AsyncDisposable & {
  /** One chunk, in a fresh buffer or at the front of `into`; `file-changed` where a file has become shorter, `file-unreadable` where it is gone. */
  read(index: number, into?: Uint8Array): Promise<Uint8Array | Refusal>
  /** Writes a chunk in its place. @throws what the file system throws */
  write(index: number, chunk: Uint8Array): Promise<void>
  /** Sends what was written to the files that are open on to the disk. @throws what the file system throws */
  flush(): Promise<void>
  close(): Promise<void>
}

export type SpanOptions = {
  /** Opens a file of a span that is written; without it the span is read only. */
  readonly create?: (path: string) => Promise<FileHandle>
  /** A file was written in one piece, and is open still. */
  readonly onFilled?: (path: string, file: FileHandle) => Promise<void>
}

/** A piece of a chunk that lies in one file: `length` bytes at `at` in the file, `from` in the chunk. */
type Piece = { readonly part: number; readonly at: number; readonly from: number; readonly length: number }

type Opened = { readonly handle: Promise<FileHandle>; users: number }

/** Opens files when they are needed, and keeps the last few open. */
export const openSpan = (parts: readonly Part[], extent: Extent, options: SpanOptions = {}): Span => {
  const starts = startsOf(parts)
  const opened = new Map<number, Opened>()
  let closed = false

  const openPart = (part: number): Promise<FileHandle> => {
    const path = parts[part]?.path ?? ''
    // A link in the place of a file leads out of what was offered, or out of the download folder.
    return options.create?.(path) ?? open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  }
  const closeOne = async ({ handle }: Opened): Promise<void> =>
    await handle.then(
      (file) => file.close(),
      () => undefined,
    )
  const closeIdle = async (): Promise<void> => {
    for (const [part, one] of opened) {
      if (opened.size <= FILES_OPEN_MAX) return
      if (one.users > 0) continue
      opened.delete(part)
      await closeOne(one)
    }
  }
  const withPart = async <T>(part: number, work: (file: FileHandle) => Promise<T>): Promise<T> => {
    // A chunk that lies in two files may be between them when all is closed: nobody would close what it opens now.
    if (closed) throw fault('stream-closed', 'closed meanwhile')
    const one = opened.get(part) ?? { handle: openPart(part), users: 0 }
    opened.delete(part) // the last one used stands last
    opened.set(part, one)
    one.users++
    try {
      return await work(await one.handle)
    } catch (error) {
      if (opened.get(part) === one && one.users === 1) {
        opened.delete(part) // opened anew the next time: what is missing may be there then
        await closeOne(one)
      }
      throw error
    } finally {
      one.users--
      if (opened.size > FILES_OPEN_MAX) await closeIdle()
    }
  }
  const close = async (): Promise<void> => {
    closed = true
    const all = [...opened.values()]
    opened.clear()
    await Promise.all(all.map(closeOne))
  }

  return {
    read: async (index, into = new Uint8Array(chunkLength(extent, index))) => {
      const read = await inTurns(piecesOf(starts, extent, index), async ({ part, at, from, length }) => {
        const filled = await withPart(part, (file) => readAll(file, into, from, length, at)).catch((error: unknown) => {
          if (isMissing(error)) return null
          throw error
        })
        if (filled === null) return refuse('file-unreadable', 'it is gone')
        return filled < length ? refuse('file-changed', 'it is shorter than it was') : null
      })
      const wrong = read.find((refusal) => refusal !== null)
      if (wrong !== undefined) return wrong
      return into.subarray(0, chunkLength(extent, index))
    },
    write: async (index, chunk) => {
      await inTurns(piecesOf(starts, extent, index), ({ part, at, from, length }) =>
        withPart(part, async (file) => {
          await writeAll(file, chunk.subarray(from, from + length), at)
          const { path = '', size = 0 } = parts[part] ?? {}
          if (length === size) await options.onFilled?.(path, file)
        }),
      )
    },
    flush: async () => {
      await Promise.all([...opened.keys()].map((part) => withPart(part, (file) => file.datasync())))
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Where each file begins in the whole, and at last where the whole ends. */
const startsOf = (parts: readonly Part[]): Float64Array => {
  const starts = new Float64Array(parts.length + 1)
  for (const [at, { size }] of parts.entries()) starts[at + 1] = (starts[at] ?? 0) + size
  return starts
}

/** The pieces that a chunk is made of, in order. */
const piecesOf = (starts: Float64Array, extent: Extent, index: number): readonly Piece[] => {
  const begin = index * extent.chunkBytes
  const end = begin + chunkLength(extent, index)
  const pieces: Piece[] = []
  for (let part = partAt(starts, begin); part < starts.length - 1; part++) {
    const start = starts[part] ?? 0
    if (start >= end) break
    const from = Math.max(begin, start)
    const length = Math.min(end, starts[part + 1] ?? 0) - from
    if (length > 0) pieces.push({ part, at: from - start, from: from - begin, length })
  }
  return pieces
}

/** The last file that begins at or before a place. */
const partAt = (starts: Float64Array, place: number): number => {
  let low = 0
  let high = starts.length - 1
  while (low + 1 < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? 0) <= place) low = middle
    else high = middle
  }
  return low
}

/** A read may give less than was asked for, as at a signal or on a network drive. @returns bytes read */
const readAll = async (file: FileHandle, into: Uint8Array, from: number, length: number, at: number) => {
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(into, from + filled, length - filled, at + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

export const writeAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  let written = 0
  while (written < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, written, bytes.byteLength - written, position + written)
    written += bytesWritten
  }
}

const MISSING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR'])
const isMissing = (error: unknown): boolean => MISSING.has(codeOf(error))

/** The system's word for what went wrong, such as `EEXIST`. */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
