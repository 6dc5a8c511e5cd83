import { Worker } from 'node:worker_threads'
import { fault, isRefusal } from '../../shared/errors.ts'
import { HASH_BATCH_CHUNKS, HASH_INLINE_CHUNKS, HASH_WORKERS } from '../../shared/limits.ts'
import { chunkLength, type Extent } from './extent.ts'
import { hashOf } from './manifest.ts'
import { openSpan, type Part } from './span.ts'

/** What a worker is started with. */
export type HashWork = { readonly parts: readonly Part[]; readonly extent: Extent }
/** What it answers: a hash a chunk, null where the chunk is not (any more) on the disk; and that it has nothing to do. */
export type HashReply =
  | { readonly index: number; readonly hash: Uint8Array | null }
  | { readonly failed: string }
  | 'ready'

export type ReadOptions = {
  readonly signal?: AbortSignal | undefined
  /** Called after each chunk with the bytes that have been read. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/**
 * Hashes chunks of files that are on the disk: in worker threads, and few chunks where we are. `onHash` comes in any
 * order, with null for a chunk whose bytes are not all there.
 * @throws the signal's reason, and LanyardError `file-unreadable`
 */
export const hashChunks = async (
  work: HashWork,
  indexes: readonly number[],
  onHash: (index: number, hash: Uint8Array | null) => void,
  { signal, onProgress }: ReadOptions = {},
): Promise<void> => {
  signal?.throwIfAborted()
  let bytes = 0
  const hashed = (index: number, hash: Uint8Array | null): void => {
    onHash(index, hash)
    bytes += chunkLength(work.extent, index)
    onProgress?.(bytes)
  }
  if (indexes.length <= HASH_INLINE_CHUNKS) await hashHere(work, indexes, hashed, signal)
  else await hashInWorkers(work, indexes, hashed, signal)
}

type Hashed = (index: number, hash: Uint8Array | null) => void

const hashHere = async (
  { parts, extent }: HashWork,
  indexes: readonly number[],
  onHash: Hashed,
  signal: AbortSignal | undefined,
): Promise<void> => {
  await using span = openSpan(parts, extent)
  const buffer = new Uint8Array(extent.chunkBytes)
  for (const index of indexes) {
    const chunk = await span.read(index, buffer)
    signal?.throwIfAborted()
    onHash(index, isRefusal(chunk) ? null : hashOf(chunk))
  }
}

const hashInWorkers = async (
  work: HashWork,
  indexes: readonly number[],
  onHash: Hashed,
  signal: AbortSignal | undefined,
): Promise<void> => {
  let next = 0
  const workers: Worker[] = []
  const done = Promise.withResolvers<void>()
  const fail = (error: unknown): void => done.reject(error)
  const onAbort = (): void => fail(signal?.reason)
  let busy = 0
  const hand = (worker: Worker): void => {
    if (next < indexes.length) {
      worker.postMessage(indexes.slice(next, next + HASH_BATCH_CHUNKS))
      next += HASH_BATCH_CHUNKS
      return
    }
    busy--
    if (busy === 0) done.resolve()
  }
  const onReply = (worker: Worker, reply: HashReply): void => {
    try {
      if (reply === 'ready') hand(worker)
      else if ('failed' in reply) fail(fault('file-unreadable', reply.failed))
      else onHash(reply.index, reply.hash)
    } catch (error) {
      fail(error)
    }
  }
  signal?.addEventListener('abort', onAbort)
  try {
    for (; busy < HASH_WORKERS && busy * HASH_BATCH_CHUNKS < indexes.length; busy++) {
      const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), { workerData: work })
      workers.push(worker)
      worker.on('message', (reply: HashReply) => onReply(worker, reply))
      worker.on('error', fail)
    }
    for (const worker of workers) hand(worker)
    await done.promise
  } finally {
    signal?.removeEventListener('abort', onAbort)
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}
