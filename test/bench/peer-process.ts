import { createPrivateKey } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { growHeapFreely } from '../../peer/memory.ts'
import { createPeer } from '../../peer/peer.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import type { PeerId, RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { obey, tellBench, type Usage, usage as usedSoFar } from './child.ts'
import { nowMs } from './figures.ts'
import { watchStalls } from './stalls.ts'

// A program: one real peer, driven by the bench. Times are of the clock that both sides share, in milliseconds.

/** Where a peer keeps its things, and who it is; byte strings in base64. */
export type PeerProfile = {
  readonly folder: string
  /** PKCS#8, PEM. */
  readonly key: string
  /** DER. */
  readonly certificate: string
  /** DER. */
  readonly root: string
  /** 32 bytes, of a store that is there already; a new one gets a fresh key. */
  readonly storeKey?: string
}

export type PeerOrder =
  | { readonly do: 'meet'; readonly peer: PeerId; readonly addresses: readonly string[] }
  | { readonly do: 'say'; readonly text: string }
  /** `count` texts of `bytes`, at most `window` of them not yet stored. */
  | { readonly do: 'stream'; readonly count: number; readonly bytes: number; readonly window: number }
  /** Tells `heard-all` once that many messages have come. */
  | { readonly do: 'expect'; readonly count: number }
  | { readonly do: 'offer'; readonly path: string }
  /** Fetches the file that was offered last. */
  | { readonly do: 'fetch' }
  | { readonly do: 'remove'; readonly path: string }
  /** Founds a private room with these users; tells `founded`. */
  | { readonly do: 'found'; readonly users: readonly string[] }
  /** What is said from now on is said in this room; tells `entered` once it has so many members. */
  | { readonly do: 'enter'; readonly room: RoomId; readonly members: number }
  /** Tells `usage` since this was last asked. */
  | { readonly do: 'usage' }
  /** Tells `measured`. */
  | { readonly do: 'measure' }

export type PeerReport =
  | {
      readonly kind: 'ready'
      readonly peer: PeerId
      readonly addresses: readonly string[]
      /** From the call that starts a peer until it listens. */
      readonly tookMs: number
    }
  | { readonly kind: 'session' }
  | { readonly kind: 'said'; readonly at: number }
  | { readonly kind: 'heard'; readonly at: number }
  | { readonly kind: 'heard-all'; readonly at: number }
  /** Null: it was refused, as what can't be offered is. */
  | { readonly kind: 'offered'; readonly tookMs: number | null }
  | { readonly kind: 'offer'; readonly size: number }
  | { readonly kind: 'whole'; readonly tookMs: number; readonly path: string }
  | { readonly kind: 'removed' }
  | ({ readonly kind: 'measured' } & Usage)
  | { readonly kind: 'founded'; readonly room: RoomId }
  | { readonly kind: 'entered' }
  | {
      readonly kind: 'usage'
      /** Milliseconds of processor of all threads; the longest that the event loop was held up; and bytes of memory. */
      readonly cpuMs: number
      readonly stallMs: number
      readonly rssBytes: number
    }

const base64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))

growHeapFreely()
const profile: PeerProfile = JSON.parse(process.argv[2] ?? '')
const key = createPrivateKey(profile.key)
const anchor = orThrow(trustAnchor(base64(profile.root), systemClock.now()))
const began = nowMs()
const peer = await createPeer({
  key,
  anchor,
  self: orThrow(verifyDevice(base64(profile.certificate), { anchor, now: systemClock.now(), remoteSpki: spkiOf(key) })),
  storeKey: profile.storeKey === undefined ? systemRandom.bytes(32) : base64(profile.storeKey),
  databasePath: `${profile.folder}/lanyard.db`,
  downloads: `${profile.folder}/downloads`,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  mdns: false,
  files: { accept: { maxBytes: 0, from: 'everybody' } }, // nothing is fetched before the bench says so
  clock: systemClock,
  random: systemRandom,
})
const tookMs = nowMs() - began
let expected = Number.POSITIVE_INFINITY
let room: RoomId = peer.general
let stalls = watchStalls()
let usage = process.cpuUsage()
let offered: RecordHash | null = null
let fetchedAt = 0

const stream = async ({ count, bytes, window }: Extract<PeerOrder, { do: 'stream' }>): Promise<void> => {
  const text = 'x'.repeat(bytes)
  const flying = new Set<Promise<unknown>>()
  for (let at = 0; at < count; at++) {
    const said = peer.say(room, text).finally(() => flying.delete(said))
    flying.add(said)
    if (flying.size >= window) await Promise.race(flying)
  }
  await Promise.all(flying)
}

const memberCount = (id: RoomId): number => peer.rooms().find((known) => known.id === id)?.members?.size ?? 0

const enter = async (order: Extract<PeerOrder, { do: 'enter' }>): Promise<void> => {
  room = order.room
  await new Promise<void>((resolve) => {
    const end = peer.on(({ kind }) => {
      if (kind === 'room') look()
    })
    const look = (): void => {
      if (memberCount(room) !== order.members) return
      end()
      resolve()
    }
    look()
  })
}

const tell = (report: PeerReport): void => tellBench(report)
obey<PeerOrder>(async (order) => {
  switch (order.do) {
    case 'meet':
      return peer.meet(order.peer, order.addresses)
    case 'say': {
      const at = nowMs()
      await peer.say(room, order.text)
      return tell({ kind: 'said', at })
    }
    case 'stream': {
      const at = nowMs()
      await stream(order)
      return tell({ kind: 'said', at })
    }
    case 'expect':
      expected = order.count
      return
    case 'offer': {
      const at = nowMs()
      const refused = await peer.sendFile(peer.general, order.path).then(
        () => false,
        () => true,
      )
      return tell({ kind: 'offered', tookMs: refused ? null : nowMs() - at })
    }
    case 'fetch':
      fetchedAt = nowMs()
      if (offered === null || peer.fetchFile(offered) !== null) throw new Error('nothing to fetch')
      return
    case 'found': {
      const id = await peer.politics.found({ name: 'bench', access: 'invite', history: 'all' })
      for (const user of order.users) await peer.politics.invite(id, user as UserName)
      return tell({ kind: 'founded', room: id })
    }
    case 'enter':
      await enter(order)
      return tell({ kind: 'entered' })
    case 'usage': {
      const { user, system } = process.cpuUsage(usage)
      const stallMs = stalls.longest()
      usage = process.cpuUsage()
      stalls = watchStalls()
      return tell({ kind: 'usage', cpuMs: (user + system) / 1_000, stallMs, rssBytes: process.memoryUsage.rss() })
    }
    case 'remove':
      await rm(order.path)
      return tell({ kind: 'removed' })
    case 'measure':
      return tell({ kind: 'measured', ...usedSoFar() })
  }
}, peer.stop)

peer.on((event) => {
  if (event.kind === 'session' && event.change === 'began') tell({ kind: 'session' })
  if (event.kind === 'message' && event.message.content?.kind === 'file') {
    offered = event.message.id
    tell({ kind: 'offer', size: event.message.content.size })
  } else if (event.kind === 'message') {
    const at = nowMs()
    if (expected === Number.POSITIVE_INFINITY) tell({ kind: 'heard', at })
    else if (--expected === 0) {
      expected = Number.POSITIVE_INFINITY
      tell({ kind: 'heard-all', at })
    }
  }
  if (event.kind === 'file' && event.progress.state === 'failed') throw new Error(event.progress.refusal?.code)
  if (event.kind === 'file' && event.progress.state === 'whole') {
    tell({ kind: 'whole', tookMs: nowMs() - fetchedAt, path: event.progress.path ?? '' })
  }
})
tell({ kind: 'ready', peer: peer.self.peerId, addresses: peer.addresses(), tookMs })
