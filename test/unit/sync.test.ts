import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { beyond, digestOf, type HashAt, lacks, openDigestOf, telling } from '../../peer/log/sync.ts'
import { type RoomId, sha256, toHex } from '../../shared/ids.ts'
import { HEADS_MAX } from '../../shared/limits.ts'
import type { Head, LogName } from '../../shared/wire/sync.ts'

// Members as the rules see them: of each log a chain of hashes, and what else was signed with a number of it. An author who
// signs two records with one number has several branches; a member keeps to the one whose records came first.

type Entry = { readonly seq: number; readonly hash: string; readonly prev: string }
type Branch = readonly Entry[]
type Held = { readonly chain: Entry[]; readonly others: Map<number, Entry> }
type Member = Map<string, Held>

const NONE = toHex(new Uint8Array(32))
const bytesOf = (hash: string): Uint8Array => new Uint8Array(Buffer.from(hash, 'hex'))
const hashOf = (...parts: readonly (string | number)[]): string => toHex(sha256(Buffer.from(parts.join('/'))))
const nameOf = ({ device, inc }: LogName): string => `${device}/${toHex(inc)}`
const logOf = (name: string): LogName => {
  const [device = '', inc = ''] = name.split('/')
  return { device, inc: bytesOf(inc) }
}

/** One that leaves its parent at a number, and goes on with records of its own. */
const branchOff = (parent: Branch, at: number, length: number, salt: string): Branch => {
  const branch: Entry[] = parent.slice(0, at)
  for (let seq = branch.length; seq < at + length; seq++) {
    const prev = branch.at(-1)?.hash ?? NONE
    branch.push({ seq, prev, hash: hashOf(salt, seq, prev) })
  }
  return branch
}

const forkOf = ({ others }: Held): number | null => (others.size === 0 ? null : Math.min(...others.keys()))
const headsOf = (member: Member): Head[] =>
  [...member].flatMap(([name, held]) => {
    const fork = forkOf(held)
    const last = held.chain.at(fork === null ? -1 : fork)
    if (last === undefined) return []
    const hash = bytesOf(fork === null ? last.hash : last.prev)
    return [{ ...logOf(name), seq: last.seq, hash, ...(fork === null ? {} : ({ fork: 1 } as const)) }]
  })
const hashAtOf =
  (member: Member): HashAt =>
  (log, seq) => {
    const entry = member.get(nameOf(log))?.chain[seq]
    return entry === undefined ? null : bytesOf(entry.hash)
  }

/** As a record is taken in: in its place, or as proof. @returns whether it was here already */
const take = (member: Member, name: string, entry: Entry): 'stored' | 'replayed' | 'dropped' => {
  const held: Held = member.get(name) ?? { chain: [], others: new Map() }
  member.set(name, held)
  const present = held.chain[entry.seq]
  if (present?.hash === entry.hash) return 'replayed'
  if (present !== undefined) {
    if (!held.others.has(entry.seq)) held.others.set(entry.seq, entry)
    return 'dropped'
  }
  if (entry.seq > held.chain.length || entry.prev !== (held.chain.at(-1)?.hash ?? NONE)) return 'dropped'
  held.chain.push(entry)
  return 'stored'
}

/** What one serves to the other, all told. */
const pull = (puller: Member, server: Member): { readonly sent: number; readonly inVain: number } => {
  let sent = 0
  let inVain = 0
  for (const { after, upTo, fork, ...log } of beyond(headsOf(server), headsOf(puller), hashAtOf(server))) {
    const held = server.get(nameOf(log))
    const before = [...(held?.chain ?? [])]
    const other = fork === null ? undefined : held?.others.get(fork)
    const served = [...before.slice(after + 1, upTo + 1), ...before.slice(fork ?? before.length, (fork ?? -1) + 1)]
    for (const entry of other === undefined ? served : [...served, other]) {
      sent++
      if (take(puller, nameOf(log), entry) === 'replayed') inVain++
    }
  }
  return { sent, inVain }
}

const devices = ['alice', 'bob', 'carol']
const incs = [0, 1, 255].map((byte) => toHex(new Uint8Array(8).fill(byte)))
const names = devices.flatMap((device) => incs.map((inc) => `${device}/${inc}`))

/** Branches of each log; honest logs have one. */
const world = (branches: number) =>
  fc.array(
    fc.record({
      name: fc.constantFrom(...names),
      length: fc.integer({ min: 1, max: 8 }),
      forks: fc.array(fc.record({ at: fc.nat({ max: 7 }), length: fc.integer({ min: 1, max: 6 }) }), {
        maxLength: branches,
      }),
    }),
    { minLength: 1, maxLength: 5 },
  )
type World = ReadonlyMap<string, readonly Branch[]>
const worldOf = (
  logs: readonly { name: string; length: number; forks: readonly { at: number; length: number }[] }[],
): World =>
  new Map(
    logs.map(({ name, length, forks }) => {
      const trunk = branchOff([], 0, length, name)
      return [
        name,
        [
          trunk,
          ...forks.map(({ at, length }, index) =>
            branchOff(trunk, Math.min(at, trunk.length), length, `${name}/${index}`),
          ),
        ],
      ]
    }),
  )
/** Holds of each log some branch up to some number. */
const memberOf = (all: World, choice: () => number): Member => {
  const member: Member = new Map()
  for (const [name, branches] of all) {
    const branch = branches[choice() % branches.length] ?? []
    for (const entry of branch.slice(0, choice() % (branch.length + 1))) take(member, name, entry)
    // Proof may have come by live roads, too.
    const other = branches[choice() % branches.length]?.[choice() % 4]
    if (other !== undefined && member.get(name)?.chain[other.seq] !== undefined) take(member, name, other)
  }
  return member
}
const chooser = (numbers: readonly number[]) => {
  let at = 0
  return (): number => numbers[at++ % numbers.length] ?? 0
}
const choices = fc.array(fc.nat({ max: 1_000 }), { minLength: 40, maxLength: 80 })
const digest = (member: Member): string => toHex(digestOf(headsOf(member)))

describe('among honest authors', () => {
  const pair = fc.tuple(world(0), choices, choices).map(([logs, a, b]) => {
    const all = worldOf(logs)
    return [memberOf(all, chooser(a)), memberOf(all, chooser(b))] as const
  })

  test('two that have pulled from each other hold the same, and know it', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        pull(a, b)
        pull(b, a)
        expect(digest(a)).toBe(digest(b))
        expect([lacks(headsOf(a), headsOf(b)), lacks(headsOf(b), headsOf(a))]).toEqual([false, false])
      }),
    )
  })

  test('nobody is sent what it had, and nobody loses anything', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const before = headsOf(a)
        expect(pull(a, b).inVain).toBe(0)
        expect(lacks(headsOf(a), before)).toBe(false)
      }),
    )
  })

  test('one lacks something exactly when the other serves something', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(lacks(headsOf(a), headsOf(b))).toBe(pull(a, b).sent > 0)
      }),
    )
  })
})

describe('with authors who sign two records with one number', () => {
  const crowd = fc.tuple(world(3), choices, choices, choices).map(([logs, ...picks]) => {
    const all = worldOf(logs)
    return { all, members: picks.map((pick) => memberOf(all, chooser(pick))) }
  })
  /** Everybody pulls from everybody, until a round sends nothing. */
  const settle = (members: readonly Member[]): number => {
    for (let round = 1; round < 12; round++) {
      const sent = members.flatMap((a) => members.map((b) => (a === b ? 0 : pull(a, b).sent)))
      if (sent.every((count) => count === 0)) return round
    }
    return Number.POSITIVE_INFINITY
  }

  test('all members come to the same digest, after a few rounds, and then nothing more is sent', () => {
    fc.assert(
      fc.property(crowd, ({ members }) => {
        expect(settle(members)).toBeLessThan(8)
        expect(new Set(members.map(digest)).size).toBe(1)
      }),
      { numRuns: 500 },
    )
  })

  test('all have proof of the first number at which any two of them differed', () => {
    fc.assert(
      fc.property(crowd, ({ all, members }) => {
        const chains = new Map(
          [...all.keys()].map((name) => [name, members.map((member) => [...(member.get(name)?.chain ?? [])])]),
        )
        settle(members)
        for (const [name, held] of chains) {
          const longest = Math.max(...held.map((chain) => chain.length))
          const differs = [...Array(longest).keys()].find(
            (seq) => new Set(held.flatMap((chain) => chain[seq]?.hash ?? [])).size > 1,
          )
          if (differs === undefined) continue
          for (const member of members) {
            const found = member.get(name)
            expect(found === undefined ? null : forkOf(found)).toBeLessThanOrEqual(differs)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('of what lies below the first such number, all members hold the same', () => {
    fc.assert(
      fc.property(crowd, ({ all, members }) => {
        settle(members)
        for (const name of all.keys()) {
          const good = members.map((member) => {
            const held = member.get(name)
            if (held === undefined) return ''
            return held.chain
              .slice(0, forkOf(held) ?? held.chain.length)
              .map(({ hash }) => hash)
              .join()
          })
          expect(new Set(good).size).toBe(1)
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('of more logs than may be told the longest are', () => {
  const inc = new Uint8Array(8)
  const head = (at: number) => ({ device: `device ${at}`, inc, seq: at, hash: new Uint8Array(32) })
  const heads = Array.from({ length: HEADS_MAX }, (_, at) => head(at))
  expect(telling(heads)).toBe(heads)
  const told = telling([head(0), ...heads.slice(1), head(HEADS_MAX)])
  expect(told).toHaveLength(HEADS_MAX)
  expect(Math.min(...told.map(({ seq }) => seq))).toBe(1)
})

describe('a digest', () => {
  const [alice = ''] = names
  const head = (changes: Partial<Head> = {}): Head => ({
    ...logOf(alice),
    seq: 3,
    hash: bytesOf(hashOf('three')),
    ...changes,
  })
  test('does not depend on the order of the heads', () => {
    const heads = names.map((name, seq) => ({ ...logOf(name), seq, hash: bytesOf(hashOf(name)) }))
    expect(digestOf([...heads].reverse())).toEqual(digestOf(heads))
  })

  test.for<[string, Partial<Head>]>([
    ['another number', { seq: 4 }],
    ['another hash', { hash: bytesOf(hashOf('four')) }],
    ['another device', { device: 'zoe' }],
    ['another incarnation', { inc: new Uint8Array(8).fill(7) }],
    ['a fork', { fork: 1 }],
  ])('is another with %s', ([, changes]) => {
    expect(digestOf([head(changes)])).not.toEqual(digestOf([head()]))
  })

  test('of open rooms does not depend on their order', () => {
    const rooms = ['one', 'two', 'three'].map((name) => hashOf(name) as RoomId)
    expect(openDigestOf([...rooms].reverse())).toEqual(openDigestOf(rooms))
    expect(openDigestOf(rooms.slice(1))).not.toEqual(openDigestOf(rooms))
  })
})
