import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Bitmap, emptyBitmap, setBit } from '../../peer/files/bitmap.ts'
import {
  chunkLanded,
  holderReturned,
  nextRequests,
  type Request,
  requestFailed,
  startTransfer,
  type Transfer,
  verdictOf,
} from '../../peer/files/transfer.ts'
import { isRefusal, refuse } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import { CHUNKS_IN_FLIGHT, HOLDER_STRIKES } from '../../shared/limits.ts'

const [alice, bob, carol] = ['alice', 'bob', 'carol'] as [PeerId, PeerId, PeerId]
const late = refuse('too-late')
const wrong = refuse('file-chunk-wrong')

const having = (chunks: number, indexes: readonly number[]): Bitmap => {
  const bitmap = emptyBitmap(chunks)
  for (const index of indexes) setBit(bitmap, index)
  return bitmap
}
const fresh = (chunks: number) => startTransfer(chunks, emptyBitmap(chunks))

/** All that one holder who answers everything is asked for, until there is no more. */
const drained = (start: Transfer, holders: readonly PeerId[]) => {
  const asked: Request[] = []
  let state = start
  for (;;) {
    const { next, requests } = nextRequests(state, holders)
    if (requests.length === 0) return { state: next, asked }
    asked.push(...requests)
    state = requests.reduce(chunkLanded, next)
  }
}

describe('a transfer', () => {
  test('asks for every missing chunk once, in order, and for none that is here', () => {
    const { state, asked } = drained(startTransfer(20, having(20, [0, 1, 7, 19])), [alice])
    const missing = Array.from({ length: 20 }, (_, index) => index).filter((index) => ![0, 1, 7, 19].includes(index))
    expect(asked.map(({ index }) => index)).toEqual(missing)
    expect(verdictOf(state, [alice])).toBe('whole')
  })

  test('of the empty file, or of one that is here, is whole at once', () => {
    expect(verdictOf(fresh(0), [])).toBe('whole')
    expect(verdictOf(startTransfer(2, having(2, [0, 1])), [])).toBe('whole')
  })

  test('has no more chunks on the way than the limit', () => {
    const { next, requests } = nextRequests(fresh(100), [alice, bob])
    expect(requests).toHaveLength(CHUNKS_IN_FLIGHT)
    expect(nextRequests(next, [alice, bob]).requests).toEqual([])
  })

  test('asks several holders at once, and the faster one for more', () => {
    const first = nextRequests(fresh(100), [alice, bob])
    const of = (holder: PeerId, requests: readonly Request[]) => requests.filter((request) => request.holder === holder)
    expect(of(alice, first.requests)).toHaveLength(CHUNKS_IN_FLIGHT / 2)
    const answered = of(alice, first.requests).slice(0, 2).reduce(chunkLanded, first.next)
    expect(nextRequests(answered, [alice, bob]).requests.map(({ holder }) => holder)).toEqual([alice, alice])
  })

  test('asks for a lost chunk again first, and of somebody else', () => {
    const first = nextRequests(fresh(100), [alice, bob])
    const lost = first.requests.find(({ holder }) => holder === alice) as Request
    const after = nextRequests(requestFailed(first.next, lost, late), [alice, bob])
    expect(after.requests.map(({ index }) => index)).toContain(lost.index)
    expect(after.requests.slice(0, CHUNKS_IN_FLIGHT / 2).every(({ holder }) => holder === bob)).toBe(true)
  })

  test('asks the same holder again when there is no other', () => {
    const first = nextRequests(fresh(3), [alice])
    const after = nextRequests(requestFailed(first.next, { index: 0, holder: alice }, late), [alice])
    expect(after.requests.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  test('asks a holder that sent a wrong chunk for nothing more', () => {
    const first = nextRequests(fresh(3), [alice])
    const state = requestFailed(first.next, { index: 0, holder: alice }, wrong)
    expect(nextRequests(state, [alice]).requests).toEqual([])
    expect(verdictOf(state, [alice])).toBe(wrong)
    expect(nextRequests(state, [alice, bob]).requests.every(({ holder }) => holder === bob)).toBe(true)
    expect(verdictOf(state, [alice, bob])).toBe('going')
  })

  test('counts a lost stream once, however many chunks were asked for over it', () => {
    const first = nextRequests(fresh(100), [alice])
    const state = first.requests.reduce(
      (at, request) => requestFailed(at, request, refuse('stream-closed')),
      first.next,
    )
    expect(state.strikes.get(alice)).toBe(1)
    expect(verdictOf(state, [alice])).toBe('going')
  })

  test('leaves a holder alone after losses in a row, and takes it back when it returns', () => {
    let state = fresh(3)
    for (let loss = 0; loss < HOLDER_STRIKES; loss++) {
      const { next, requests } = nextRequests(state, [alice])
      expect(requests).not.toEqual([])
      state = requestFailed(next, requests[0] as Request, late)
    }
    expect(nextRequests(state, [alice]).requests).toEqual([])
    expect(verdictOf(state, [alice])).toBe(late)
    expect(drained(holderReturned(state, alice), [alice]).state.left).toBe(0)
  })

  test('forgives losses when a chunk has come', () => {
    const first = nextRequests(fresh(3), [alice])
    const lost = requestFailed(first.next, { index: 0, holder: alice }, late)
    const again = nextRequests(lost, [alice])
    expect(chunkLanded(again.next, { index: 0, holder: alice }).strikes.has(alice)).toBe(false)
  })

  test('counts a chunk that comes late once, and one that comes twice once', () => {
    const first = nextRequests(fresh(3), [alice, bob])
    const [asked] = first.requests as [Request]
    const given = chunkLanded(requestFailed(first.next, asked, late), asked)
    expect(given.left).toBe(2)
    expect(chunkLanded(given, asked)).toBe(given)
    const rest = drained(given, [bob])
    expect(rest.asked.map(({ index }) => index)).not.toContain(asked.index)
  })

  test('with nobody present is given up with a reason, and goes on when somebody comes', () => {
    const state = fresh(3)
    expect(verdictOf(state, [])).toMatchObject({ kind: 'refusal', code: 'file-not-held' })
    expect(verdictOf(state, [carol])).toBe('going')
  })

  test('under any pattern of loss ends: whole, or given up with a reason', () => {
    const fates = fc.array(
      fc.record({
        pick: fc.nat(CHUNKS_IN_FLIGHT - 1),
        fate: fc.constantFrom('lands', 'lands', 'lands', 'late', 'wrong', 'not-held', 'leaves', 'twice' as const),
      }),
      { minLength: 0, maxLength: 400 },
    )
    const indexes = fc.uniqueArray(fc.nat(59), { maxLength: 60 })
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 60 }), indexes, fates, fc.boolean(), (chunks, had, script, kind) => {
        const before = had.filter((index) => index < chunks)
        const here = new Set(before)
        let state = startTransfer(chunks, having(chunks, before))
        let present = [alice, bob, carol]
        const outstanding: Request[] = []
        let step = 0
        for (; verdictOf(state, present) === 'going'; step++) {
          // No script is longer than what every chunk, each lost as often as it may be, can take.
          if (step > (chunks + 1) * 3 * HOLDER_STRIKES * 3 + script.length) throw new Error('it does not end')
          const { next, requests } = nextRequests(state, present)
          state = next
          outstanding.push(...requests)
          for (const { index } of requests) expect(here.has(index)).toBe(false)
          expect(state.flights.length).toBeLessThanOrEqual(CHUNKS_IN_FLIGHT)
          expect(new Set(state.flights.map(({ index }) => index)).size).toBe(state.flights.length)
          // After the script all is well, or all is lost.
          const turn = script[step] ?? { pick: 0, fate: kind ? ('lands' as const) : ('late' as const) }
          const [request] = outstanding.splice(turn.pick % outstanding.length, 1)
          if (request === undefined) throw new Error('it goes on, but waits for nothing')
          const land = () => {
            state = chunkLanded(state, request)
            here.add(request.index)
          }
          if (turn.fate === 'lands' || turn.fate === 'twice') land()
          if (turn.fate === 'twice') outstanding.push(request)
          if (turn.fate === 'late') state = requestFailed(state, request, late)
          if (turn.fate === 'wrong') state = requestFailed(state, request, wrong)
          if (turn.fate === 'not-held') state = requestFailed(state, request, refuse('file-not-held'))
          if (turn.fate === 'leaves') {
            present = present.filter((holder) => holder !== request.holder)
            state = requestFailed(state, request, refuse('stream-closed'))
          }
        }
        const verdict = verdictOf(state, present)
        expect(state.left).toBe(chunks - here.size)
        if (verdict === 'whole') expect(here.size).toBe(chunks)
        else expect(isRefusal(verdict)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})
