import { subtle } from 'node:crypto'
import { isRefusal } from '../../shared/errors.ts'
import { HASH_LANE_CHUNKS, HASH_LANES } from '../../shared/limits.ts'
import { chunkLength, type Extent } from './extent.ts'
import { openSpan, type Part } from './span.ts'

/** Files that lie behind each other, and the chunks that they are cut into. */
export type HashWork = { readonly parts: readonly Part[]; readonly extent: Extent }

export type ReadOptions = {
  readonly signal?: AbortSignal | undefined
  /** Called after each chunk with the bytes that have been read. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/**
 * Hashes chunks of files that are on the disk. `onHash` comes in any order, with null for a chunk whose bytes are not all
 * there.
 *
 * WebCrypto's digest runs on the worker threads that Node has for its disk and its ciphers, several chunks at once. Threads
 * of our own would each load TypeScript again: 0.3 s and 35 MB apiece (measured), of which little is ever given back.
 * @throws the signal's reason, and what the file system throws
 */
export const hashChunks = async (
  { parts, extent }: HashWork,
  indexes: readonly number[],
  onHash: (index: number, hash: Uint8Array | null) => void,
  { signal, onProgress }: ReadOptions = {},
): Promise<void> => {
  signal?.throwIfAborted()
  await using span = openSpan(parts, extent)
  let next = 0
  let bytes = 0
  let failed = false
  const lane = async (): Promise<void> => {
    const buffer = new Uint8Array(extent.chunkBytes)
    for (let index = indexes[next++]; index !== undefined && !failed; index = indexes[next++]) {
      const chunk = await span.read(index, buffer)
      const hash = isRefusal(chunk) ? null : new Uint8Array(await subtle.digest('SHA-256', chunk))
      signal?.throwIfAborted()
      onHash(index, hash)
      bytes += chunkLength(extent, index)
      onProgress?.(bytes)
    }
  }
  const lanes = Math.min(HASH_LANES, Math.ceil(indexes.length / HASH_LANE_CHUNKS))
  const verdicts = await Promise.allSettled(
    Array.from({ length: lanes }, () =>
      lane().catch((error: unknown) => {
        failed = true // the others end with their chunk
        throw error
      }),
    ),
  )
  const wrong = verdicts.find(({ status }) => status === 'rejected')
  if (wrong?.status === 'rejected') throw wrong.reason
}
