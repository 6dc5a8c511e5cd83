import { randomBytes } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { sealChunk } from '../../peer/files/chunk.ts'
import { fetchFile } from '../../peer/files/fetch.ts'
import { wholeHolding } from '../../peer/files/holding.ts'
import { manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { createPace } from '../../peer/files/pace.ts'
import { createServing } from '../../peer/files/serve.ts'
import { buildManifest, lookAt } from '../../peer/files/source.ts'
import type { Session } from '../../peer/network/sessions.ts'
import { monotonicClock } from '../../shared/clock.ts'
import { isRefusal, orThrow, type Refusal } from '../../shared/errors.ts'
import { type PeerId, type RecordHash, type RoomId, sha256 } from '../../shared/ids.ts'
import { CHUNK_BYTES, FRAME_MAX_BYTES, HOLDER_STALL_MS } from '../../shared/limits.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { type FileReply, fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import { temporaryFolder } from '../support/enrolment.ts'
import { framePair } from '../support/frame-pair.ts'

const CHUNKS = 6
const id = 'ab'.repeat(32) as RecordHash
const room = 'cd'.repeat(32) as RoomId
const content = randomBytes(CHUNKS * CHUNK_BYTES - 77)
const chunkOf = (index: number) => new Uint8Array(content.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES))

type Scene = Awaited<ReturnType<typeof createScene>>
/** What mallory does on a road once she was asked for a chunk. */
type Misdeed = (scene: Scene, frames: Frames, index: number) => Promise<void>

const createScene = async (folder: string) => {
  const path = join(folder, 'source.bin')
  await writeFile(path, content)
  await writeFile(join(folder, 'precious'), 'mine')
  const source = orThrow(await lookAt(path))
  const manifest = orThrow(await buildManifest(source))
  const sealed = { key: new Uint8Array(32).fill(7), manifest, manifestHash: manifestHash(manifest) }
  const encoded = manifestBytes(manifest)
  const say = (frames: Frames, reply: FileReply) => frames.send(fileReplyCodec.encode(reply))
  /** A chunk as the manifest has it, or any bytes in its place, sealed as an insider can. */
  const give = async (frames: Frames, index: number, bytes?: Uint8Array, cut = (all: Uint8Array) => all) => {
    const forged = bytes === undefined ? sealed : { ...sealed, manifest: { ...manifest, hashes: hashesOf(bytes) } }
    const { tag, ciphertext } = orThrow(sealChunk(forged, index, bytes ?? chunkOf(index)))
    await say(frames, { kind: 'sealed', index, tag })
    await frames.send(cut(ciphertext))
  }
  const hashesOf = (bytes: Uint8Array): Uint8Array => {
    const hash = sha256(bytes)
    return Buffer.concat(Array.from({ length: CHUNKS }, () => hash))
  }
  return { manifest, encoded, sealed, parts: source.parts, say, give }
}

const silence: Misdeed = async () => undefined

const LIES: readonly (readonly [string, string, Misdeed])[] = [
  [
    'other bytes, sealed as they should be',
    'file-chunk-wrong',
    (scene, frames, index) => scene.give(frames, index, new Uint8Array(chunkOf(index).byteLength).fill(9)),
  ],
  [
    'a chunk with a byte altered on the way',
    'file-chunk-wrong',
    (scene, frames, index) =>
      scene.give(frames, index, undefined, (all) => all.map((byte, at) => (at === 5 ? byte ^ 1 : byte))),
  ],
  [
    'half a chunk',
    'file-chunk-wrong',
    (scene, frames, index) => scene.give(frames, index, undefined, (all) => all.subarray(0, all.byteLength / 2)),
  ],
  [
    'more than a chunk',
    'file-chunk-wrong',
    (scene, frames, index) =>
      scene.give(frames, index, undefined, (all) => Buffer.concat([all, Buffer.alloc(FRAME_MAX_BYTES / 2)])),
  ],
  [
    'a chunk that nobody asked for',
    'wrong-order',
    (scene, frames, index) => scene.give(frames, index === 0 ? CHUNKS - 1 : 0),
  ],
  ['no message of ours', 'frame-malformed', (_, frames) => frames.send(Buffer.from('lanyard'))],
  [
    'the manifest once more',
    'wrong-order',
    (scene, frames) => scene.say(frames, { kind: 'held', manifest: null, chunks: null, seat: 0 }),
  ],
]
const FAILURES: readonly (readonly [string, string, Misdeed])[] = [
  ['leaves', 'stream-closed', async (_, frames) => frames.abort('gone')],
  [
    'has another file by now',
    'file-changed',
    (scene, frames) => scene.say(frames, { kind: 'refused', code: 'file-changed' }),
  ],
  ['says nothing more', 'file-holder-slow', silence],
]

/** Bob fetches of alice, who is honest and waits until mallory has done what she does. */
const fetchBeside = async (
  misdeed: Misdeed | null,
  manifestOf: (scene: Scene) => Uint8Array = ({ encoded }) => encoded,
) => {
  const { path: folder, remove } = await temporaryFolder()
  try {
    const scene = await createScene(folder)
    const done = Promise.withResolvers<void>()
    const fouls: (readonly [string, PeerId])[] = []
    const dropped: (readonly [string, PeerId])[] = []
    let bytes = 0
    let ahead = 0
    const serving = createServing({
      find: () => {
        const offer = { room, encoded: scene.encoded, offer: { id, name: 'source.bin', size: content.byteLength } }
        const held = wholeHolding({ ...scene.sealed, ...offer }, scene.parts)
        const open = () => {
          const reader = held.open()
          const read = async (index: number, into: Uint8Array) => {
            await done.promise
            return await reader.read(index, into)
          }
          return { ...reader, read }
        }
        return { ...held, open }
      },
      mayServe: () => null,
      mayFetch: () => null,
      onWanted: () => undefined,
      onServed: () => undefined,
      pace: createPace(null, monotonicClock),
    })
    let asked = 0
    const mallory = async (frames: Frames): Promise<void> => {
      for (;;) {
        const frame = await frames.receive()
        const request = isRefusal(frame) ? null : orThrow(fileRequestCodec.decode(frame))
        if (request?.kind === 'want')
          await scene.say(frames, {
            kind: 'held',
            manifest: request.known ? null : manifestOf(scene),
            chunks: null,
            seat: 0,
          })
        else if (request?.kind === 'chunk') {
          asked++
          // Once is enough: after that she is as good as others.
          if (misdeed !== null && (asked === 1 || misdeed === silence)) await misdeed(scene, frames, request.index)
          else await scene.give(frames, request.index)
          done.resolve()
        } else return
      }
    }
    if (misdeed === null) done.resolve()
    const sessions = ['alice', 'mallory'].map((peer) => ({ device: { peerId: peer as PeerId } }) as unknown as Session)
    const outcome = fetchFile(
      {
        folder: join(folder, 'downloads'),
        sessions: { list: () => sessions, onChange: () => () => undefined },
        openFileRoad: async (session) => {
          const [ours, theirs] = framePair()
          void (session.device.peerId === 'alice' ? serving(theirs, session) : mallory(theirs))
          return ours
        },
        onAsked: () => () => undefined,
        clock: { now: () => monotonicClock.now() + ahead },
        pace: createPace(null, monotonicClock),
        signal: new AbortController().signal,
        onProgress: (now) => {
          bytes = now
        },
        onWaiting: () => undefined,
        onDropped: ({ code }: Refusal, peer) => dropped.push([code, peer]),
        onFoul: ({ code }: Refusal, peer) => fouls.push([code, peer]),
        onManifest: () => undefined,
        onArriving: () => undefined,
        onNamed: () => undefined,
      },
      {
        wanted: {
          record: id,
          name: 'film.bin',
          size: content.byteLength,
          key: scene.sealed.key,
          manifest: scene.sealed.manifestHash,
        },
        room,
        known: null,
      },
    )
    if (misdeed === silence) {
      // Alice has brought all that was asked of her; the rest was asked of mallory.
      await vi.waitFor(() => expect(asked * CHUNK_BYTES + bytes).toBeGreaterThanOrEqual(content.byteLength), 20_000)
      ahead = HOLDER_STALL_MS
    }
    const path = orThrow(await outcome)
    expect((await readFile(path)).equals(content)).toBe(true)
    expect(await readdir(join(folder, 'downloads'))).toEqual(['film.bin'])
    expect((await readdir(folder)).sort()).toEqual(['downloads', 'precious', 'source.bin'])
    expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('mine')
    return { fouls, dropped }
  } finally {
    await remove()
  }
}

test.each(LIES)(
  'a holder that sends %s is left out and named, and the file comes from another',
  async (_, code, misdeed) => {
    const { fouls, dropped } = await fetchBeside(misdeed)
    expect(fouls).toEqual([[code, 'mallory']])
    expect(dropped).toEqual([[code, 'mallory']])
  },
)

test('a holder with another manifest is left out and named, and the file comes from another', async () => {
  const { fouls } = await fetchBeside(null, ({ manifest }) => manifestBytes({ ...manifest, size: manifest.size - 1 }))
  expect(fouls).toEqual([['file-manifest-wrong', 'mallory']])
})

test.each(FAILURES)(
  'a holder that %s is no liar; it is told, and the file comes from another',
  async (_, code, misdeed) => {
    const { fouls, dropped } = await fetchBeside(misdeed)
    expect(fouls).toEqual([])
    expect(dropped[0]).toEqual([code, 'mallory'])
  },
)
