import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { orThrow } from '../../shared/errors.ts'
import { fromHex, roomIdOf } from '../../shared/ids.ts'
import { DAY_MS, MINUTE_MS } from '../../shared/limits.ts'
import { receiptBodyCodec } from '../../shared/wire/receipt.ts'
import { rollOver, testNetwork } from '../support/certificates.ts'
import { testWithPython } from '../support/python.ts'
import type { PennedRecord } from '../support/records.ts'
import { compose, examine, type Scribe, scribe, type Told } from '../support/transcripts.ts'

// The same stories put to both verifiers, whose exporter signs for whatever it says.

const network = testNetwork()
const room = roomIdOf(network.network, 'general')
const now = Date.now()
const revoked = Math.floor((now - 60 * MINUTE_MS) / 1_000) * 1_000
const before = revoked - 30 * MINUTE_MS

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lanyard-stories-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const python = async (bytes: Uint8Array, root: Uint8Array): Promise<{ ok: boolean; problems: readonly string[] }> => {
  const [file, rootFile] = [join(folder, 'file'), join(folder, 'root.pem')]
  await writeFile(file, bytes)
  await writeFile(rootFile, toPem('CERTIFICATE', root))
  const script = fileURLToPath(new URL('verify.py', import.meta.url))
  return new Promise((resolve, reject) => {
    execFile('python3', ['-B', script, '--root', rootFile, file], (_error, out, err) => {
      if (err === '') resolve(JSON.parse(out))
      else reject(new Error(err))
    })
  })
}

const message = (who: Scribe, at: number, aside = false): Promise<PennedRecord> => {
  const key = { epoch: 0, index: 0, commitment: new Uint8Array(32) }
  const body = new TextEncoder().encode(`sealed ${at}`)
  return who.pen.write({ room, kind: 'message', body, key }, { time: [at, 0] }, { aside })
}
const receipt = (who: Scribe, of: Scribe, seq: number, { hash }: PennedRecord, at: number): Promise<PennedRecord> => {
  const held = [{ device: of.device, inc: of.pen.inc, seq, hash: fromHex(hash) }]
  const body = receiptBodyCodec.encode({ held, read: [] })
  return who.pen.write({ room, kind: 'receipt', body }, { time: [at, 0] })
}
const old = (name: string): Scribe => scribe(network, name, { now: now - DAY_MS })
const listOf = (who: Scribe): Promise<Uint8Array> =>
  createRevocationList({
    issuer: { certificate: network.root, key: network.rootKey },
    number: 3,
    thisUpdate: now - 1_000,
    entries: [
      { serial: orThrow(readCertificate(who.certificate)).serial, date: revoked, reason: 'keyCompromise' },
      { serial: '5eed', date: revoked, reason: 'superseded' },
    ],
  })

const told = async (
  change: (story: { alice: Scribe; bob: Scribe; records: PennedRecord[] }) => Promise<Partial<Told>>,
) => {
  const [alice, bob] = [old('alice'), old('bob')]
  const records = [await message(alice, before), await message(alice, before + 1), await message(alice, before + 2)]
  return { network, room, exporter: bob, logs: [[alice, records]], ...(await change({ alice, bob, records })) } as Told
}

const STORIES: readonly (readonly [name: string, ok: boolean, story: () => Promise<Told>])[] = [
  ['all is well', true, () => told(async () => ({}))],
  [
    'a record is missing',
    false,
    () => told(async ({ alice, records }) => ({ logs: [[alice, records.toSpliced(1, 1)]] })),
  ],
  [
    'two have changed places',
    false,
    () =>
      told(
        async ({ alice, records }) =>
          ({ logs: [[alice, [records[0], ...records.slice(1).toReversed()]]] }) as Partial<Told>,
      ),
  ],
  [
    'a part, whose cut is stated',
    true,
    () => told(async ({ alice, records }) => ({ logs: [[alice, records.slice(1)]], head: { from: before + 1 } })),
  ],
  [
    'the author was revoked, and somebody else vouches for all',
    true,
    () =>
      told(async ({ alice, bob, records }) => {
        const word = await receipt(bob, alice, 2, records[2] as PennedRecord, revoked + MINUTE_MS)
        return {
          logs: [
            [alice, records],
            [bob, [word]],
          ],
          lists: [await listOf(alice)],
          crl: 3,
        }
      }),
  ],
  [
    'the author was revoked, and the last word is vouched for by nobody',
    false,
    () =>
      told(async ({ alice, bob, records }) => {
        const word = await receipt(bob, alice, 1, records[1] as PennedRecord, before + MINUTE_MS)
        return {
          logs: [
            [alice, records],
            [bob, [word]],
          ],
          lists: [await listOf(alice)],
          crl: 3,
        }
      }),
  ],
  [
    'two records of one number',
    false,
    () =>
      told(async ({ alice, records }) => {
        const last = records.pop()
        const other = await alice.pen.write(
          {
            room,
            kind: 'message',
            body: new Uint8Array(9),
            key: { epoch: 0, index: 1, commitment: new Uint8Array(32) },
          },
          { seq: 2, prev: fromHex(records[1]?.hash ?? ''), time: [before + 3, 0] },
          { aside: true },
        )
        return { logs: [[alice, [...records, last as PennedRecord]]], asides: [other] }
      }),
  ],
  ['the exporter was revoked before', false, () => told(async ({ bob }) => ({ lists: [await listOf(bob)], crl: 3 }))],
  ['the receipt names another list', false, () => told(async () => ({ crl: 1 }))],
]

for (const [name, ok, story] of STORIES) {
  testWithPython(`${name}: both say ${ok ? 'yes' : 'no'}`, async () => {
    const bytes = await compose(await story())
    const [ours, theirs] = [await examine(bytes, network.root), await python(bytes, network.root)]
    expect({ ours: ours.ok, theirs: theirs.ok }, JSON.stringify([ours.problems, theirs.problems])).toEqual({
      ours: ok,
      theirs: ok,
    })
  })
}

testWithPython('after a roll-over both take either root, and no third', async () => {
  const next = rollOver(network)
  const carol = scribe(next, 'carol')
  const bytes = await compose({
    ...(await told(async ({ alice, records }) => ({
      logs: [
        [alice, records],
        [carol, [await message(carol, now)]],
      ],
    }))),
    exporter: carol,
    bend: (items) => items.map((item) => (item.kind === 'roots' ? { ...item, successions: [next.succession] } : item)),
  })
  for (const [root, ok] of [
    [network.root, true],
    [next.root, true],
    [testNetwork().root, false],
  ] as const) {
    const [ours, theirs] = [await examine(bytes, root), await python(bytes, root)]
    expect({ ours: ours.ok, theirs: theirs.ok }, JSON.stringify(theirs.problems)).toEqual({ ours: ok, theirs: ok })
  }
})
