import { type Refusal, refuse } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CHUNKS_IN_FLIGHT, HOLDER_STRIKES } from '../../shared/limits.ts'
import { type Bitmap, countBits, hasBit } from './bitmap.ts'

/** One chunk, asked of one holder. */
export type Request = { readonly index: number; readonly holder: PeerId }

/**
 * Which chunks are missing, asked for, and here. A value: every event makes the next one, and none costs more than the few
 * chunks in flight, since the chunks before `cursor` are all here but for `flights` and `again`.
 */
export type Transfer = {
  readonly chunks: number
  /** Chunks that were here when it began; never altered. */
  readonly had: Bitmap
  /** Missing chunks from here on were never asked for. */
  readonly cursor: number
  /** Not here yet, all told. */
  readonly left: number
  readonly flights: readonly Request[]
  /** To be asked for again, and of whom they were asked in vain. */
  readonly again: readonly Request[]
  /** Losses in a row of each holder; `HOLDER_STRIKES` and more: left alone. */
  readonly strikes: ReadonlyMap<PeerId, number>
  /** Why the last chunk did not come. */
  readonly reason: Refusal | null
}

export type Verdict = 'whole' | 'going' | Refusal

/** @param had the chunks that are on the disk already; copied */
export const startTransfer = (chunks: number, had: Bitmap): Transfer => ({
  chunks,
  had: had.slice(),
  cursor: 0,
  left: chunks - countBits(had, chunks),
  flights: [],
  again: [],
  strikes: new Map(),
  reason: null,
})

/**
 * What to ask next, and of whom: as many chunks as `CHUNKS_IN_FLIGHT` allows, each of the holder that has the fewest to
 * answer, so that the faster one serves more; what failed comes first, and of somebody else where possible.
 * @param holders who is present and has the file
 */
export const nextRequests = (
  state: Transfer,
  holders: readonly PeerId[],
): { readonly next: Transfer; readonly requests: readonly Request[] } => {
  const trusted = holders.filter((holder) => !isOut(state, holder))
  const load = new Map(trusted.map((holder) => [holder, 0]))
  for (const { holder } of state.flights) {
    const busy = load.get(holder)
    if (busy !== undefined) load.set(holder, busy + 1)
  }
  const again = [...state.again]
  const requests: Request[] = []
  let { cursor } = state
  while (trusted.length > 0 && state.flights.length + requests.length < CHUNKS_IN_FLIGHT) {
    const failed = again.shift()
    if (failed === undefined) cursor = firstMissing(state, cursor)
    if (failed === undefined && cursor >= state.chunks) break
    const holder = idlest(load, failed?.holder)
    if (holder === undefined) break
    load.set(holder, (load.get(holder) ?? 0) + 1)
    requests.push({ index: failed?.index ?? cursor++, holder })
  }
  return { next: { ...state, cursor, again, flights: [...state.flights, ...requests] }, requests }
}

/** A chunk is on the disk, and its holder's losses are forgiven. One that was here already changes nothing. */
export const chunkLanded = (state: Transfer, { index, holder }: Request): Transfer => {
  const flying = state.flights.some((request) => request.index === index)
  const waiting = state.again.some((request) => request.index === index)
  // An answer that comes after its request was given up still counts, as long as nobody else was quicker.
  if (!flying && !waiting) return state
  const settled = isOut(state, holder) ? state : holderReturned(state, holder)
  return {
    ...settled,
    left: state.left - 1,
    flights: state.flights.filter((request) => request.index !== index),
    again: state.again.filter((request) => request.index !== index),
  }
}

/**
 * A request failed. All that was asked of that holder is to be asked again, since they went over one stream; its later
 * failures are then no news. A wrong chunk or a file that is not (any more) the offered one puts the holder out at once.
 */
export const requestFailed = (state: Transfer, { index, holder }: Request, reason: Refusal): Transfer => {
  if (!state.flights.some((request) => request.index === index && request.holder === holder)) return state
  const losses = isHopeless(reason) ? HOLDER_STRIKES : (state.strikes.get(holder) ?? 0) + 1
  return {
    ...state,
    flights: state.flights.filter((request) => request.holder !== holder),
    again: [...state.again, ...state.flights.filter((request) => request.holder === holder)],
    strikes: new Map(state.strikes).set(holder, losses),
    reason,
  }
}

/** The holder has come anew (a fresh session, a fresh offer): it gets its chance again. */
export const holderReturned = (state: Transfer, holder: PeerId): Transfer => {
  const strikes = new Map(state.strikes)
  strikes.delete(holder)
  return { ...state, strikes }
}

/** `going` as long as somebody can still be asked or is about to answer; else the reason for which nobody can. */
export const verdictOf = (state: Transfer, holders: readonly PeerId[]): Verdict => {
  if (state.left === 0) return 'whole'
  if (state.flights.length > 0 || holders.some((holder) => !isOut(state, holder))) return 'going'
  return state.reason ?? refuse('file-not-held', 'nobody who has it is present')
}

const isOut = (state: Transfer, holder: PeerId): boolean => (state.strikes.get(holder) ?? 0) >= HOLDER_STRIKES

const HOPELESS: ReadonlySet<string> = new Set([
  'file-chunk-wrong',
  'file-manifest-wrong',
  'file-changed',
  'file-not-held',
  'file-unreadable',
  'not-a-member',
  'frame-malformed',
  'frame-too-large',
])
const isHopeless = ({ code }: Refusal): boolean => HOPELESS.has(code)

const firstMissing = ({ had, chunks }: Transfer, from: number): number => {
  let index = from
  while (index < chunks && hasBit(had, index)) index++
  return index
}

/** The holder with the fewest requests to answer; the one to avoid only when there is no other. */
const idlest = (load: ReadonlyMap<PeerId, number>, avoid: PeerId | undefined): PeerId | undefined => {
  let best: PeerId | undefined
  for (const [holder, busy] of load) {
    if (holder === avoid && load.size > 1) continue
    if (best === undefined || busy < (load.get(best) ?? 0)) best = holder
  }
  return best
}
