import type { KeyObject } from 'node:crypto'
import { encodeRecord, signBatch } from '../../peer/log/record.ts'
import { certificateHashOf, fromHex, type RecordHash, type RoomId, recordHashOf, sha256 } from '../../shared/ids.ts'
import { systemRandom } from '../../shared/random.ts'
import { headerCodec, type RecordHeader, type WireRecord } from '../../shared/wire/record.ts'

/** Writes records as a device would, or not quite as it should. */
export type Pen = {
  readonly inc: Uint8Array
  /** The next record of this device's log in a room; `changes` are signed as if all were well. */
  write(draft: Written, changes?: Partial<RecordHeader>, options?: WriteOptions): Promise<PennedRecord>
}

export type Written = Pick<RecordHeader, 'kind' | 'key'> & { readonly room: RoomId; readonly body: Uint8Array }
export type WriteOptions = {
  /** Leaves the log where it is, so that the next record takes the same number. */
  readonly aside?: boolean
  readonly signedBy?: KeyObject
}
export type PennedRecord = { readonly hash: RecordHash; readonly wire: WireRecord; readonly bytes: Uint8Array }

export const createPen = (device: { readonly key: KeyObject; readonly certificate: Uint8Array }): Pen => {
  const inc = systemRandom.bytes(8)
  const heads = new Map<RoomId, { readonly seq: number; readonly hash: RecordHash }>()
  return {
    inc,
    write: async ({ room, kind, body, key }, changes = {}, { aside = false, signedBy = device.key } = {}) => {
      const head = heads.get(room)
      const header: RecordHeader = {
        v: 1,
        room: fromHex(room),
        author: fromHex(certificateHashOf(device.certificate)),
        inc,
        seq: head === undefined ? 0 : head.seq + 1,
        prev: head === undefined ? new Uint8Array(32) : fromHex(head.hash),
        after: [],
        time: [Date.now(), 0],
        kind,
        body: sha256(body),
        ...(key === undefined ? {} : { key }),
        ...changes,
      }
      const bytes = headerCodec.encode(header)
      const hash = recordHashOf(bytes)
      if (!aside) heads.set(room, { seq: header.seq, hash })
      const [signed] = await signBatch(signedBy, [hash])
      if (signed === undefined) throw new Error('no signature')
      const wire = { header: bytes, body, ...signed }
      return { hash, wire, bytes: encodeRecord(wire) }
    },
  }
}

/** The same record with one bit of a field the other way. */
export const withFlippedBit = ({ wire }: PennedRecord, field: 'signature' | 'body'): Uint8Array => {
  const bytes = new Uint8Array(wire[field] ?? [])
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return encodeRecord({ ...wire, [field]: bytes })
}
