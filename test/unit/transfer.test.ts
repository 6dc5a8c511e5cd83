import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bitmap, emptyBitmap, hasBit, setBit } from '../../peer/files/bitmap.ts'
import {
  chunkLanded,
  chunksGiven,
  holderCame,
  holderHas,
  holderLeft,
  mayReturn,
  nextRequests,
  type Request,
  requestFailed,
  stalled,
  startTransfer,
  type Transfer,
  verdictOf,
} from '../../peer/files/transfer.ts'
import { isRefusal, refuse, refusedThere } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import {
  CHUNK_TWICE_MS,
  CHUNKS_AT_FIRST,
  CHUNKS_IN_FLIGHT,
  HOLDER_STALL_MS,
  HOLDER_STRIKES,
} from '../../shared/limits.ts'

const [alice, bob, carol] = ['alice', 'bob', 'carol'] as [PeerId, PeerId, PeerId]
const late = refuse('too-late')
const wrong = refuse('file-chunk-wrong')

const having = (chunks: number, indexes: readonly number[]): Bitmap => {
  const bitmap = emptyBitmap(chunks)
  for (const index of indexes) setBit(bitmap, index)
  return bitmap
}
const among = (state: Transfer, ...holders: readonly PeerId[]): Transfer =>
  holders.reduce((at, holder) => holderCame(at, holder, null, 0), state)
const fresh = (chunks: number) => startTransfer(chunks, emptyBitmap(chunks))
const landed = (state: Transfer, requests: readonly Request[], now = 0): Transfer =>
  requests.reduce((at, request) => chunkLanded(at, request, now), state)
const of = (holder: PeerId, requests: readonly Request[]) => requests.filter((request) => request.holder === holder)

/** All that is asked for when everything is answered, until there is no more. */
const drained = (start: Transfer) => {
  const asked: Request[] = []
  let state = start
  for (;;) {
    const { next, requests } = nextRequests(state, 0)
    if (requests.length === 0) return { state: next, asked }
    asked.push(...requests)
    state = landed(next, requests)
  }
}

describe('a transfer', () => {
  test('asks one holder for every missing chunk once, in order, and for none that is here', () => {
    const { state, asked } = drained(among(startTransfer(20, having(20, [0, 1, 7, 19])), alice))
    const missing = Array.from({ length: 20 }, (_, index) => index).filter((index) => ![0, 1, 7, 19].includes(index))
    expect(asked.map(({ index }) => index)).toEqual(missing)
    expect(verdictOf(state)).toBe('whole')
  })

  test('of the empty file, or of one that is here, is whole at once', () => {
    expect(verdictOf(fresh(0))).toBe('whole')
    expect(verdictOf(startTransfer(2, having(2, [0, 1])))).toBe('whole')
  })

  test('begins with few chunks of each holder, has more on the way with each that comes, and never more than the limit', () => {
    let state = among(fresh(100), alice)
    for (let window = CHUNKS_AT_FIRST; window < CHUNKS_IN_FLIGHT + 3; window++) {
      const { next } = nextRequests(state, 0)
      expect(next.flights).toHaveLength(Math.min(window, CHUNKS_IN_FLIGHT))
      expect(nextRequests(next, 0).requests).toEqual([])
      state = landed(next, next.flights.slice(0, 1))
    }
  })

  test('asks several holders at once, and the faster one for more', () => {
    const first = nextRequests(among(fresh(100), alice, bob), 0)
    expect(of(alice, first.requests)).toHaveLength(CHUNKS_AT_FIRST)
    expect(of(bob, first.requests)).toHaveLength(CHUNKS_AT_FIRST)
    const answered = landed(first.next, of(alice, first.requests))
    expect(nextRequests(answered, 0).requests.every(({ holder }) => holder === alice)).toBe(true)
  })

  test('asks for the rarest first', () => {
    const bobs = having(10, [0, 1, 2, 3, 4, 5, 6])
    const state = holderCame(among(fresh(10), alice), bob, bobs, 0)
    const { requests } = nextRequests(state, 0)
    expect(of(alice, requests).map(({ index }) => index)).toEqual([7, 8])
    expect(of(bob, requests).map(({ index }) => index)).toEqual([0, 1])
  })

  test('asks rather a fetcher than the one who has everything, when both have it', () => {
    const state = holderCame(among(fresh(1), alice), bob, having(1, [0]), 0)
    expect(nextRequests(state, 0).requests).toEqual([{ index: 0, holder: bob }])
  })

  test('asks nobody for a chunk that it is not known to have, until it says so', () => {
    const state = holderCame(fresh(4), bob, having(4, [2]), 0)
    const first = nextRequests(state, 0)
    expect(first.requests).toEqual([{ index: 2, holder: bob }])
    const rest = landed(first.next, first.requests)
    expect(verdictOf(rest)).toBe('waiting')
    expect(nextRequests(holderHas(rest, bob, [0, 99]), 0).requests).toEqual([{ index: 0, holder: bob }])
  })

  test('of several that begin at once each begins at another place', () => {
    const starts = Array.from(
      { length: 10 },
      (_, seat) => nextRequests(among(startTransfer(32, emptyBitmap(32), seat), alice), 0).requests,
    )
    const asked = starts.flat().map(({ index }) => index)
    expect(asked).toHaveLength(10 * CHUNKS_AT_FIRST)
    expect(new Set(asked).size).toBeGreaterThanOrEqual(16)
  })

  test('asks for a lost chunk again, and of somebody else', () => {
    const first = nextRequests(among(fresh(4), alice, bob), 0)
    const [lost] = of(alice, first.requests) as [Request]
    const after = requestFailed(landed(first.next, of(bob, first.requests)), lost, late)
    const { requests } = nextRequests(after, 0)
    expect(requests.map(({ index }) => index)).toContain(lost.index)
    expect(requests.every(({ holder }) => holder === bob)).toBe(true)
  })

  test('asks the same holder again when it is back', () => {
    const first = nextRequests(among(fresh(2), alice), 0)
    const after = requestFailed(first.next, { index: 0, holder: alice }, late)
    expect(nextRequests(after, 0).requests).toEqual([])
    expect(verdictOf(after)).toBe(late)
    expect(nextRequests(among(after, alice), 0).requests.map(({ index }) => index)).toEqual([0, 1])
  })

  test('leaves one that lied out for good, whoever says that it is back', () => {
    const first = nextRequests(among(fresh(3), alice), 0)
    const state = among(requestFailed(first.next, { index: 0, holder: alice }, wrong), alice)
    expect(nextRequests(state, 0).requests).toEqual([])
    expect(verdictOf(state)).toBe(wrong)
    expect(nextRequests(among(state, bob), 0).requests.every(({ holder }) => holder === bob)).toBe(true)
    expect(verdictOf(among(state, bob))).toBe('going')
  })

  test('does not take for a lie what the other side says of us', () => {
    const first = nextRequests(among(fresh(3), alice), 0)
    const state = requestFailed(first.next, { index: 0, holder: alice }, refusedThere('file-chunk-wrong'))
    expect(state.holders.get(alice)?.place).toBe('away')
  })

  test('counts a lost road once, however many chunks were asked for over it, and forgives it when a chunk has come', () => {
    const first = nextRequests(among(fresh(100), alice), 0)
    const state = first.requests.reduce((at, request) => requestFailed(at, request, late), first.next)
    expect(state.holders.get(alice)?.strikes).toBe(1)
    const again = nextRequests(among(state, alice), 0)
    expect(landed(again.next, again.requests.slice(0, 1)).holders.get(alice)?.strikes).toBe(0)
  })

  test('opens a road anew until it was lost a few times in a row', () => {
    let state = among(fresh(3), alice)
    for (let loss = 0; loss < HOLDER_STRIKES; loss++) {
      const { next, requests } = nextRequests(state, 0)
      const holder = next.holders.get(alice)
      expect(holder !== undefined && mayReturn(holder)).toBe(true)
      state = requestFailed(next, requests[0] as Request, late)
      if (loss < HOLDER_STRIKES - 1) state = among(state, alice)
    }
    const holder = state.holders.get(alice)
    expect(holder !== undefined && mayReturn(holder)).toBe(false)
    expect(drained(among(state, alice)).state.left).toBe(0)
  })

  test('counts a chunk that comes twice once, and takes one from a holder that has gone', () => {
    const first = nextRequests(among(fresh(3), alice, bob), 0)
    const [asked] = first.requests as [Request]
    const given = landed(holderLeft(first.next, asked.holder), [asked])
    expect(given.left).toBe(2)
    expect(landed(given, [asked]).left).toBe(2)
  })

  test('asks a second holder for what is late at the end, and only then, and only once', () => {
    const first = nextRequests(among(fresh(2), alice), 0)
    const state = among(first.next, bob)
    expect(nextRequests(state, CHUNK_TWICE_MS - 1).requests).toEqual([])
    const twice = nextRequests(state, CHUNK_TWICE_MS)
    expect(twice.requests).toEqual([
      { index: 0, holder: bob },
      { index: 1, holder: bob },
    ])
    expect(nextRequests(among(twice.next, carol), CHUNK_TWICE_MS * 2).requests).toEqual([])
    const lively = landed(holderCame(nextRequests(among(fresh(3), alice), 0).next, bob, null, 0), [], 0)
    expect(lively.flights).toHaveLength(2)
    const more = nextRequests(among(nextRequests(among(fresh(3), alice), 0).next, bob), CHUNK_TWICE_MS)
    expect(more.requests[0]).toEqual({ index: 2, holder: bob })
  })

  test('finds a holder that brings nothing though others could, and nobody who is the only one to have it', () => {
    const first = nextRequests(among(fresh(100), alice), 0)
    expect(stalled(first.next, HOLDER_STALL_MS)).toEqual([])
    const state = among(first.next, bob)
    expect(stalled(state, HOLDER_STALL_MS - 1)).toEqual([])
    expect(stalled(state, HOLDER_STALL_MS).map(({ holder }) => holder)).toEqual([alice])
    const lively = landed(state, first.requests.slice(0, 1), HOLDER_STALL_MS - 1)
    expect(stalled(lively, HOLDER_STALL_MS)).toEqual([])
  })

  test('with nobody present is given up with a reason, and goes on when somebody comes', () => {
    const state = fresh(3)
    expect(verdictOf(state)).toMatchObject({ kind: 'refusal', code: 'file-not-held' })
    expect(verdictOf(among(state, carol))).toBe('going')
  })

  test('under any pattern of loss ends: whole, waiting for what nobody has, or given up with a reason', () => {
    const fates = fc.array(
      fc.record({
        pick: fc.nat(CHUNKS_IN_FLIGHT - 1),
        fate: fc.constantFrom('lands', 'lands', 'lands', 'late', 'wrong', 'leaves', 'twice', 'returns' as const),
        passes: fc.nat(CHUNK_TWICE_MS),
      }),
      { maxLength: 400 },
    )
    const some = fc.uniqueArray(fc.nat(59), { maxLength: 60 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), some, some, fates, fc.nat(20), (chunks, had, bobs, script, seat) => {
        const within = (indexes: readonly number[]) =>
          having(
            chunks,
            indexes.filter((index) => index < chunks),
          )
        let state = startTransfer(chunks, within(had), seat)
        state = holderCame(among(state, alice), bob, within(bobs), 0)
        let now = 0
        let step = 0
        for (; verdictOf(state) === 'going'; step++) {
          if (step > 3 * (chunks + 1) + 2 * script.length) throw new Error('it does not end')
          const before = state.flights
          const { next, requests } = nextRequests(state, now)
          state = next
          for (const { index, holder } of requests) {
            expect(hasBit(state.landed, index)).toBe(false)
            const has = state.holders.get(holder)?.has
            expect(has === null || (has !== undefined && hasBit(has, index))).toBe(true)
            // Asked twice only of two, and only at the end.
            const twice = before.filter((flight) => flight.index === index)
            expect(twice.length).toBeLessThanOrEqual(1)
            expect(twice.some((flight) => flight.holder === holder)).toBe(false)
          }
          expect(state.flights.length).toBeLessThanOrEqual(CHUNKS_IN_FLIGHT)
          const turn = script[step] ?? { pick: 0, fate: 'lands' as const, passes: 1 }
          now += turn.passes
          const request = state.flights[turn.pick % Math.max(1, state.flights.length)]
          if (request === undefined) throw new Error('it goes on, but waits for nothing')
          if (turn.fate === 'lands' || turn.fate === 'twice') state = chunkLanded(state, request, now)
          if (turn.fate === 'twice') state = chunkLanded(state, request, now)
          if (turn.fate === 'late') state = requestFailed(state, request, late)
          if (turn.fate === 'wrong') state = requestFailed(state, request, wrong)
          if (turn.fate === 'leaves') state = holderLeft(state, request.holder)
          if (turn.fate === 'returns') state = holderCame(state, request.holder, null, now)
        }
        let here = 0
        for (let index = 0; index < chunks; index++) if (hasBit(state.landed, index)) here++
        expect(state.left).toBe(chunks - here)
        const verdict = verdictOf(state)
        if (verdict === 'whole') expect(here).toBe(chunks)
        else expect(verdict === 'waiting' || isRefusal(verdict)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('of ten that fetch at once makes the origin send little more than one copy', () => {
    const chunks = 64
    const fetchers = Array.from({ length: 10 }, (_, at) => `f${at}` as PeerId)
    const states = new Map(
      fetchers.map((one, seat) => {
        let state = among(startTransfer(chunks, emptyBitmap(chunks), seat), alice)
        for (const other of fetchers) {
          if (other !== one) state = holderCame(state, other, emptyBitmap(chunks), 0)
        }
        return [one, state]
      }),
    )
    let bySender = 0
    let turns = 0
    // Each member answers one request a turn, as on links of one speed.
    for (let turn = 0; [...states.values()].some(({ left }) => left > 0); turn++) {
      if (turn > chunks * 30) throw new Error('it does not end')
      turns = turn
      for (const one of fetchers) {
        const { next, requests } = nextRequests(states.get(one) as Transfer, turn)
        states.set(one, next)
        const given = of(alice, requests).map(({ index }) => index)
        for (const other of fetchers) {
          if (other !== one) states.set(other, chunksGiven(states.get(other) as Transfer, given, turn))
        }
      }
      for (const server of [alice, ...fetchers]) {
        const asker = fetchers
          .toSorted((a, b) => ((fetchers.indexOf(a) + turn) % 10) - ((fetchers.indexOf(b) + turn) % 10))
          .find((one) => states.get(one)?.flights.some(({ holder }) => holder === server))
        if (asker === undefined) continue
        const state = states.get(asker) as Transfer
        const request = state.flights.find(({ holder }) => holder === server) as Request
        if (server === alice) bySender++
        states.set(asker, chunkLanded(state, request, turn))
        for (const other of fetchers) {
          if (other !== asker) states.set(other, holderHas(states.get(other) as Transfer, asker, [request.index]))
        }
      }
    }
    console.log(`ten fetchers: the origin sent ${(bySender / chunks).toFixed(2)} copies, in ${turns} turns`)
    expect(bySender).toBeLessThanOrEqual(1.3 * chunks)
  })
})
