import { setImmediate as turn } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { emptyBitmap } from '../../peer/files/bitmap.ts'
import { sealChunk } from '../../peer/files/chunk.ts'
import { arrivingHolding } from '../../peer/files/holding.ts'
import type { Landing } from '../../peer/files/landing.ts'
import { hashOf, manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { createSwarm } from '../../peer/files/swarm.ts'
import type { Session } from '../../peer/network/sessions.ts'
import { isRefusal, orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import { type PeerId, type RecordHash, type RoomId, sha256 } from '../../shared/ids.ts'
import { CHUNK_BYTES } from '../../shared/limits.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { type FileRequest, fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'

const bob = 'bob' as PeerId
const size = CHUNK_BYTES + 10
const content = new Uint8Array(size).map((_, at) => at % 251)
const chunks = [content.subarray(0, CHUNK_BYTES), content.subarray(CHUNK_BYTES)]
const manifest = { size, chunkBytes: CHUNK_BYTES, hashes: Buffer.concat(chunks.map(hashOf)) }
const sealed = { key: sha256(content), manifest, manifestHash: manifestHash(manifest) }

/** A road on which the other side says what the test says. */
const road = () => {
  const coming: (Uint8Array | Refusal)[] = []
  let wake = (): void => undefined
  const asked: FileRequest[] = []
  const say = (...frames: (Uint8Array | Refusal)[]): void => {
    coming.push(...frames)
    wake()
  }
  const frames: Frames = {
    handsBack: false,
    send: async (...parts) => void asked.push(orThrow(fileRequestCodec.decode(Buffer.concat(parts)))),
    receive: async () => {
      while (coming.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return coming.shift() ?? refuse('stream-closed')
    },
    recycle: () => undefined,
    close: async () => undefined,
    abort: () => say(refuse('stream-closed')),
  }
  const give = (index: number): void => {
    const chunk = chunks[index] ?? content
    const { tag, ciphertext } = orThrow(sealChunk(sealed, index, chunk))
    say(fileReplyCodec.encode({ kind: 'sealed', index, tag }), ciphertext)
  }
  const wants = (): number[] => asked.flatMap((one) => (one.kind === 'chunk' ? [one.index] : []))
  return { frames, say, give, wants }
}

test('a chunk that is on its way to the disk when its road breaks may come again by the next one', async () => {
  const [first, second] = [road(), road()]
  const disk = Promise.withResolvers<void>()
  const written: number[] = []
  const landing = {
    landed: emptyBitmap(2),
    write: async (index: number) => {
      await disk.promise
      written.push(index)
    },
  } as unknown as Landing
  const fouls: Refusal[] = []
  const session = { device: { peerId: bob } } as unknown as Session
  const encoded = manifestBytes(manifest)
  const id = 'ab'.repeat(32) as RecordHash
  const offer = { ...sealed, room: 'cd'.repeat(32) as RoomId, encoded, offer: { id, name: 'file', size } }
  await using swarm = createSwarm(
    {
      openFileRoad: async () => second.frames,
      sessions: { list: () => [session], onChange: () => () => undefined },
      onAsked: () => () => undefined,
      clock: { now: () => performance.now() },
      pace: { take: async () => undefined },
      signal: new AbortController().signal,
      onProgress: () => undefined,
      onWaiting: () => undefined,
      onDropped: () => undefined,
      onFoul: (refusal) => fouls.push(refusal),
    },
    { record: id, name: 'file', size, key: sealed.key, manifest: sealed.manifestHash },
    arrivingHolding(offer, landing),
    landing,
    [{ manifest, encoded, peer: bob, frames: first.frames, chunks: null, seat: 0 }],
  )
  const verdict = swarm.run()
  await vi.waitFor(() => expect(first.wants().toSorted()).toEqual([0, 1]))
  first.give(0)
  await turn() // it is being written …
  second.say(fileReplyCodec.encode({ kind: 'held', manifest: null, chunks: null, seat: 0 }))
  first.say(refuse('stream-closed')) // … when the road breaks
  await vi.waitFor(() => expect(second.wants().toSorted()).toEqual([0, 1]))
  disk.resolve()
  await vi.waitFor(() => expect(written).toEqual([0]))
  second.give(0)
  second.give(1)
  const outcome = await verdict
  expect(isRefusal(outcome) ? outcome.code : outcome).toBe('whole')
  expect(fouls).toEqual([])
  expect(written.toSorted()).toEqual([0, 1])
})
