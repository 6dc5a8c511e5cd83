import type { FileHandle } from 'node:fs/promises'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { chunkLength, type Extent } from './extent.ts'

export type ReadOptions = {
  readonly signal?: AbortSignal | undefined
  /** Called after each chunk with the bytes that have been read. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/** One chunk from the disk, in a fresh buffer or at the front of `into`; `file-changed` when the file has become shorter. */
export const readChunk = async (
  file: FileHandle,
  extent: Extent,
  index: number,
  into: Uint8Array = new Uint8Array(chunkLength(extent, index)),
): Promise<Uint8Array | Refusal> => {
  const length = chunkLength(extent, index)
  let filled = 0
  // A read may give less than was asked for, as at a signal or on a network drive.
  while (filled < length) {
    const { bytesRead } = await file.read(into, filled, length - filled, index * extent.chunkBytes + filled)
    if (bytesRead === 0) return refuse('file-changed', 'it is shorter than it was')
    filled += bytesRead
  }
  return into.subarray(0, length)
}

/**
 * Hands the chunks of `indexes` to `visit`, one after the other, and reads the next one meanwhile: disk and processor
 * work at once. Two buffers serve them all, so `visit` may not keep its bytes.
 * @throws the signal's reason, and what the file system throws
 */
export const visitChunks = async (
  file: FileHandle,
  extent: Extent,
  indexes: readonly number[],
  visit: (index: number, bytes: Uint8Array) => void,
  { signal, onProgress }: ReadOptions = {},
): Promise<Refusal | undefined> => {
  const buffers = [new Uint8Array(extent.chunkBytes), new Uint8Array(extent.chunkBytes)]
  const read = (turn: number): Promise<Uint8Array | Refusal> | undefined => {
    const index = indexes[turn]
    return index === undefined ? undefined : readChunk(file, extent, index, buffers[turn % 2])
  }
  let bytesRead = 0
  let ahead = read(0)
  for (const [turn, index] of indexes.entries()) {
    const chunk = await ahead
    signal?.throwIfAborted()
    if (chunk === undefined || !(chunk instanceof Uint8Array)) return chunk
    ahead = read(turn + 1)
    // Whoever stops early here leaves no rejection that nobody listens to.
    ahead?.catch(() => {})
    visit(index, chunk)
    bytesRead += chunk.byteLength
    onProgress?.(bytesRead)
  }
  return undefined
}
