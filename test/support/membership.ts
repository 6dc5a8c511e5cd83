import { type Fact, type FactOf, isFact } from '../../peer/group/fact.ts'
import { createKnowledge, type Knowledge, type LogName } from '../../peer/group/knowledge.ts'
import { evaluate, type Membership } from '../../peer/group/membership.ts'
import { type HybridTime, tick } from '../../shared/clock.ts'
import {
  fromHex,
  type Incarnation,
  type PeerId,
  type RecordHash,
  sha256,
  toHex,
  type UserName,
} from '../../shared/ids.ts'
import type { MembershipBody, RoomBody, SettingsBody } from '../../shared/wire/membership.ts'

/** A record of a room without its bytes; `body` is null of one that is no membership record. */
export type Entry = {
  readonly hash: RecordHash
  readonly user: UserName
  readonly log: LogName
  readonly seq: number
  readonly time: HybridTime
  readonly after: readonly RecordHash[]
  readonly body: MembershipBody | null
}

export type Heads = Extract<MembershipBody, { kind: 'remove' }>['heads']

/** One device of a user that holds some records of a room, and writes as it knows; nothing is refused here. */
export type Writer = {
  readonly user: UserName
  readonly log: LogName
  readonly held: ReadonlyMap<RecordHash, Entry>
  readonly knowledge: Knowledge
  /** Takes a record with all that it builds on, from who holds it. */
  take(entry: Entry, from: Pick<Writer, 'held'>): void
  /** Takes all that the others hold. */
  sync(...others: Writer[]): void
  /** @param facts in any order, instead of those that are held */
  state(counts?: (fact: Fact) => boolean, facts?: readonly Fact[]): Membership
  /** The number of its next record. */
  length(): number
  now(): HybridTime
  headsOf(user: string): Heads
  facts(): readonly Fact[]
  fact(entry: Entry): Fact
  write(body: MembershipBody | null, bend?: Partial<Pick<Entry, 'after' | 'time'>>): Entry
  say(): Entry
  invite(user: string): Entry
  join(): Entry
  leave(): Entry
  remove(user: string, heads?: Heads): Entry
  grant(user: string, admin?: boolean): Entry
  set(settings: SettingsBody): Entry
}

export const idOf = (...parts: readonly string[]): string => toHex(sha256(new TextEncoder().encode(parts.join('\0'))))

/** @param device a name like `alice` or `alice.phone`: what stands before the dot is the user */
export const writer = (device: string, salt = ''): Writer => {
  const user = device.split('.')[0] as UserName
  const log = { device: device as PeerId, incarnation: idOf(device, salt).slice(0, 16) as Incarnation }
  const held = new Map<RecordHash, Entry>()
  const knowledge = createKnowledge()
  const logs = new Map<string, Entry[]>()
  let clock: HybridTime = { ms: 0, count: 0 }

  const fact = (entry: Entry): Fact => {
    if (entry.body === null) throw new Error('no fact')
    return { ...entry, body: entry.body, past: knowledge.pastOf(entry.log, entry.seq) }
  }
  const keep = (entry: Entry): void => {
    held.set(entry.hash, entry)
    const own = logs.get(entry.log.device) ?? []
    logs.set(entry.log.device, [...own, entry])
    knowledge.note(entry.log, entry.seq, entry.after, entry.body === null ? undefined : entry.hash)
    if (entry.time.ms > clock.ms) clock = entry.time
  }
  const take: Writer['take'] = (entry, from) => {
    if (held.has(entry.hash)) return
    const own = [...from.held.values()].filter(({ log, seq }) => log.device === entry.log.device && seq < entry.seq)
    for (const one of [...own, ...entry.after.map((hash) => from.held.get(hash))])
      if (one !== undefined) take(one, from)
    keep(entry)
  }
  const facts = (): readonly Fact[] => [...held.values()].filter(({ body }) => body !== null).map(fact)
  const state: Writer['state'] = (counts, known = facts()) => {
    const founding = known.find((one): one is FactOf<'room'> => isFact(one, 'room'))
    if (founding === undefined) throw new Error(`${device} does not know the room`)
    return evaluate(founding, known, counts)
  }
  const write: Writer['write'] = (body, bend = {}) => {
    const seq = logs.get(log.device)?.length ?? 0
    const known = knowledge.pastOf(log, seq)
    const after = bend.after ?? (held.size === 0 ? [] : state().heads.filter((hash) => !known.has(hash)))
    const time = bend.time ?? tick(clock, clock.ms + 1)
    const hash = idOf(device, log.incarnation, String(seq), JSON.stringify([body, after, time])) as RecordHash
    const entry = { hash, user, log, seq, time, after, body }
    keep(entry)
    return entry
  }
  const headsOf: Writer['headsOf'] = (name) =>
    [...logs.values()].flatMap((entries) => {
      const last = entries.at(-1)
      if (last === undefined || last.user !== name) return []
      return [{ device: last.log.device, inc: fromHex(last.log.incarnation), seq: last.seq }]
    })

  return {
    user,
    log,
    held,
    knowledge,
    take,
    sync: (...others) => {
      for (const other of others) for (const entry of [...other.held.values()]) take(entry, other)
    },
    state,
    length: () => logs.get(log.device)?.length ?? 0,
    now: () => clock,
    headsOf,
    facts,
    fact,
    write,
    say: () => write(null),
    invite: (name) => write({ kind: 'invite', user: name }),
    join: () => write({ kind: 'join' }),
    leave: () => write({ kind: 'leave' }),
    remove: (name, heads = headsOf(name)) => write({ kind: 'remove', user: name, heads }),
    grant: (name, admin = true) => write({ kind: 'grant', user: name, admin }),
    set: (settings) => write({ kind: 'settings', ...settings }),
  }
}

/** Everybody takes everything. */
export const merge = (...writers: readonly Writer[]): void => {
  for (const one of writers) one.sync(...writers)
}

/** A room by the first of them that all of them know. */
export const room = (access: RoomBody['access'], devices: readonly string[], salt = ''): readonly Writer[] => {
  const writers = devices.map((device) => writer(device, salt))
  const [first] = writers
  if (first === undefined) throw new Error('nobody')
  const nonce = fromHex(idOf(salt).slice(0, 32))
  first.write({ kind: 'room', nonce, creator: first.user, name: 'a room', access, history: 'all' })
  merge(...writers)
  return writers
}

/** The members by name; admins with a star. */
export const namesOf = ({ members }: Membership): string =>
  [...members].map(([name, { admin }]) => (admin ? `${name}*` : name)).join(' ')
