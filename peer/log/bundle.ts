import { concat } from 'uint8arrays/concat'
import type { RoomId } from '../../shared/ids.ts'
import { GOSSIP_MAX_BYTES, GOSSIP_MAX_RECORDS } from '../../shared/limits.ts'
import { encodeRecord, type ParsedRecord } from './record.ts'

/** Fresh records as gossip and push carry them: a CBOR sequence (RFC 8742) of some of one room, in their order. */
export type Bundle = { readonly room: RoomId; readonly data: Uint8Array }

/** A lone record is a bundle; those of a burst share some, none with more records or bytes than anybody may send. */
export function* bundlesOf(records: readonly ParsedRecord[]): Generator<Bundle> {
  for (const [room, ofRoom] of Map.groupBy(records, (record) => record.room)) {
    let parts: Uint8Array[] = []
    let size = 0
    for (const { wire } of ofRoom) {
      const part = encodeRecord(wire)
      if (parts.length === GOSSIP_MAX_RECORDS || (size > 0 && size + part.byteLength > GOSSIP_MAX_BYTES)) {
        yield { room, data: concat(parts) }
        parts = []
        size = 0
      }
      parts.push(part)
      size += part.byteLength
    }
    yield { room, data: concat(parts) }
  }
}
