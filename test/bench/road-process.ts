import { createPrivateKey } from 'node:crypto'
import { startBulk } from '../../peer/files/bulk/bulk.ts'
import { openChunk, type SealedFile } from '../../peer/files/chunk.ts'
import { chunkCount } from '../../peer/files/extent.ts'
import { type Holding, wholeHolding } from '../../peer/files/holding.ts'
import { decodeManifest, manifestBytes, manifestHash } from '../../peer/files/manifest.ts'
import { createPace } from '../../peer/files/pace.ts'
import { startFileRoads } from '../../peer/files/road.ts'
import { createServing } from '../../peer/files/serve.ts'
import { buildManifest, lookAt } from '../../peer/files/source.ts'
import { growHeapFreely } from '../../peer/memory.ts'
import { createSessions } from '../../peer/network/sessions.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { monotonicClock, systemClock } from '../../shared/clock.ts'
import { orThrow, refuse } from '../../shared/errors.ts'
import { fromHex, type RecordHash, type RoomId } from '../../shared/ids.ts'
import { CHUNKS_IN_FLIGHT } from '../../shared/limits.ts'
import { createNode } from '../../shared/network/node.ts'
import { systemRandom } from '../../shared/random.ts'
import { fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import { obey, tellBench, type Usage, usage } from './child.ts'
import { nowMs } from './figures.ts'
import type { PeerProfile } from './peer-process.ts'

// A program: the roads of files with nothing behind them. What it fetches is opened and verified, and not written.

export type RoadProfile = Pick<PeerProfile, 'key' | 'certificate' | 'root'> & {
  /** The other side's certificate, DER in base64: its session needs no hello here. */
  readonly other: string
  /** False: the libp2p stream carries all. */
  readonly tls: boolean
}

export type RoadOrder =
  | { readonly do: 'dial'; readonly addresses: readonly string[] }
  /** Gets one file ready to be served. */
  | { readonly do: 'hold'; readonly path: string }
  | { readonly do: 'measure' }
  /** Fetches what the other side holds, and throws it away. */
  | { readonly do: 'drain'; readonly size: number; readonly manifest: Uint8Array; readonly key: Uint8Array }

export type RoadReport =
  | ({ readonly kind: 'usage' } & Usage)
  | { readonly kind: 'ready'; readonly addresses: readonly string[] }
  | { readonly kind: 'session' }
  | { readonly kind: 'held'; readonly size: number; readonly manifest: Uint8Array; readonly key: Uint8Array }
  | { readonly kind: 'drained'; readonly tookMs: number; readonly road: string }

const RECORD = 'ab'.repeat(32) as RecordHash
const ROOM = 'cd'.repeat(32) as RoomId
const base64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
growHeapFreely()
const profile: RoadProfile = JSON.parse(process.argv[2] ?? '')
const key = createPrivateKey(profile.key)
const anchor = orThrow(trustAnchor(base64(profile.root), systemClock.now()))
const verify = (certificate: Uint8Array, remoteSpki?: Uint8Array) =>
  verifyDevice(certificate, { anchor, now: systemClock.now(), remoteSpki })
const certificate = base64(profile.certificate)
const self = orThrow(verify(certificate, spkiOf(key)))
const other = orThrow(verify(base64(profile.other)))

const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'] })
const sessions = createSessions(self.peerId)
const tell = (report: RoadReport): void => tellBench(report)
node.onConnection((connection) => {
  sessions.admit(other, connection)
  tell({ kind: 'session' })
})
let held: Holding | null = null
let road = ''
const converse = createServing({
  find: () => held ?? refuse('file-not-held'),
  mayServe: () => null,
  mayFetch: () => null,
  onWanted: () => undefined,
  onServed: () => undefined,
  pace: createPace(null, monotonicClock),
})
const { network } = anchor
const shared = { node, network, sessions, converse, monotonic: monotonicClock }
const bulk = await startBulk({
  ...shared,
  key,
  shown: () => certificate,
  verify,
  onTurnedAway: ({ code }) => process.stderr.write(`turned away: ${code}\n`),
  random: systemRandom,
})
const none = { open: () => Promise.resolve(refuse('road-not-here')) }
const roads = await startFileRoads({
  ...shared,
  bulk: profile.tls ? bulk : none,
  onRoad: (_session, taken) => {
    road = taken.road
  },
})

const hold = async (path: string): Promise<void> => {
  const source = orThrow(await lookAt(path))
  const manifest = orThrow(await buildManifest(source))
  const offer = { id: RECORD, name: 'file', size: manifest.size }
  const sealed: SealedFile = { key: systemRandom.bytes(32), manifest, manifestHash: manifestHash(manifest) }
  held = wholeHolding({ ...sealed, room: ROOM, encoded: manifestBytes(manifest), offer }, source.parts)
  tell({ kind: 'held', size: manifest.size, manifest: sealed.manifestHash, key: sealed.key })
}

const drain = async (offered: Extract<RoadOrder, { do: 'drain' }>): Promise<void> => {
  const session = sessions.of(other.peerId)
  if (session === undefined) throw new Error('no session')
  const at = nowMs()
  const frames = orThrow(await roads.openFileRoad(session, new AbortController().signal, offered.size))
  await frames.send(fileRequestCodec.encode({ kind: 'want', record: fromHex(RECORD), known: false }))
  const answer = orThrow(fileReplyCodec.decode(orThrow(await frames.receive())))
  if (answer.kind !== 'held' || answer.manifest === null) throw new Error(answer.kind)
  const manifest = orThrow(decodeManifest(answer.manifest, offered))
  const file: SealedFile = { key: offered.key, manifest, manifestHash: offered.manifest }
  const chunks = chunkCount(manifest)
  const ask = (index: number) => frames.send(fileRequestCodec.encode({ kind: 'chunk', index }))
  for (let index = 0; index < Math.min(chunks, CHUNKS_IN_FLIGHT); index++) await ask(index)
  for (let index = 0; index < chunks; index++) {
    const sealed = orThrow(fileReplyCodec.decode(orThrow(await frames.receive())))
    if (sealed.kind !== 'sealed') throw new Error(sealed.kind)
    const ciphertext = orThrow(await frames.receive())
    if (index + CHUNKS_IN_FLIGHT < chunks) await ask(index + CHUNKS_IN_FLIGHT)
    orThrow(openChunk(file, index, { ciphertext, tag: sealed.tag }, ciphertext))
    frames.recycle(ciphertext)
  }
  const tookMs = nowMs() - at
  await frames.close()
  tell({ kind: 'drained', tookMs, road })
}

obey<RoadOrder>(
  async (order) => {
    switch (order.do) {
      case 'dial':
        await node.dial(order.addresses)
        return
      case 'measure':
        return tell({ kind: 'usage', ...usage() })
      case 'hold':
        return hold(order.path)
      case 'drain':
        return drain(order)
    }
  },
  async () => {
    await bulk.stop()
    await node.stop()
  },
)
tell({ kind: 'ready', addresses: node.addresses() })
