import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { isSkipped, testWithPython } from '../support/python.ts'
import { codesOf, examine, gather, piecesOf } from '../support/transcripts.ts'
import { createWorld, says } from '../support/world.ts'

// One real export, and every byte of it changed once, by two verifiers that share no code.

const seed = Number(process.env.LANYARD_SEED ?? Date.now() % 1_000_000_007)
console.log(`flips of transcripts: LANYARD_SEED=${seed}`)

let folder: string
let root: Uint8Array
let bytes: Uint8Array
let everyByte: Promise<Tried> | null = null
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lanyard-flips-'))
  await using world = await createWorld()
  const alice = await world.settle('alice')
  await alice.leave()
  const now = world.network.clock.now()
  const list = await createRevocationList({
    issuer: { certificate: world.network.root, key: world.network.rootKey },
    number: 7,
    thisUpdate: now - 1_000,
    entries: [{ serial: '5eed', date: now - 5_000, reason: 'keyCompromise' }],
  })
  const database = new DatabaseSync(alice.databasePath)
  database.prepare('INSERT INTO revocation_list (one, der) VALUES (1, ?)').run(list)
  database.close()
  await alice.comeBack()
  const bob = await world.settle('bob')
  const { general } = alice.peer
  await alice.peer.say(general, 'the price is 100')
  await bob.until(says('the price is 100'))
  await bob.peer.say(general, 'agreed')
  await alice.until(says('agreed'))
  bytes = await gather(alice.peer.transcripts.records({ room: general, name: '#general', withKeys: true }))
  root = world.network.root
  await writeFile(at('root.pem'), toPem('CERTIFICATE', root))
  await writeFile(at('general.transcript'), bytes)
  // It works beside our own verifier, which takes about as long.
  const all = masks(bytes.byteLength).map((mask, offset) => [offset, mask] as const)
  everyByte = isSkipped ? null : flips('first', all)
  everyByte?.catch(() => undefined) // its test tells
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** One change of each byte, by the seed: numbers from 1 to 255. */
const masks = (length: number): number[] => {
  let state = seed >>> 0
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return 1 + ((state >>> 8) % 255)
  })
}

const flipped = (offset: number, mask: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  copy[offset] = (copy[offset] ?? 0) ^ mask
  return copy
}

test('as it was exported it has no fault, and every kind of item that it should', async () => {
  const report = await examine(bytes, root)
  expect(report).toMatchObject({ ok: true, revocationList: { number: 7 }, exporter: { user: 'alice' }, records: 4 })
  expect(report.messages?.map(({ text }) => text)).toEqual(['the price is 100', 'agreed'])
  expect([...new Set(piecesOf(bytes).map(({ item }) => item.kind))]).toEqual([
    'transcript',
    'roots',
    'list',
    'certificate',
    'record',
    'receipt',
  ])
})

test('our verifier notices a change of any byte, and says where', async () => {
  const missed: number[] = []
  const unplaced: number[] = []
  const pieces = piecesOf(bytes)
  for (const [offset, mask] of masks(bytes.byteLength).entries()) {
    const report = await examine(flipped(offset, mask), root)
    if (report.ok) missed.push(offset)
    // Beside "the file is another one" something says what: but of what only the file's digest covers, as the room's name.
    const piece = pieces.find(({ from, to }) => from <= offset && offset < to)
    const named = codesOf(report).some((code) => code !== 'transcript-altered')
    if (!named && piece?.item.kind !== 'transcript') unplaced.push(offset)
  }
  expect({ missed, unplaced }).toEqual({ missed: [], unplaced: [] })
})

type Tried = { readonly tried: number; readonly missed: readonly number[]; readonly asked: number }

const python = (script: string, args: readonly string[], input = ''): Promise<{ code: number; out: string }> =>
  new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const child = execFile('python3', ['-B', path, ...args], { maxBuffer: 1 << 24 }, (error, out, err) => {
      if (error !== null && typeof error.code !== 'number') reject(error)
      else if (err !== '') reject(new Error(err))
      else resolve({ code: error === null ? 0 : Number(error.code), out })
    })
    child.stdin?.end(input)
  })

const flips = async (mode: 'first' | 'records', offsets: readonly (readonly [number, number])[]): Promise<Tried> => {
  const lines = offsets.map(([offset, mask]) => `${offset} ${mask}`).join('\n')
  const { out } = await python('flips.py', [at('root.pem'), at('general.transcript'), mode], lines)
  return JSON.parse(out)
}

describe('a second verifier, in Python with openssl alone', () => {
  testWithPython('agrees that it has no fault', async () => {
    const { code, out } = await python('verify.py', ['--root', at('root.pem'), at('general.transcript')])
    expect({ code, ...JSON.parse(out) }).toEqual({ code: 0, ok: true, problems: [] })
  })

  testWithPython('notices a change of any byte', async () => {
    const { tried, missed, asked } = (await everyByte) ?? { tried: 0, missed: [], asked: 0 }
    console.log(`${tried} changes, ${asked} questions to openssl`)
    expect({ tried, missed }).toEqual({ tried: bytes.byteLength, missed: [] })
  })

  testWithPython('a sample of them also by the records alone, without the digest of the file', async () => {
    const places = masks(bytes.byteLength).map((mask, offset) => [offset, mask] as const)
    // Within the records, the certificates and the list: what else the digest alone covers is the head.
    const from = piecesOf(bytes)[1]?.from ?? 0
    const sample = places.filter(([offset]) => offset >= from && (offset + seed) % SAMPLED === 0)
    const { tried, missed, asked } = await flips('records', sample)
    console.log(`${tried} of ${bytes.byteLength} bytes changed, ${asked} questions to openssl`)
    expect({ tried, missed }).toEqual({ tried: sample.length, missed: [] })
  })
})

const SAMPLED = 40 // one byte in so many: each asks openssl anew
