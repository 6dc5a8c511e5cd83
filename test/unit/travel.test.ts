import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Announcer, createAnnouncer } from '../../peer/log/announcer.ts'
import { type CatchUp, startCatchUp } from '../../peer/log/catch-up.ts'
import type { Session } from '../../peer/network/sessions.ts'
import type { LogId } from '../../peer/store/log-id.ts'
import { fromHex, type Incarnation, type PeerId, type RecordHash, type RoomId } from '../../shared/ids.ts'
import type { LogPoint } from '../../shared/wire/sync.ts'

// The announcer and the catching up that ship, between members whose records are numbers and whose network loses what it
// likes: what live carriers lose, sync brings, whoever is connected with whom.

const room = 'room' as RoomId
const incarnation = '0000000000000001' as Incarnation
beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

type Network = {
  /** Pairs that have a session. */
  readonly pairs: readonly (readonly [number, number])[]
  readonly carrier: 'gossip' | 'push'
  /** Whether the next thing that is said gets lost. */
  readonly loses: () => boolean
  /** Milliseconds until the next thing that is said arrives. */
  readonly delay: () => number
}

class Member {
  readonly name: PeerId
  /** How many records of each author are held. */
  readonly held = new Map<PeerId, number>()
  readonly neighbours: Member[] = []
  pulls = 0
  readonly #network: Network
  readonly #announcer: Announcer
  readonly catchUp: CatchUp
  #advanced: (log: LogId) => void = () => undefined

  constructor(index: number, network: Network) {
    this.name = `member ${index}` as PeerId
    this.#network = network
    const sessionOf = ({ name }: Member): Session => ({ device: { peerId: name } }) as unknown as Session
    const sessions = {
      list: () => this.neighbours.map(sessionOf),
      of: (peer: PeerId) => {
        const neighbour = this.neighbour(peer)
        return neighbour === undefined ? undefined : sessionOf(neighbour)
      },
      onChange: () => () => undefined,
    }
    const clock = { now: () => Date.now() }
    const random = { bytes: (length: number) => Uint8Array.from({ length }, () => network.delay() % 256) }
    this.catchUp = startCatchUp({
      sync: {
        pull: async (peer) => {
          this.pulls++
          await later(network.delay())
          const before = this.count()
          const server = this.neighbour(peer)
          for (const [author, count] of server?.held ?? []) for (let seq = 0; seq < count; seq++) this.take(author, seq)
          server?.hear(this.name, this.points(), true)
          return { stored: this.count() - before, lacking: false }
        },
        rooms: async (peer) => {
          await later(network.delay())
          const theirs = this.neighbour(peer)?.digest()
          return [{ room, isMember: true, agrees: () => theirs === this.digest() }]
        },
      },
      keys: { ask: async () => 0, roomChanged: () => undefined },
      sessions: sessions as never,
      directory: 'directory' as RoomId,
      isCarried: () => true,
      shares: () => true,
      sharedWith: () => [],
      onRemoved: () => undefined,
      locked: () => false,
      onAgreed: (peer) => this.hear(peer, this.points(), false),
      clock,
      random,
      onFailure: () => undefined,
    })
    this.#announcer = createAnnouncer({
      self: this.name,
      log: {
        head: ({ device }) => {
          const count = this.held.get(device) ?? 0
          return count === 0 ? null : { seq: count - 1, hash: String(count) as RecordHash }
        },
        onAdvance: (listener) => {
          this.#advanced = listener
          return () => undefined
        },
      },
      sessions,
      reaches: () => true,
      carrier: () => network.carrier,
      isBehind: this.catchUp.isPulling,
      tell: (peer, _room, points) => this.#say(() => this.neighbour(peer)?.hear(this.name, points, true)),
      clock,
      random,
    })
  }

  neighbour(peer: PeerId): Member | undefined {
    return this.neighbours.find(({ name }) => name === peer)
  }
  count(): number {
    return [...this.held.values()].reduce((sum, count) => sum + count, 0)
  }
  digest(): string {
    return [...this.held]
      .map(([author, count]) => `${author} ${count}`)
      .sort()
      .join()
  }
  points(): LogPoint[] {
    return [...this.held].map(([device, count]) => ({ device, inc: fromHex(incarnation), seq: count - 1 }))
  }
  /** What a held frame, or the heads of somebody who asks, lead to. */
  hear(from: PeerId, points: readonly LogPoint[], isFresh: boolean): void {
    this.#announcer.heard(from, room, points)
    const isNeeded = (): boolean => points.some(({ device, seq }) => seq >= (this.held.get(device as PeerId) ?? 0))
    if (isFresh && isNeeded()) this.catchUp.soon(from, room, isNeeded)
  }
  take(author: PeerId, seq: number): void {
    const count = this.held.get(author) ?? 0
    if (seq > count) this.catchUp.lack(room)
    if (seq !== count) return
    this.held.set(author, count + 1)
    this.#advanced({ room, device: author, incarnation })
    if (this.#network.carrier === 'gossip' && author !== this.name) this.#carry(author, seq) // it passes on what is new
  }
  write(): void {
    const seq = this.held.get(this.name) ?? 0
    this.take(this.name, seq)
    this.#carry(this.name, seq)
  }
  #carry(author: PeerId, seq: number): void {
    for (const neighbour of this.neighbours) this.#say(() => neighbour.take(author, seq))
  }
  #say(what: () => void): void {
    if (!this.#network.loses()) setTimeout(what, this.#network.delay())
  }
  stop(): void {
    this.#announcer.stop()
    this.catchUp.stop()
  }
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const gather = (count: number, network: Network): Member[] => {
  const members = Array.from({ length: count }, (_, index) => new Member(index, network))
  for (const [a, b] of network.pairs) {
    const [one, other] = [members[a], members[b]]
    if (one === undefined || other === undefined) continue
    one.neighbours.push(other)
    other.neighbours.push(one)
  }
  return members
}
const everybody = (count: number): (readonly [number, number])[] =>
  Array.from({ length: count }, (_, a) => Array.from({ length: a }, (_, b) => [a, b] as const)).flat()

const numbers = fc.array(fc.nat({ max: 10_000 }), { minLength: 50, maxLength: 100 })
const stream = (values: readonly number[]) => {
  let at = 0
  return (): number => values[at++ % values.length] ?? 0
}
/** A tree, so that all hang together, and some pairs more. */
const meshes = fc.integer({ min: 2, max: 7 }).chain((count) =>
  fc.record({
    count: fc.constant(count),
    parents: fc.array(fc.nat(), { minLength: count - 1, maxLength: count - 1 }),
    more: fc.subarray(everybody(count)),
  }),
)
const pairsOf = ({
  count,
  parents,
  more,
}: {
  count: number
  parents: readonly number[]
  more: readonly (readonly [number, number])[]
}) => {
  const tree = Array.from({ length: count - 1 }, (_, at) => [at + 1, (parents[at] ?? 0) % (at + 1)] as const)
  const known = new Set(tree.map(String))
  return [...tree, ...more.filter((pair) => !known.has(String(pair)))]
}

test('whatever is lost, late or out of order, all members come to hold the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      meshes,
      fc.constantFrom('gossip' as const, 'push' as const),
      fc.integer({ min: 0, max: 100 }),
      numbers,
      numbers,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 2_000 })), { minLength: 1, maxLength: 40 }),
      async (mesh, carrier, percent, losses, delays, writes) => {
        const [loss, delay] = [stream(losses), stream(delays)]
        const network = {
          carrier,
          pairs: pairsOf(mesh),
          loses: () => loss() % 100 < percent,
          delay: () => delay() % 400,
        }
        const members = gather(mesh.count, network)
        for (const [writer, pause] of writes) {
          members[writer % members.length]?.write()
          await vi.advanceTimersByTimeAsync(pause)
        }
        // One neighbour is asked every 15 s: in a chain of seven that is a while.
        for (let round = 0; round < 60 && new Set(members.map((one) => one.digest())).size > 1; round++) {
          await vi.advanceTimersByTimeAsync(15_000)
        }
        for (const member of members) member.stop()
        expect(members.map((one) => one.count())).toEqual(members.map(() => writes.length))
      },
    ),
    { numRuns: 150 },
  )
}, 120_000)

const reliable = { loses: () => false, delay: () => 5 }

test('of what is pushed, somebody who is connected with another member only hears within a second or so', async () => {
  const chain = [
    [0, 1],
    [1, 2],
    [2, 3],
  ] as const
  const members = gather(4, { ...reliable, carrier: 'push', pairs: chain })
  members[0]?.write()
  await vi.advanceTimersByTimeAsync(2_000)
  expect(members.map((member) => member.count())).toEqual([1, 1, 1, 1])
  for (const member of members) member.stop()
})

test.for(['gossip', 'push'] as const)('after a burst that %s carried whole, nobody pulls', async (carrier) => {
  const members = gather(6, { ...reliable, carrier, pairs: everybody(6) })
  for (let burst = 0; burst < 10; burst++) {
    for (let record = 0; record < 20; record++) members[burst % 3]?.write()
    await vi.advanceTimersByTimeAsync(500)
  }
  await vi.advanceTimersByTimeAsync(60_000)
  expect(members.map(({ pulls }) => pulls)).toEqual([0, 0, 0, 0, 0, 0])
  for (const member of members) member.stop()
})

test.for(['gossip', 'push'] as const)(
  'the last record of all, lost to one by %s, is there within a second',
  async (carrier) => {
    let spoken = 0
    const members = gather(2, { ...reliable, carrier, pairs: [[0, 1]], loses: () => ++spoken === 1 })
    members[0]?.write()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(members[1]?.count()).toBe(1)
    for (const member of members) member.stop()
  },
)
