import type { RoomId } from '../../shared/ids.ts'
import { BATCH_MAX_RECORDS, SYNC_BATCH_BYTES } from '../../shared/limits.ts'
import type { LogId } from '../store/log-id.ts'
import { logOf, type ServingStore } from '../store/serving.ts'
import { mergedInTime } from './merge.ts'
import { encodeRecord } from './record.ts'
import type { Missing } from './sync.ts'
import type { Turn } from './turns.ts'

/** Records as they are sent, and as many keys: no bytes where none is given. */
export type ServedFrame = { readonly records: Uint8Array[]; readonly keys: Uint8Array[] }

/**
 * What another member lacks of a room, frame by frame, in the order of time; the next frame is read when the last is on its
 * way, so a slow reader costs no memory. Membership records beyond forks come first, since others cite them. Both records of
 * a fork come last: they prove it, whatever was before.
 * @param mayHaveKey whether the reader is given the key of a message
 */
export async function* framesOf(
  store: ServingStore,
  room: RoomId,
  missing: readonly Missing[],
  mayHaveKey: MayHaveKey,
  turn: Turn,
): AsyncGenerator<ServedFrame> {
  let frame: ServedFrame = { records: [], keys: [] }
  let size = 0
  for await (const { bytes, key } of recordsOf(store, room, missing, mayHaveKey, turn)) {
    if (frame.records.length === BATCH_MAX_RECORDS || (size > 0 && size + bytes.byteLength > SYNC_BATCH_BYTES)) {
      yield frame
      frame = { records: [], keys: [] }
      size = 0
    }
    frame.records.push(bytes)
    frame.keys.push(key)
    size += bytes.byteLength
  }
  if (frame.records.length > 0) yield frame
}

type MayHaveKey = (log: LogId, seq: number) => boolean
type Sent = { readonly bytes: Uint8Array; readonly key: Uint8Array }
const NO_KEY = new Uint8Array()

async function* recordsOf(
  store: ServingStore,
  room: RoomId,
  missing: readonly Missing[],
  mayHaveKey: MayHaveKey,
  turn: Turn,
): AsyncGenerator<Sent> {
  if (missing.length > 0) for (const bytes of store.voids(room)) yield { bytes, key: NO_KEY }
  for await (const arrival of mergedInTime(store, room, missing, turn)) {
    const served = store.served(arrival)
    if (served === null) continue
    const { wire, message } = served
    // Asked anew for each message: whoever is removed meanwhile gets no more of them.
    const key = message !== null && mayHaveKey(message.log, message.seq) ? message.key() : NO_KEY
    yield { bytes: encodeRecord(wire), key }
  }
  for (const { fork, ...name } of missing) {
    if (fork === null) continue
    const log = logOf(room, name)
    for (const { arrival } of store.steps(log, fork - 1, fork, 1)) {
      const record = store.wire(arrival)
      if (record !== null) yield { bytes: encodeRecord(record), key: NO_KEY }
    }
    const other = store.other(log, fork)
    if (other !== null) yield { bytes: other, key: NO_KEY }
  }
}
