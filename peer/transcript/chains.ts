import { equals } from 'uint8arrays/equals'
import { type Refusal, refuse } from '../../shared/errors.ts'
import { type RecordHash, toHex, toRecordHash } from '../../shared/ids.ts'
import type { RecordHeader } from '../../shared/wire/record.ts'
import type { TranscriptLog } from '../../shared/wire/transcript.ts'
import { type LogName, nameOf } from '../group/knowledge.ts'

/** One log as far as it was read. */
export type Chain = {
  readonly log: LogName
  readonly first: number
  /** Hash of the record before the first. */
  readonly prev: Uint8Array
  readonly last: number
  /** By number. */
  readonly hashes: ReadonlyMap<number, RecordHash>
}

/** Logs in the order of a transcript: by device, then by incarnation, by their bytes. */
export const compareLogs = (a: LogName, b: LogName): number => {
  if (a.device !== b.device) return a.device < b.device ? -1 : 1
  return a.incarnation === b.incarnation ? 0 : a.incarnation < b.incarnation ? -1 : 1
}

/** Follows the logs of a transcript as they are read: each from its first record on, one behind the other. */
export type Chains = {
  /**
   * Where the record stands, and what is wrong with that. `next`: in its log, behind all that were read of it; `beside`:
   * another record has its number; `nowhere`: it is here a second time, or too late.
   */
  place(log: LogName, header: RecordHeader, hash: RecordHash): Placed
  get(log: LogName): Chain | null
  hashAt(log: LogName, seq: number): RecordHash | null
  all(): readonly Chain[]
  /** What is wrong with the logs when they are held against what the receipt says. */
  compare(heads: readonly TranscriptLog[]): readonly (Refusal & { readonly log: LogName })[]
}

type Placed = { readonly placed: 'next' | 'beside' | 'nowhere'; readonly refusals: readonly Refusal[] }

type Open = { -readonly [Key in keyof Chain]: Chain[Key] } & { readonly hashes: Map<number, RecordHash> }

/** @param whole of all of a room, whose logs begin with number 0 */
export const createChains = (whole: boolean): Chains => {
  const chains = new Map<string, Open>()
  let current: Open | null = null

  const begin = (log: LogName, { seq, prev }: RecordHeader): readonly Refusal[] => {
    const first = whole ? 0 : seq
    const before = current
    current = { log, first, prev: whole ? NOTHING : prev, last: first - 1, hashes: new Map() }
    chains.set(nameOf(log), current)
    return before !== null && compareLogs(before.log, log) > 0
      ? [refuse('transcript-order', 'the logs are not in their order')]
      : []
  }
  const follow = (chain: Open, { seq, prev }: RecordHeader, hash: RecordHash): Placed => {
    const next = chain.last + 1
    if (seq < next) return behind(chain, seq, hash)
    const expected = chain.last < chain.first ? toRecordHash(chain.prev) : chain.hashes.get(chain.last)
    chain.last = seq
    chain.hashes.set(seq, hash)
    if (seq > next) return { placed: 'next', refusals: [refuse('record-gap', missing(next, seq - 1))] }
    const follows = expected === toRecordHash(prev)
    return { placed: 'next', refusals: follows ? [] : [refuse('record-broken-chain', `number ${seq}`)] }
  }
  const behind = (chain: Open, seq: number, hash: RecordHash): Placed => {
    const there = chain.hashes.get(seq)
    if (there === hash) return { placed: 'nowhere', refusals: [refuse('record-replayed', `number ${seq}`)] }
    if (there !== undefined) return { placed: 'beside', refusals: [] } // the judge tells of it, as of those set aside
    const late = refuse('transcript-order', `number ${seq} comes after number ${chain.last}`)
    return { placed: 'nowhere', refusals: [late] }
  }

  return {
    place: (log, header, hash) => {
      const known = chains.get(nameOf(log))
      const ahead = known === undefined ? begin(log, header) : known === current ? [] : [OUT_OF_ORDER]
      current = chains.get(nameOf(log)) ?? null
      if (current === null) return { placed: 'nowhere', refusals: ahead }
      const { placed, refusals } = follow(current, header, hash)
      return { placed, refusals: [...ahead, ...refusals] }
    },
    get: (log) => chains.get(nameOf(log)) ?? null,
    hashAt: (log, seq) => chains.get(nameOf(log))?.hashes.get(seq) ?? null,
    all: () => [...chains.values()],
    compare: (heads) => {
      const told = new Set<string>()
      const wrong: (Refusal & { readonly log: LogName })[] = []
      for (const head of heads) {
        const log = { device: head.device, incarnation: toHex(head.inc) } as LogName
        told.add(nameOf(log))
        for (const refusal of compareLog(chains.get(nameOf(log)) ?? null, head)) wrong.push({ ...refusal, log })
      }
      for (const [name, { log }] of chains) {
        if (!told.has(name)) wrong.push({ ...refuse('transcript-wrong-receipt', 'a log that it does not name'), log })
      }
      return wrong
    },
  }
}

const NOTHING = new Uint8Array(32)
const OUT_OF_ORDER = refuse('transcript-order', 'the log goes on after another one')

const missing = (from: number, to: number): string =>
  from === to ? `number ${from} is missing` : `numbers ${from} to ${to} are missing`

const compareLog = (chain: Chain | null, head: TranscriptLog): readonly Refusal[] => {
  if (chain === null) return [refuse('record-gap', `the log from number ${head.first} to ${head.seq} is missing`)]
  if (chain.last < head.seq) return [refuse('record-gap', missing(chain.last + 1, head.seq))]
  if (chain.first > head.first) return [refuse('record-gap', missing(head.first, chain.first - 1))]
  const fits =
    chain.first === head.first &&
    equals(chain.prev, head.prev) &&
    chain.last === head.seq &&
    chain.hashes.get(chain.last) === toRecordHash(head.hash)
  return fits
    ? []
    : [refuse('transcript-wrong-receipt', `it says another thing of the log, from ${head.first} to ${head.seq}`)]
}
