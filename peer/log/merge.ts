import type { RoomId } from '../../shared/ids.ts'
import { MERGE_PREFETCH_RECORDS, SYNC_SLICE_MS } from '../../shared/limits.ts'
import type { LogId } from '../store/log-id.ts'
import { logOf, type ServingStore, type Step } from '../store/serving.ts'
import type { Missing } from './sync.ts'
import { sliceOf, type Turn } from './turns.ts'

/** A log that is being merged: a few of its steps are in memory, the rest is read as they are used up. */
type Cursor = { readonly log: LogId; readonly upTo: number; steps: readonly Step[]; at: number }

/**
 * The records of several logs of a room in the order of their times (milliseconds, count, hash), which is an order in which
 * each comes after all that its author knew. Records of one log keep their order, whatever times they claim. What is in
 * memory is a few steps a log, whatever their length; every few milliseconds it waits for its turn.
 * @returns the `arrival` of each
 */
export async function* mergedInTime(
  store: Pick<ServingStore, 'steps'>,
  room: RoomId,
  missing: readonly Missing[],
  turn: Turn,
): AsyncGenerator<number> {
  const prefetch = Math.max(1, Math.min(PREFETCH_MAX, Math.floor(MERGE_PREFETCH_RECORDS / Math.max(1, missing.length))))
  const slice = sliceOf(SYNC_SLICE_MS)
  const heap: Cursor[] = []
  const fill = (cursor: Cursor, after: number): boolean => {
    cursor.steps = store.steps(cursor.log, after, cursor.upTo, prefetch)
    cursor.at = 0
    return cursor.steps.length > 0
  }
  for (const { after, upTo, ...name } of missing) {
    const cursor: Cursor = { log: logOf(room, name), upTo, steps: [], at: 0 }
    if (fill(cursor, after)) rise(heap, cursor)
    if (slice.isOver()) {
      await turn()
      slice.begin()
    }
  }
  for (;;) {
    const [first] = heap
    const step = first?.steps[first.at]
    if (first === undefined || step === undefined) return
    yield step.arrival
    first.at++
    if (first.at < first.steps.length || fill(first, step.seq)) sink(heap)
    else removeFirst(heap)
    if (slice.isOver()) {
      await turn()
      slice.begin()
    }
  }
}

const PREFETCH_MAX = 64 // steps of one log read in one go: 0.2 ms

// A binary heap with the earliest record's log at its root.

const isBefore = (a: Cursor | undefined, b: Cursor | undefined): boolean => {
  const [x, y] = [a?.steps[a.at], b?.steps[b.at]]
  if (x === undefined || y === undefined) return false
  return (x.ms - y.ms || x.count - y.count || (x.hash < y.hash ? -1 : 1)) < 0
}

const rise = (heap: Cursor[], cursor: Cursor): void => {
  heap.push(cursor)
  for (let at = heap.length - 1; at > 0; ) {
    const parent = (at - 1) >> 1
    if (!isBefore(heap[at], heap[parent])) return
    swap(heap, at, parent)
    at = parent
  }
}

/** The root has gone on: it finds its place again. */
const sink = (heap: Cursor[]): void => {
  for (let at = 0; ; ) {
    const [left, right] = [2 * at + 1, 2 * at + 2]
    const least = isBefore(heap[right], heap[left]) ? right : left
    if (!isBefore(heap[least], heap[at])) return
    swap(heap, at, least)
    at = least
  }
}

const removeFirst = (heap: Cursor[]): void => {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  heap[0] = last
  sink(heap)
}

const swap = (heap: Cursor[], a: number, b: number): void => {
  const [x, y] = [heap[a], heap[b]]
  if (x === undefined || y === undefined) return
  heap[a] = y
  heap[b] = x
}
