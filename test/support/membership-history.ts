import fc from 'fast-check'
import type { Attempted } from '../../peer/group/permission.ts'
import type { RecordHash, UserName } from '../../shared/ids.ts'
import type { MembershipBody, RoomBody } from '../../shared/wire/membership.ts'
import { type Entry, type Heads, idOf, room, type Writer } from './membership.ts'

/** What happens in a room, as numbers: they pick a device and what it does, whatever there is to pick from. */
export type Step =
  | { readonly kind: 'sync'; readonly to: number; readonly from: number; readonly part: number }
  | {
      readonly kind: 'write'
      readonly by: number
      readonly what: number
      /** Whether it keeps to what it is allowed. */
      readonly honest: boolean
      /** Of a writer that does not: how many of the newest facts it owns up to, and what heads it claims. */
      readonly cites: number
      readonly heads: 'held' | 'none' | 'all'
      readonly late: number
    }

export type Story = {
  readonly access: RoomBody['access']
  /** Makes the hashes of one story others than those of another. */
  readonly salt: string
  readonly steps: readonly Step[]
}

/** What a remover held when it wrote, by the hash of the removal; only where it told the truth about it. */
export type Told = {
  readonly writers: readonly Writer[]
  readonly heldBy: ReadonlyMap<RecordHash, ReadonlySet<RecordHash>>
}

const USERS = ['alice', 'bob', 'carol', 'dave', 'erin'] as const
const DEVICES = ['alice', 'alice.2', 'bob', 'bob.2', 'carol', 'carol.2', 'dave', 'erin'] as const

/** A device writes something. */
export type Write = Extract<Step, { readonly kind: 'write' }>

const device = fc.nat(DEVICES.length - 1)
const write: fc.Arbitrary<Write> = fc.record({
  kind: fc.constant('write'),
  by: fc.oneof(device, fc.constantFrom(0, 1, 2)),
  what: fc.nat(1_000),
  honest: fc.boolean(),
  cites: fc.constantFrom(9, 9, 1, 0),
  heads: fc.constantFrom('held', 'held', 'none', 'all'),
  late: fc.constantFrom(0, 0, 0, 1_000),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('sync'), to: device, from: device, part: fc.constantFrom(1, 1, 0.5) }),
  },
  { weight: 3, arbitrary: write },
)

/** Writes only. */
export const anyWrites = (): fc.Arbitrary<readonly Write[]> => fc.array(write, { maxLength: 12, size: 'max' })

/** Histories of a room with several devices that know different things, honest ones and others. */
export const anyStory = (maxLength = 40): fc.Arbitrary<Story> =>
  fc.record({
    access: fc.constantFrom('open', 'invite'),
    salt: fc.nat().map(String),
    steps: fc.array(step, { minLength: 4, maxLength, size: 'max' }),
  })

/** Tells it: alice has made bob and carol admins, in a tree or in a row, before the devices part. */
export const tell = ({ access, salt, steps }: Story): Told => {
  const writers = room(access, DEVICES, salt)
  const [alice, , bob] = writers
  const heldBy = new Map<RecordHash, ReadonlySet<RecordHash>>()
  if (alice === undefined || bob === undefined) throw new Error('nobody')
  for (const name of ['bob', 'carol', 'dave']) alice.invite(name)
  alice.grant('bob')
  bob.sync(alice)
  if (salt.length % 2 === 0) bob.grant('carol')
  else alice.grant('carol')
  for (const one of writers) one.sync(alice, bob)
  for (const one of steps) {
    if (one.kind === 'sync') {
      const [to, from] = [writers[one.to], writers[one.from]]
      if (to === undefined || from === undefined) continue
      const known = [...from.held.values()]
      for (const entry of known.slice(0, Math.ceil(known.length * one.part))) to.take(entry, from)
    } else {
      const by = writers[one.by]
      if (by === undefined) continue
      const held = new Set(by.held.keys())
      const entry = act(by, one)
      if (entry?.body?.kind === 'remove' && (one.honest || (one.heads === 'held' && one.cites > 1)))
        heldBy.set(entry.hash, held)
    }
  }
  return { writers, heldBy }
}

/** What somebody may try. */
export const ATTEMPTS: readonly Attempted[] = [
  ...USERS.flatMap((user): Attempted[] => [
    { kind: 'invite', user },
    { kind: 'remove', user },
    { kind: 'remove', user },
    { kind: 'grant', user, admin: true },
    { kind: 'grant', user, admin: false },
  ]),
  { kind: 'join' },
  { kind: 'join' },
  { kind: 'leave' },
  { kind: 'settings' },
  { kind: 'message' },
  { kind: 'message' },
  { kind: 'message' },
]

/** Does it, where there is something to do. */
export const act = (by: Writer, { what, honest, cites, heads, late }: Write): Entry | null => {
  const state = by.state()
  const attempts = honest ? ATTEMPTS.filter((one) => state.allowed(by.user, one) === null) : ATTEMPTS
  const attempt = attempts[what % Math.max(attempts.length, 1)]
  if (attempt === undefined) return null
  const body = bodyOf(by, attempt, honest ? 'held' : heads, what)
  if (honest) return by.write(body)
  const newest = state.heads.filter((hash) => !by.knowledge.pastOf(by.log, by.length()).has(hash))
  const time = { ms: by.now().ms + 1 + late, count: what % 3 }
  return by.write(body, { after: newest.slice(0, cites), time })
}

/** The body of what somebody would do. @param what makes settings differ */
export const bodyOf = (
  by: Writer,
  attempt: Attempted,
  heads: 'held' | 'none' | 'all',
  what: number,
): MembershipBody | null => {
  switch (attempt.kind) {
    case 'message':
      return null
    case 'remove':
      return { ...attempt, heads: headsOf(by, attempt.user, heads) }
    case 'settings':
      return { ...attempt, name: `room ${what}` }
    default:
      return attempt
  }
}

const headsOf = (by: Writer, user: string, heads: 'held' | 'none' | 'all'): Heads =>
  heads === 'none' ? [] : by.headsOf(user).map((head) => (heads === 'all' ? { ...head, seq: 1_000_000 } : head))

/** Entries in another order each time, by a number. */
export const shuffled = <T extends { readonly hash: RecordHash }>(items: readonly T[], order: number): readonly T[] =>
  items
    .map((item) => [idOf(item.hash, String(order)), item] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, item]) => item)

/** All that one can ask about who is in a room, as this writer sees it. */
export const viewOf = (writer: Writer, facts = writer.facts()) => {
  const state = writer.state(() => true, facts)
  const entries = [...writer.held.values()].sort((a, b) => (a.hash < b.hash ? -1 : 1))
  const logs = new Map(entries.map(({ user, log }) => [`${log.device}/${log.incarnation}`, { user, log }]))
  const users = USERS.map((user) => user as string as UserName)
  return {
    members: [...state.members],
    settings: state.settings,
    heads: state.heads,
    were: users.filter((user) => state.wasMember(user)),
    hidden: [...logs].sort().map(([name, { user, log }]) => [name, state.hiddenRanges(user, log, writer.knowledge)]),
    judged: entries.map((entry) => [entry.hash, codeOf(writer, entry)]),
    keys: users.map((user) =>
      entries
        .filter(({ log, seq }) => state.entryKnownBy(user, writer.knowledge.pastOf(log, seq)))
        .map(({ hash }) => hash),
    ),
  }
}

/** Whom a fact is about, where it names somebody. */
export const subjectOf = ({ body }: Pick<Entry, 'body'>): string | null =>
  body !== null && 'user' in body ? body.user : null

/** Why this record counts for nobody, or null. */
export const codeOf = (writer: Writer, entry: Entry, state = writer.state()): string | null => {
  const { user, log, seq, body } = entry
  const past = writer.knowledge.pastOf(log, seq)
  return state.judge(user, log, seq, past, body === null ? undefined : writer.fact(entry))?.code ?? null
}
