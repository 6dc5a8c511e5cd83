import { dateText } from '../../shared/certificate/link.ts'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import {
  directRoomIdOf,
  type NetworkId,
  type PeerId,
  type RoomId,
  roomIdOf,
  toIncarnation,
  toRecordHash,
  type UserName,
} from '../../shared/ids.ts'
import { CLOCK_SKEW_MS, RECEIPT_GRACE_MS } from '../../shared/limits.ts'
import { isMembershipKind } from '../../shared/wire/membership.ts'
import { receiptBodyCodec } from '../../shared/wire/receipt.ts'
import type { RecordKind } from '../../shared/wire/record.ts'
import { type LogName, nameOf } from '../group/knowledge.ts'
import { coveredUntil } from '../rooms/coverage.ts'
import { foundedRoom } from '../rooms/founded.ts'
import { fixedRoom, type Room, type RoomFacts, type RoomRecord } from '../rooms/room.ts'
import type { Cover, LogMark } from '../store/receipts.ts'
import type { Chains } from './chains.ts'

/** Something that is wrong with a log, or with one record of it. */
export type Fault = { readonly refusal: Refusal; readonly log?: LogName; readonly seq?: number }

/** What counts of a room, and what does not: asked once all of it was read. */
export type Judgement = {
  readonly faults: readonly Fault[]
  isHidden(log: LogName, seq: number): boolean
  /** What its own records call the room; null where none does. */
  readonly name: string | null
  readonly membership: 'judged' | 'not-judged'
}

export type Judge = {
  /** A record of a log, signed by its author. */
  learn(record: RoomRecord): void
  /** A record that is kept beside its log. */
  aside(record: RoomRecord): void
  conclude(): Judgement
}

export type JudgeParts = {
  readonly network: NetworkId
  readonly room: RoomId
  /** Whether all of the room is here: of a part nobody can say who was a member. */
  readonly whole: boolean
  readonly chains: Chains
  /** Users whose certificates are here. */
  readonly users: readonly UserName[]
  readonly userOf: (device: PeerId) => UserName | null
  /** From when on a device counts for nothing; null: it is not revoked. */
  readonly revokedSince: (device: PeerId) => number | null
  readonly isDisowned: (device: PeerId) => boolean
}

type Noted = { readonly seq: number; readonly ms: number; readonly kind: RecordKind }
type Held = Cover & { readonly ms: number }

const LAST = Number.MAX_SAFE_INTEGER

/** Applies the rules of PROTOCOL.md on membership, revocation and forks to what was read. */
export const createJudge = (parts: JudgeParts): Judge => {
  const { network, room, whole, chains } = parts
  const forks = new Map<string, { readonly log: LogName; readonly seq: number }>()
  const covers = new Map<string, { readonly log: LogName; readonly told: Held[] }>()
  const ofRevoked = new Map<string, { readonly log: LogName; readonly records: Noted[] }>()
  /** By log, those that say or cite who is a member; and those beside the logs. */
  const facts = new Map<string, RoomRecord[]>()
  const beside: RoomRecord[] = []
  const faults: Fault[] = []

  const noteReceipt = ({ log, header, body, user }: RoomRecord): void => {
    const read = body === null ? null : receiptBodyCodec.decode(body)
    if (read === null || isRefusal(read)) {
      faults.push({ refusal: refuse('record-malformed', `the receipt of ${user}`), log, seq: header.seq })
      return
    }
    for (const { device, inc, seq, hash } of read.held) {
      const of = { device: device as PeerId, incarnation: toIncarnation(inc) }
      const known = covers.get(nameOf(of)) ?? { log: of, told: [] }
      known.told.push({ seq, hash, by: { log, seq: header.seq }, ms: header.time[0] })
      covers.set(nameOf(of), known)
    }
  }
  const forkOf = (log: LogName): number | null => forks.get(nameOf(log))?.seq ?? null
  const vouched = (log: LogName, seq: number): boolean => {
    const since = parts.revokedSince(log.device)
    return since === null || seq <= lastVouched(log, since)
  }
  const founding = foundedRoom({ id: room, network, vouched, forkOf })

  /** The last number of a revoked log that others prove to be older than the revocation: PROTOCOL.md, of receipts. */
  const lastVouched = (log: LogName, since: number): number => {
    const told = (covers.get(nameOf(log))?.told ?? [])
      .filter(({ ms }) => ms <= since + RECEIPT_GRACE_MS)
      .toSorted((a, b) => b.seq - a.seq)
    const covered = coveredUntil({ room, ...log }, forkOf(log), told, (seq) => chains.hashAt(log, seq), isWitness)
    const late = ofRevoked.get(nameOf(log))?.records.find(({ ms }) => ms > since + CLOCK_SKEW_MS)
    return late === undefined ? covered : Math.min(covered, late.seq - 1)
  }
  const isWitness = ({ log, seq }: LogMark): boolean => {
    const user = parts.userOf(log.device)
    if (user === null || parts.isDisowned(log.device)) return false
    if ([...forks.values()].some((fork) => fork.log.device === log.device)) return false
    return fixed !== null || !whole || founding.couldVouch(user, log, seq)
  }

  /** Teaches a founded room its records, each after all that it cites. */
  const learnFacts = (): void => {
    const waiting = [...facts.values()].map((records) => ({ records, at: 0, cited: '' }))
    let voids = beside.filter(({ header }) => isMembershipKind(header.kind))
    const lacks = ({ header }: RoomRecord): boolean => founding.lacks(header.after.map(toRecordHash)) !== null
    const goOn = (one: (typeof waiting)[number]): boolean => {
      const start = one.at
      for (let next = one.records[one.at]; next !== undefined; next = one.records[one.at]) {
        const verdict = founding.judge(next)
        if (!isRefusal(verdict) && verdict.kind === 'lacks') {
          one.cited = verdict.cited
          break
        }
        if (isRefusal(verdict)) faults.push({ refusal: verdict, log: next.log, seq: next.header.seq })
        else founding.learn(next)
        one.at++
      }
      return one.at > start
    }
    for (let moved = true; moved; ) {
      moved = waiting.map(goOn).some(Boolean)
      const ready = voids.filter((one) => !lacks(one))
      for (const { log, hash, header } of ready) founding.learnVoid(log, hash, header.after.map(toRecordHash))
      voids = voids.filter((one) => !ready.includes(one))
      moved ||= ready.length > 0
    }
    for (const { records, at, cited } of waiting) {
      const stuck = records[at]
      if (stuck === undefined) continue
      const { header, log } = stuck
      const refusal = refuse('record-gap', `number ${header.seq} cites ${cited}, which is missing`)
      faults.push({ refusal, log, seq: header.seq })
    }
  }

  const judgeForks = (): void => {
    for (const { log, hash, header, user } of beside) {
      const there = chains.hashAt(log, header.seq)
      if (there === null || there === hash) continue
      const known = forks.get(nameOf(log))
      if (known === undefined || header.seq < known.seq) forks.set(nameOf(log), { log, seq: header.seq })
      const refusal = refuse('record-equivocation', `${user} signed two numbers ${header.seq}: ${there} and ${hash}`)
      faults.push({ refusal, log, seq: header.seq })
    }
    // A receipt that names another record than the one that is here: whoever wrote it holds another one, or lies.
    for (const { log, told } of covers.values()) {
      for (const { seq, hash, by } of told) {
        const there = chains.hashAt(log, seq)
        if (there === null || there === toRecordHash(hash) || seq >= (forkOf(log) ?? LAST)) continue
        const who = parts.userOf(by.log.device) ?? by.log.device
        const refusal = refuse('record-equivocation', `a receipt of ${who} names another record of number ${seq}`)
        faults.push({ refusal, log, seq })
      }
    }
  }

  const judgeRevoked = (): void => {
    for (const { log, records } of ofRevoked.values()) {
      const since = parts.revokedSince(log.device)
      if (since === null) continue
      const last = lastVouched(log, since)
      // Nobody writes a receipt for receipts and sender keys: of these nothing is lost, and nothing is claimed.
      const open = records.filter(({ seq, kind }) => seq > last && kind !== 'receipt' && kind !== 'sender-key')
      const [first] = open
      const end = open.at(-1)
      if (first === undefined || end === undefined) continue
      const numbers = first.seq === end.seq ? `number ${first.seq}` : `numbers ${first.seq} to ${end.seq}`
      const by = `revoked on ${dateText(since)}`
      faults.push({ refusal: refuse('record-unvouched', `${numbers}; ${by}`), log, seq: first.seq })
    }
  }

  const fixed = fixedRoomOf(parts)
  const known = (): boolean => fixed !== null || founding.facts().creator !== null

  return {
    learn: (record) => {
      const { header, log } = record
      const foreign = header.kind === 'device' ? refuse('record-wrong-room', header.kind) : null
      const verdict = fixed === null ? foreign : fixed.judge(record)
      if (isRefusal(verdict)) faults.push({ refusal: verdict, log, seq: header.seq })
      if (header.kind === 'receipt') noteReceipt(record)
      if (header.after.length > 0 || isMembershipKind(header.kind)) {
        const known = facts.get(nameOf(log)) ?? []
        known.push(record)
        facts.set(nameOf(log), known)
      }
      if (parts.revokedSince(log.device) === null) return
      const noted = ofRevoked.get(nameOf(log)) ?? { log, records: [] }
      noted.records.push({ seq: header.seq, ms: header.time[0], kind: header.kind })
      ofRevoked.set(nameOf(log), noted)
    },
    aside: (record) => void beside.push(record),
    conclude: () => {
      judgeForks()
      if (whole && fixed === null) learnFacts()
      if (whole && !known())
        faults.push({ refusal: refuse('record-gap', 'the record that founds the room is missing') })
      judgeRevoked()
      const rangesOf = (log: LogName) => {
        const user = parts.userOf(log.device)
        return whole && fixed === null && user !== null ? founding.hidden(user, { room, ...log }) : []
      }
      const ranges = new Map(chains.all().map(({ log }) => [nameOf(log), rangesOf(log)]))
      const covered = new Map(
        [...ofRevoked.values()].map(({ log }) => [
          nameOf(log),
          lastVouched(log, parts.revokedSince(log.device) ?? LAST),
        ]),
      )
      return {
        faults,
        isHidden: (log, seq) =>
          seq > (covered.get(nameOf(log)) ?? LAST) ||
          seq >= (forkOf(log) ?? LAST) ||
          (ranges.get(nameOf(log)) ?? []).some(([from, to]) => from <= seq && seq <= to),
        name: whole && fixed === null && known() ? founding.facts().name : null,
        membership: whole && known() ? 'judged' : 'not-judged',
      }
    },
  }
}

/** The room, if its members are the same for ever; null for one that a record founds. */
const fixedRoomOf = ({ network, room, users }: JudgeParts): Room | null => {
  const facts = (access: 'all' | 'direct', name: string): RoomFacts => ({
    ...{ name, topic: '', access, creator: null, keepMs: 0, keepMessages: 0, members: null },
    history: 'all',
  })
  if (room === roomIdOf(network, 'general')) return fixedRoom(room, 'general', () => true, facts('all', 'general'))
  if (room === roomIdOf(network, '~directory')) {
    return fixedRoom(room, 'directory', () => true, facts('all', '~directory'))
  }
  // Whoever is in one is in the file: its two users are all.
  const pair = (users.length > 2 ? [] : users)
    .flatMap((a) => users.map((b) => [a, b] as const))
    .find(([a, b]) => directRoomIdOf(network, a, b) === room)
  return pair === undefined
    ? null
    : fixedRoom(room, 'direct', (user) => pair.includes(user), facts('direct', pair.join(', ')))
}
