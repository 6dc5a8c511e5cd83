import type { RoomId } from '../../shared/ids.ts'
import { BATCH_MAX_RECORDS, SYNC_BATCH_BYTES } from '../../shared/limits.ts'
import { logOf, type ServingStore } from '../store/serving.ts'
import { mergedInTime } from './merge.ts'
import { encodeRecord } from './record.ts'
import type { Missing } from './sync.ts'
import type { Turn } from './turns.ts'

/**
 * What another member lacks of a room, frame by frame, in the order of time; the next frame is read when the last is on its
 * way, so a slow reader costs no memory. Membership records beyond forks come first, since others cite them. Both records of
 * a fork come last: they prove it, whatever was before.
 */
export async function* framesOf(
  store: ServingStore,
  room: RoomId,
  missing: readonly Missing[],
  turn: Turn,
): AsyncGenerator<Uint8Array[]> {
  let frame: Uint8Array[] = []
  let size = 0
  for await (const bytes of recordsOf(store, room, missing, turn)) {
    if (frame.length === BATCH_MAX_RECORDS || (size > 0 && size + bytes.byteLength > SYNC_BATCH_BYTES)) {
      yield frame
      frame = []
      size = 0
    }
    frame.push(bytes)
    size += bytes.byteLength
  }
  if (frame.length > 0) yield frame
}

async function* recordsOf(
  store: ServingStore,
  room: RoomId,
  missing: readonly Missing[],
  turn: Turn,
): AsyncGenerator<Uint8Array> {
  if (missing.length > 0) yield* store.voids(room)
  for await (const arrival of mergedInTime(store, room, missing, turn)) {
    const record = store.wire(arrival)
    if (record !== null) yield encodeRecord(record)
  }
  for (const { fork, ...name } of missing) {
    if (fork === null) continue
    const log = logOf(room, name)
    for (const { arrival } of store.steps(log, fork - 1, fork, 1)) {
      const record = store.wire(arrival)
      if (record !== null) yield encodeRecord(record)
    }
    const other = store.other(log, fork)
    if (other !== null) yield other
  }
}
