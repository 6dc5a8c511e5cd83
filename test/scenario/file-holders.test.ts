import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { emptyBitmap, setBit } from '../../peer/files/bitmap.ts'
import { type FetchParts, fetchFile } from '../../peer/files/fetch.ts'
import { type Holding, wholeHolding } from '../../peer/files/holding.ts'
import type { WantedFile } from '../../peer/files/knock.ts'
import { type Manifest, manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { createPace } from '../../peer/files/pace.ts'
import { createServing } from '../../peer/files/serve.ts'
import { buildManifest, lookAt } from '../../peer/files/source.ts'
import { monotonicClock } from '../../shared/clock.ts'
import { isRefusal, orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import { type RecordHash, type RoomId, toHex } from '../../shared/ids.ts'
import { CHUNK_BYTES, HOLDER_STALL_MS } from '../../shared/limits.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { type FileReply, fileReplyCodec } from '../../shared/wire/file.ts'
import { fakeSession, roadPair } from '../support/roads.ts'

const CHUNKS = 12
const RECORD = 'ab'.repeat(32) as RecordHash
const key = new Uint8Array(32).fill(7)
const content = randomBytes(CHUNKS * CHUNK_BYTES - 5)

let home = ''
let manifest: Manifest
let holding: Holding
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'lanyard-holders-'))
  const path = join(home, 'source')
  await writeFile(path, content)
  const source = orThrow(await lookAt(path))
  manifest = orThrow(await buildManifest(source))
  const offer = { id: RECORD, name: 'plan.bin', size: manifest.size }
  const sealed = { key, manifest, manifestHash: manifestHash(manifest), encoded: manifestBytes(manifest) }
  holding = wholeHolding({ ...sealed, room: 'room' as RoomId, offer }, source.parts)
})
afterEach(() => rm(home, { recursive: true, force: true }))

/** What a holder says instead of an honest reply; null: nothing, and never anything again. */
type Twist = (reply: FileReply | Uint8Array, count: number) => readonly Uint8Array[] | null | 'leave'
const honest: Twist = (reply) => [reply instanceof Uint8Array ? reply : fileReplyCodec.encode(reply)]

/** Frames on which the holder's replies are twisted; a ciphertext is the frame that follows `sealed`. */
const twisted = (frames: Frames, twist: Twist): Frames => {
  let count = 0
  let isCiphertext = false
  let isSilent = false
  return {
    ...frames,
    send: async (...parts) => {
      const bytes = new Uint8Array(Buffer.concat(parts))
      const reply = isCiphertext ? bytes : orThrow(fileReplyCodec.decode(bytes))
      isCiphertext = !(reply instanceof Uint8Array) && reply.kind === 'sealed'
      const said = isSilent ? null : twist(reply, count++)
      if (said === 'leave') frames.abort('gone')
      else if (said === null) isSilent = true
      else for (const one of said) await frames.send(one)
    },
  }
}

/** Fetches from holders of these kinds, for as long as something happens. */
const fetching = async (twists: Readonly<Record<string, Twist>>) => {
  const stop = new AbortController()
  const fouls: [string, string][] = []
  const dropped: [string, string][] = []
  const looks = new Set<(bytes: number) => void>()
  let advance = 0
  let waited: Refusal | null = null
  const serve = createServing({
    find: () => holding,
    mayServe: () => null,
    mayRead: () => null,
    onWanted: () => undefined,
    onServed: () => undefined,
    pace: createPace(null, monotonicClock),
  })
  const parts: FetchParts = {
    sessions: { list: () => Object.keys(twists).map(fakeSession), onChange: () => () => undefined },
    openFileRoad: async (session) => {
      const [mine, theirs] = roadPair()
      void serve(twisted(theirs, twists[session.device.peerId] ?? honest), session)
      return mine
    },
    folder: join(home, 'downloads'),
    signal: stop.signal,
    clock: { now: () => monotonicClock.now() + advance },
    pace: createPace(null, monotonicClock),
    onAsked: () => () => undefined,
    onProgress: (bytes) => {
      for (const look of looks) look(bytes)
    },
    // Nobody else will come.
    onWaiting: (refusal) => {
      waited = refusal
      stop.abort()
    },
    onFoul: (refusal, holder) => void fouls.push([holder, refusal.code]),
    onDropped: (refusal, holder) => void dropped.push([holder, refusal.code]),
    onManifest: () => undefined,
    onArriving: () => undefined,
    onNamed: () => undefined,
  }
  const wanted: WantedFile = {
    record: RECORD,
    name: 'plan.bin',
    size: manifest.size,
    key,
    manifest: manifestHash(manifest),
  }
  const outcome = fetchFile(parts, { wanted, room: 'room' as RoomId, known: null })
  return {
    outcome,
    fouls,
    dropped,
    waited: () => waited,
    onBytes: (least: number) => new Promise<void>((resolve) => looks.add((bytes) => bytes >= least && resolve())),
    pass: (ms: number) => {
      advance += ms
    },
  }
}
const isContent = async (outcome: string | Refusal): Promise<boolean> =>
  !isRefusal(outcome) && (await readFile(outcome)).equals(content)

/** Replies as they should be, but for ciphertexts. */
const ciphertexts =
  (change: (bytes: Uint8Array) => Uint8Array): Twist =>
  (reply) =>
    reply instanceof Uint8Array ? [change(reply)] : honest(reply, 0)
const held =
  (change: (reply: Extract<FileReply, { kind: 'held' }>) => FileReply): Twist =>
  (reply) =>
    !(reply instanceof Uint8Array) && reply.kind === 'held' ? [fileReplyCodec.encode(change(reply))] : honest(reply, 0)

const LIES: Readonly<Record<string, readonly [Twist, code: string]>> = {
  'a wrong chunk': [ciphertexts((bytes) => bytes.map((byte, at) => (at === 99 ? byte ^ 1 : byte))), 'file-chunk-wrong'],
  'a truncated chunk': [ciphertexts((bytes) => bytes.subarray(1)), 'file-chunk-wrong'],
  'an oversized chunk': [ciphertexts((bytes) => new Uint8Array([...bytes, 0])), 'file-chunk-wrong'],
  'a chunk of another place': [
    (reply) =>
      !(reply instanceof Uint8Array) && reply.kind === 'sealed'
        ? [fileReplyCodec.encode({ ...reply, index: (reply.index + 1) % CHUNKS })]
        : honest(reply, 0),
    'file-chunk-wrong|wrong-order',
  ],
  'a wrong manifest': [held((reply) => ({ ...reply, manifest: new Uint8Array(99) })), 'file-manifest-wrong'],
  'no manifest': [held((reply) => ({ ...reply, manifest: null })), 'file-manifest-wrong'],
  'too many bits': [held((reply) => ({ ...reply, chunks: new Uint8Array(99) })), 'frame-malformed'],
  'what is no reply': [
    (reply) => (reply instanceof Uint8Array ? [reply] : [new Uint8Array([0xff])]),
    'frame-malformed',
  ],
}

describe('a holder that sends', () => {
  test.each(Object.entries(LIES))(
    '%s is named and left alone, and the file comes from the other one',
    async (_, [twist, code]) => {
      const { outcome, fouls } = await fetching({ liar: twist, good: honest })
      expect(await isContent(await outcome)).toBe(true)
      expect(fouls.every(([who, why]) => who === 'liar' && code.split('|').includes(why))).toBe(true)
      expect(await readdir(join(home, 'downloads'))).toEqual(['plan.bin'])
    },
  )

  test.each(Object.entries(LIES))(
    '%s and is the only one gives no file, and nothing wrong',
    async (_, [twist, code]) => {
      const { outcome, fouls, waited } = await fetching({ liar: twist })
      expect(isRefusal(await outcome)).toBe(true)
      expect(code.split('|')).toContain(fouls[0]?.[1])
      expect(code.split('|')).toContain(waited()?.code)
      expect((await readdir(home)).filter((name) => !['source', 'downloads'].includes(name))).toEqual([])
    },
  )
})

test('a holder that stalls is named and left alone, when another has what it was asked for', async () => {
  const stalls: Twist = (reply, count) => (count > 0 ? null : honest(reply, count))
  const { outcome, fouls, dropped, onBytes, pass } = await fetching({ slow: stalls, good: honest })
  // All but the two chunks that it was asked for, and does not bring.
  await onBytes((CHUNKS - 2) * CHUNK_BYTES - 5)
  pass(HOLDER_STALL_MS)
  expect(await isContent(await outcome)).toBe(true)
  expect(fouls).toEqual([])
  expect(dropped).toEqual([['slow', 'file-holder-slow']])
})

test('a holder that leaves in the middle costs nothing but what was on its way', async () => {
  let left = 0
  const leaves: Twist = (reply, count) => {
    if (count <= 4 || left > 0) return honest(reply, count)
    left++
    return 'leave'
  }
  const { outcome, fouls } = await fetching({ leaver: leaves, good: honest })
  expect(await isContent(await outcome)).toBe(true)
  expect(fouls).toEqual([])
})

test('two who have a half each give the whole', async () => {
  const half = (odd: number): Twist =>
    held((reply) => {
      const chunks = emptyBitmap(CHUNKS)
      for (let index = odd; index < CHUNKS; index += 2) setBit(chunks, index)
      return { ...reply, chunks }
    })
  const { outcome, fouls } = await fetching({ even: half(0), odd: half(1) })
  expect(await isContent(await outcome)).toBe(true)
  expect(fouls).toEqual([])
})

test('one who has a half gives that, and the rest is waited for', async () => {
  const half = held((reply) => ({ ...reply, chunks: new Uint8Array([0xff, 0]) }))
  const { outcome, waited } = await fetching({ some: half })
  expect(isRefusal(await outcome)).toBe(true)
  expect(waited()).toEqual(refuse('file-not-held', 'nobody here has the rest'))
  expect(await readdir(join(home, 'downloads'))).toEqual([`.lanyard-${RECORD}.note`, `.lanyard-${RECORD}.part`])
  expect(toHex(await readFile(join(home, 'downloads', `.lanyard-${RECORD}.note`)))).toBe('ff00')
})
