import { parentPort, workerData } from 'node:worker_threads'
import { isRefusal } from '../../shared/errors.ts'
import type { HashReply, HashWork } from './hash-pool.ts'
import { hashOf } from './manifest.ts'
import { openSpan } from './span.ts'

// A worker thread: hashes the chunks that it is told to, and reads the next one meanwhile.

const { parts, extent } = workerData as HashWork
const span = openSpan(parts, extent)
const buffers = [new Uint8Array(extent.chunkBytes), new Uint8Array(extent.chunkBytes)]
const reply = (message: HashReply): void => parentPort?.postMessage(message)

const work = async (indexes: readonly number[]): Promise<void> => {
  const read = (turn: number) => {
    const index = indexes[turn]
    return index === undefined ? undefined : span.read(index, buffers[turn % 2])
  }
  let ahead = read(0)
  for (const [turn, index] of indexes.entries()) {
    const chunk = await ahead
    ahead = read(turn + 1)
    ahead?.catch(() => undefined)
    reply({ index, hash: chunk === undefined || isRefusal(chunk) ? null : hashOf(chunk) })
  }
}

parentPort?.on('message', (indexes: readonly number[]) => {
  work(indexes).then(
    () => reply('ready'),
    (error: unknown) => reply({ failed: error instanceof Error ? error.message : String(error) }),
  )
})
