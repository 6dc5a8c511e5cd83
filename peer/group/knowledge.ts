import { fault } from '../../shared/errors.ts'
import type { Incarnation, PeerId, RecordHash } from '../../shared/ids.ts'
import { firstWhere } from './bisect.ts'

/** One log of a room: what one device wrote in one life of its store. */
export type LogName = { readonly device: PeerId; readonly incarnation: Incarnation }

/** The log in one word, as a key. */
export const nameOf = ({ device, incarnation }: LogName): string => `${device}/${incarnation}`

export const isSameLog = (a: LogName, b: LogName): boolean => a.device === b.device && a.incarnation === b.incarnation

/** The membership records that somebody knew, closed: whoever knew a record knew all that its author had known. */
export type Past = {
  /** How many. What knew a record always knew more than that record's author did: sorted by it, causes come first. */
  readonly size: number
  has(hash: RecordHash): boolean
}

/**
 * What the author of each record of one room knew, by the citations in the records. Records of a log are noted in the order
 * of their numbers, and each after all that it cites; apart from that, any order gives the same answers.
 */
export type Knowledge = {
  /** Those of the hashes that were not noted yet: a record that cites one must wait for it. */
  lacks(after: readonly RecordHash[]): readonly RecordHash[]
  /**
   * A record of any kind; one that cites nothing costs nothing, and need not be noted. Noted again it changes nothing.
   * @param after what its header cites
   * @param own its hash, of a membership record: the later records of its log know it
   */
  note(log: LogName, seq: number, after: readonly RecordHash[], own?: RecordHash): void
  /**
   * A membership record that counts for nobody, since its author signed two with one number, this one or an earlier one: but
   * others may cite it. Who does knows what it cites itself, and the log up to that number, which all hold alike.
   * @param fork the number; none of the log is noted from it on
   */
  noteVoid(log: LogName, fork: number, after: readonly RecordHash[], hash: RecordHash): void
  /** What the author of this record knew; of a number past the newest noted one, what its author knows by then. */
  pastOf(log: LogName, seq: number): Past
  /** Whether the author of this record knew the fact. */
  knows(log: LogName, seq: number, hash: RecordHash): boolean
  /** The first number of this log whose record knew the fact, or is it; null while there is none. */
  since(log: LogName, hash: RecordHash): number | null
  /** What a record that knows everything cites: what no other membership record knows, in the order of their hashes. */
  newest(): readonly RecordHash[]
}

/** Membership records as bits, numbered as they came; without zero words at the end. */
type Bits = Uint32Array
type Known = Past & { readonly bits: Bits }
/** From `seq` on, until the next point, the records of a log know `past`. */
type Point = { readonly seq: number; readonly past: Known }

/** Empty; one room. */
export const createKnowledge = (): Knowledge => {
  const noted = new Map<RecordHash, { readonly number: number; readonly log: string; readonly seq: number }>()
  /** By number: what the record's author knew, with the record. */
  const closures: Known[] = []
  const logs = new Map<string, Point[]>()
  const newest = new Set<RecordHash>()

  const has = (bits: Bits, hash: RecordHash): boolean => {
    const number = noted.get(hash)?.number
    return number !== undefined && (((bits[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1
  }
  // Most authors know the same: one copy of each set, whoever knows it and from whenever.
  const copies = new Map<string, Known>()
  const shared = (bits: Bits): Known => {
    const name = Buffer.from(bits.buffer, bits.byteOffset, bits.byteLength).toString('latin1')
    const copy = copies.get(name) ?? { bits, size: countOf(bits), has: (hash) => has(bits, hash) }
    copies.set(name, copy)
    return copy
  }
  const nothing = shared(new Uint32Array())

  const closureOf = (hash: RecordHash): Known => {
    const closure = closures[noted.get(hash)?.number ?? -1]
    if (closure === undefined) throw fault('fault', `a record was noted before one that it cites: ${hash}`)
    return closure
  }
  const pointAt = (log: string, seq: number): Point | undefined => {
    const points = logs.get(log) ?? []
    return points[firstWhere(points, (point) => point.seq > seq) - 1]
  }

  const note = (name: LogName, seq: number, after: readonly RecordHash[], own?: RecordHash): void => {
    if ((after.length === 0 && own === undefined) || (own !== undefined && noted.has(own))) return
    const log = nameOf(name)
    const before = pointAt(log, seq)?.past ?? nothing
    const past = shared(after.reduce((bits, hash) => union(bits, closureOf(hash).bits), before.bits))
    learn(log, seq, past)
    if (own === undefined) return
    const number = closures.length
    const closure = shared(union(past.bits, single(number)))
    noted.set(own, { number, log, seq })
    closures.push(closure)
    learn(log, seq + 1, closure)
    for (const hash of newest) if (past.has(hash)) newest.delete(hash)
    newest.add(own)
  }
  const noteVoid: Knowledge['noteVoid'] = (name, fork, after, hash) => {
    if (noted.has(hash)) return
    const before = pointAt(nameOf(name), fork)?.past ?? nothing
    const past = after.reduce((bits, cited) => union(bits, closureOf(cited).bits), before.bits)
    const number = closures.length
    noted.set(hash, { number, log: NOWHERE, seq: -1 })
    closures.push(shared(union(past, single(number))))
  }
  const learn = (log: string, seq: number, past: Known): void => {
    const points = logs.get(log) ?? []
    if (points.length === 0) logs.set(log, points)
    if (pointAt(log, seq)?.past === past) return
    const last = points.at(-1)
    if (last !== undefined && last.seq > seq) throw fault('fault', `number ${seq} of ${log} was noted too late`)
    if (last?.seq === seq) points.pop()
    points.push({ seq, past })
  }

  return {
    lacks: (after) => after.filter((hash) => !noted.has(hash)),
    note,
    noteVoid,
    pastOf: (log, seq) => pointAt(nameOf(log), seq)?.past ?? nothing,
    knows: (log, seq, hash) => pointAt(nameOf(log), seq)?.past.has(hash) ?? false,
    since: (name, hash) => {
      const log = nameOf(name)
      const fact = noted.get(hash)
      if (fact?.log === log) return fact.seq
      // Nothing is forgotten, so the points that know it are the last ones.
      const points = logs.get(log) ?? []
      return points[firstWhere(points, ({ past }) => past.has(hash))]?.seq ?? null
    },
    newest: () => [...newest].sort(),
  }
}

/** It stands in no log that counts. */
const NOWHERE = ''

const union = (a: Bits, b: Bits): Bits => {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a]
  const both = new Uint32Array(long)
  for (const [index, word] of short.entries()) both[index] = (both[index] ?? 0) | word
  return both
}
const single = (number: number): Bits => {
  const bits = new Uint32Array((number >>> 5) + 1)
  bits[number >>> 5] = 1 << (number & 31)
  return bits
}
const countOf = (bits: Bits): number => {
  let count = 0
  for (let word of bits) {
    for (; word !== 0; word &= word - 1) count++
  }
  return count
}
