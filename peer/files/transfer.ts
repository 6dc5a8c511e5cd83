import { type Refusal, refuse } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import {
  CHUNK_TWICE_MS,
  CHUNKS_AT_FIRST,
  CHUNKS_IN_FLIGHT,
  CHUNKS_LOOKED_AT,
  GIVEN_MS,
  HOLDER_STALL_MS,
  HOLDER_STRIKES,
  SPARED_FROM,
} from '../../shared/limits.ts'
import { type Bitmap, countBits, hasBit, setBit } from './bitmap.ts'

/** One chunk, asked of one holder. */
export type Request = { readonly index: number; readonly holder: PeerId }
/** … and when, in milliseconds of a clock that only goes on. */
type Flight = Request & { readonly at: number }

/** A member who has all of a file, or some of it. */
export type Holder = {
  /** The chunks that it has; null: all of them. */
  readonly has: Bitmap | null
  /** Chunks that it may be asked for at once: few at first, so that ten that begin together do not all ask for the same. */
  readonly window: number
  /** Losses in a row. */
  readonly strikes: number
  /** `away`: its road is lost, and may be opened again; `out`: it has lied, and is asked for nothing more. */
  readonly place: 'here' | 'away' | 'out'
  /** When it brought a chunk, or was asked after it had nothing to do. */
  readonly lively: number
}

/** Which chunks are missing, who has them, and who was asked. A value: every event makes the next one. */
export type Transfer = {
  readonly chunks: number
  readonly landed: Bitmap
  /** Not here yet. */
  readonly left: number
  /** Where we look first: each fetcher begins at another place, and goes round. */
  readonly cursor: number
  readonly flights: readonly Flight[]
  readonly holders: ReadonlyMap<PeerId, Holder>
  /** Chunks that others were asked to be sent, and when we heard of it. */
  readonly given: ReadonlyMap<number, number>
  /** Why the last chunk did not come. */
  readonly reason: Refusal | null
}

/** `waiting`: nobody who is present has what is missing, but somebody may yet. */
export type Verdict = 'whole' | 'going' | 'waiting' | Refusal

/**
 * @param had the chunks that are on the disk already; copied
 * @param seat how many have asked for this file before us. Places at the golden ratio lie apart, however many there are.
 */
export const startTransfer = (chunks: number, had: Bitmap, seat = 0): Transfer => ({
  chunks,
  landed: had.slice(),
  left: chunks - countBits(had, chunks),
  cursor: chunks === 0 ? 0 : Math.floor(((seat * GOLDEN) % 1) * chunks),
  flights: [],
  holders: new Map(),
  given: new Map(),
  reason: null,
})
const GOLDEN = (Math.sqrt(5) - 1) / 2

/** A holder is here, or here again. One that has lied stays out. @param has null: all of it */
export const holderCame = (state: Transfer, holder: PeerId, has: Bitmap | null, now: number): Transfer => {
  const before = state.holders.get(holder)
  if (before?.place === 'out') return state
  const strikes = before === undefined || mayReturn(before) ? (before?.strikes ?? 0) : 0
  const fresh = { has: has?.slice() ?? null, window: CHUNKS_AT_FIRST, strikes, place: 'here', lively: now } as const
  return withHolder(holderLeft(state, holder), holder, fresh)
}

/** A holder has more than it had. */
export const holderHas = (state: Transfer, holder: PeerId, indexes: readonly number[]): Transfer => {
  const known = state.holders.get(holder)
  if (known === undefined || known.has === null) return state
  const has = known.has.slice()
  for (const index of indexes) if (index < state.chunks) setBit(has, index)
  return withHolder(state, holder, { ...known, has })
}

/** Others have asked for these: it is better to have them of those than of the one who sends to all. */
export const chunksGiven = (state: Transfer, indexes: readonly number[], now: number): Transfer => {
  const given = new Map([...state.given].filter(([index, at]) => now - at < GIVEN_MS && !hasBit(state.landed, index)))
  for (const index of indexes) if (index < state.chunks && !hasBit(state.landed, index)) given.set(index, now)
  return { ...state, given }
}

/** A holder has gone: what was asked of it is to be asked of others. */
export const holderLeft = (state: Transfer, holder: PeerId): Transfer => {
  const known = state.holders.get(holder)
  const flights = state.flights.filter((flight) => flight.holder !== holder)
  if (known === undefined) return { ...state, flights }
  // What it was given is to be had of nobody now, and which that was we were not told.
  return withHolder({ ...state, flights, given: new Map() }, holder, {
    ...known,
    place: known.place === 'out' ? 'out' : 'away',
  })
}

/** Whether a road that was lost is to be opened again at once; else it is left for a while. */
export const mayReturn = ({ place, strikes }: Holder): boolean => place !== 'out' && strikes < HOLDER_STRIKES

/**
 * What to ask next, and of whom, up to `CHUNKS_IN_FLIGHT`: the rarest chunks first, of the holder that has the least to
 * answer, and rather of one that is a fetcher itself than of one that has everything. At the end, when all that is missing has
 * been asked for, a chunk that is late is asked of one other holder.
 */
export const nextRequests = (
  state: Transfer,
  now: number,
): { readonly next: Transfer; readonly requests: readonly Request[] } => {
  let next = state
  const requests: Request[] = []
  while (next.flights.length < CHUNKS_IN_FLIGHT) {
    const [request, cursor] = pickMissing(next, now)
    const chosen = request ?? pickLate(next, now)
    next = { ...next, cursor }
    if (chosen === null) break
    requests.push(chosen)
    next = sent(next, chosen, now)
  }
  return { next, requests }
}

const sent = (state: Transfer, request: Request, now: number): Transfer => {
  const holder = state.holders.get(request.holder)
  const idle = loadOf(state, request.holder) === 0
  const next = { ...state, flights: [...state.flights, { ...request, at: now }] }
  return holder !== undefined && idle ? withHolder(next, request.holder, { ...holder, lively: now }) : next
}

/** A chunk is on the disk, and its holder's losses are forgiven. One that was here already changes nothing. */
export const chunkLanded = (state: Transfer, { index, holder }: Request, now: number): Transfer => {
  if (index >= state.chunks) return state
  const known = state.holders.get(holder)
  const flights = state.flights.filter((flight) => flight.index !== index || flight.holder !== holder)
  const thanked =
    known === undefined || known.place === 'out'
      ? { ...state, flights }
      : withHolder({ ...state, flights }, holder, {
          ...known,
          strikes: 0,
          window: Math.min(CHUNKS_IN_FLIGHT, known.window + 1),
          lively: now,
        })
  if (hasBit(state.landed, index)) return thanked
  const landed = state.landed.slice()
  setBit(landed, index)
  return { ...thanked, landed, left: state.left - 1 }
}

/**
 * A request failed. All that was asked of that holder is to be asked again, since they went over one road; its later
 * failures are then no news. One that has lied is out for good.
 */
export const requestFailed = (state: Transfer, { index, holder }: Request, reason: Refusal): Transfer => {
  if (!state.flights.some((flight) => flight.index === index && flight.holder === holder)) return state
  const left = { ...holderLeft(state, holder), reason }
  const known = left.holders.get(holder)
  if (known === undefined) return left
  const strikes = isHopeless(reason) ? HOLDER_STRIKES : known.strikes + 1
  return withHolder(left, holder, { ...known, strikes, place: isLie(reason) ? 'out' : known.place })
}

/** Requests of holders that have brought nothing for long, though others have brought what was asked of them, or could. */
export const stalled = (state: Transfer, now: number): readonly Request[] =>
  [...state.holders].flatMap(([holder, { lively }]) => {
    const asked = state.flights.filter((flight) => flight.holder === holder)
    const [first] = asked
    if (first === undefined || now - Math.max(lively, first.at) < HOLDER_STALL_MS) return []
    const othersHave = asked.every(({ index }) => holdersOf(state, index).some((other) => other !== holder))
    return othersHave ? [first] : []
  })

/** `going` as long as somebody can be asked, or is about to answer; a refusal once all who were here are left alone. */
export const verdictOf = (state: Transfer): Verdict => {
  if (state.left === 0) return 'whole'
  if (state.flights.length > 0) return 'going'
  const here = [...state.holders.values()].filter(isHere)
  if (here.some(({ has }) => has === null || hasMore(state, has))) return 'going'
  if (here.length > 0) return 'waiting'
  return state.reason ?? refuse('file-not-held', 'nobody who has it is present')
}

const hasMore = ({ landed }: Transfer, has: Bitmap): boolean =>
  has.some((byte, at) => (byte & ~(landed[at] ?? 0)) !== 0)

const withHolder = (state: Transfer, peer: PeerId, holder: Holder): Transfer => ({
  ...state,
  holders: new Map(state.holders).set(peer, holder),
})

const isHere = ({ place }: Holder): boolean => place === 'here'

const LIES: ReadonlySet<string> = new Set([
  'file-chunk-wrong',
  'file-manifest-wrong',
  'frame-malformed',
  'frame-too-large',
  'wrong-order',
])
/** What no honest holder does. */
export const isLie = ({ code, by }: Refusal): boolean => by === 'here' && LIES.has(code)

const HOPELESS: ReadonlySet<string> = new Set([
  'file-changed',
  'file-not-held',
  'file-holder-slow',
  'file-paused',
  'file-unreadable',
  'file-withdrawn',
  'not-a-member',
  'removed',
])
const isHopeless = (reason: Refusal): boolean => isLie(reason) || HOPELESS.has(reason.code)

const loadOf = (state: Transfer, holder: PeerId): number =>
  state.flights.reduce((load, flight) => load + (flight.holder === holder ? 1 : 0), 0)

/** Who has a chunk, and may be asked. */
const holdersOf = (state: Transfer, index: number): readonly PeerId[] =>
  [...state.holders].flatMap(([peer, holder]) =>
    isHere(holder) && (holder.has === null || hasBit(holder.has, index)) ? [peer] : [],
  )

/** The rarest of the next chunks that are missing and not asked for, of those that somebody is free to send; and where we look next. */
const pickMissing = (state: Transfer, now: number): readonly [Request | null, cursor: number] => {
  const asked = new Set(state.flights.map(({ index }) => index))
  const free = freeHolders(state)
  const swarm = [...state.holders.values()].filter((holder) => isHere(holder) && holder.has !== null)
  let cursor = -1
  let best: { readonly index: number; readonly rarity: number; readonly holder: PeerId } | null = null
  if (free.length > 0) {
    for (let step = 0, looked = 0; step < state.chunks && looked < CHUNKS_LOOKED_AT; step++) {
      const index = (state.cursor + step) % state.chunks
      if (hasBit(state.landed, index)) continue
      if (cursor < 0) cursor = index
      if (asked.has(index)) continue
      looked++
      const fetchers = swarm.reduce((sum, { has }) => sum + (has !== null && hasBit(has, index) ? 1 : 0), 0)
      const isGiven = now - (state.given.get(index) ?? Number.NEGATIVE_INFINITY) < GIVEN_MS
      const isSpared = swarm.length >= SPARED_FROM && (fetchers > 0 || isGiven)
      if (best !== null && fetchers >= best.rarity) continue
      const holder = idlest(free.filter(({ holder: { has } }) => (has === null ? !isSpared : hasBit(has, index))))
      if (holder === undefined) continue
      best = { index, rarity: fetchers, holder }
      if (fetchers === 0) break
    }
  }
  if (cursor < 0) cursor = state.cursor
  return [best === null ? null : { index: best.index, holder: best.holder }, cursor]
}

type Free = { readonly peer: PeerId; readonly holder: Holder; readonly load: number }

/** Among many holders each is asked for little at once: what is asked of one early may by then be had of another. */
const freeHolders = (state: Transfer): readonly Free[] => {
  const here = [...state.holders].filter(([, holder]) => isHere(holder))
  const isSwarm = here.some(([, { has }]) => has !== null)
  const share = isSwarm ? Math.max(1, Math.floor(CHUNKS_IN_FLIGHT / here.length)) : CHUNKS_IN_FLIGHT
  return here.flatMap(([peer, holder]) => {
    const load = loadOf(state, peer)
    return load >= Math.min(share, holder.window) ? [] : [{ peer, holder, load }]
  })
}

/** Rather one that has not everything, so that the origin serves what only it has; then the one that has the least to answer. */
const idlest = (free: readonly Free[]): PeerId | undefined =>
  free.toSorted((a, b) => Number(a.holder.has === null) - Number(b.holder.has === null) || a.load - b.load)[0]?.peer

/** A chunk that somebody is late with, when nothing else is left to ask for: of one other holder, and once. */
const pickLate = (state: Transfer, now: number): Request | null => {
  // Of a chunk that came from one of two, the other's answer is still on its way.
  const open = state.flights.filter(({ index }) => !hasBit(state.landed, index))
  if (state.left > new Set(open.map(({ index }) => index)).size) return null
  const all = freeHolders(state)
  const free = all.length >= SPARED_FROM ? all.filter(({ holder: { has } }) => has !== null) : all
  for (const { index, holder, at } of open) {
    if (now - Math.max(at, state.holders.get(holder)?.lively ?? 0) < CHUNK_TWICE_MS) continue
    if (open.some((other) => other.index === index && other.holder !== holder)) continue
    const other = idlest(
      free.filter((one) => one.peer !== holder && (one.holder.has === null || hasBit(one.holder.has, index))),
    )
    if (other !== undefined) return { index, holder: other }
  }
  return null
}
