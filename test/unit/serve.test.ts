import { setImmediate as turn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { wholeHolding } from '../../peer/files/holding.ts'
import { hashOf, manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { createPace } from '../../peer/files/pace.ts'
import { createServing } from '../../peer/files/serve.ts'
import type { Session } from '../../peer/network/sessions.ts'
import { refuse } from '../../shared/errors.ts'
import { type PeerId, type RecordHash, type RoomId, sha256 } from '../../shared/ids.ts'
import { CHUNK_BYTES } from '../../shared/limits.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { fileRequestCodec } from '../../shared/wire/file.ts'

const CHUNKS = 16
const GREEDY_ROADS = 12
const record = 'ab'.repeat(32) as RecordHash
const chunk = new Uint8Array(CHUNK_BYTES)
const size = CHUNKS * CHUNK_BYTES
const manifest = {
  size,
  chunkBytes: CHUNK_BYTES,
  hashes: Buffer.concat(Array.from({ length: CHUNKS }, () => hashOf(chunk))),
}

/** A file of zeros, of which every chunk is at hand. */
const held = {
  ...wholeHolding(
    {
      key: sha256(chunk),
      manifest,
      manifestHash: manifestHash(manifest),
      room: 'cd'.repeat(32) as RoomId,
      encoded: manifestBytes(manifest),
      offer: { id: record, name: 'zeros', size },
    },
    [],
  ),
  open: () => ({
    read: async (_: number, into: Uint8Array) => into.fill(0),
    [Symbol.asyncDispose]: async () => undefined,
  }),
}

/** A road whose fetcher asks for everything at once, and reads each chunk a turn later. */
const askingRoad = (onChunk: () => void): Frames => {
  const says = [
    fileRequestCodec.encode({ kind: 'want', record: new Uint8Array(32).fill(0xab), known: true }),
    ...Array.from({ length: CHUNKS }, (_, index) => fileRequestCodec.encode({ kind: 'chunk', index })),
  ]
  let left = CHUNKS
  const over = Promise.withResolvers<void>()
  return {
    handsBack: true,
    send: async (piece) => {
      await turn()
      if (piece?.byteLength !== CHUNK_BYTES) return
      onChunk()
      left--
      if (left === 0) over.resolve()
    },
    receive: async () => {
      const next = says.shift()
      if (next !== undefined) return next
      await over.promise
      return refuse('stream-closed')
    },
    recycle: () => undefined,
    close: async () => undefined,
    abort: () => undefined,
  }
}
const sessionOf = (peer: string) => ({ device: { peerId: peer as PeerId } }) as unknown as Session

test.each([
  ['as fast as it goes', null],
  ['under a cap', 400 * CHUNK_BYTES],
])('who asks on many roads gets no more than who asks on one, %s', async (_, bytesPerSecond) => {
  const converse = createServing({
    find: () => held,
    mayServe: () => null,
    mayFetch: () => null,
    onWanted: () => undefined,
    onServed: () => undefined,
    pace: createPace(bytesPerSecond, { now: () => performance.now() }),
  })
  const came = { greedy: 0, modest: 0 }
  let whenModestWasDone = 0
  const roads = Array.from({ length: GREEDY_ROADS }, () =>
    converse(
      askingRoad(() => {
        came.greedy++
      }),
      sessionOf('greedy'),
    ),
  )
  await vi.waitFor(() => expect(came.greedy).toBeGreaterThan(0)) // it was there first
  const early = came.greedy
  const modest = converse(
    askingRoad(() => {
      came.modest++
      if (came.modest === CHUNKS) whenModestWasDone = came.greedy - early
    }),
    sessionOf('modest'),
  )
  await Promise.all([...roads, modest])
  expect(came).toEqual({ greedy: GREEDY_ROADS * CHUNKS, modest: CHUNKS })
  // One for one; twice that leaves room for how the turns fall.
  expect(whenModestWasDone).toBeLessThanOrEqual(2 * CHUNKS)
})
