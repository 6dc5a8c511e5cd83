import { GAP_BYTES_MAX, GAP_RECORDS_MAX } from '../../shared/limits.ts'
import type { ParsedRecord } from './record.ts'

/** Verified records that wait, in memory, for another one: the one before them, or one that they cite. */
export type Waiting = {
  /** Keeps a record until `what` has come; what finds no room is pulled again later. */
  add(what: string, record: ParsedRecord): void
  /** Those that waited for it, in the order in which they came. */
  take(what: string): readonly ParsedRecord[]
}

export const createWaiting = (): Waiting => {
  const waiting = new Map<string, Map<string, ParsedRecord>>()
  let count = 0
  let bytes = 0
  return {
    add: (what, record) => {
      const same = waiting.get(what) ?? new Map<string, ParsedRecord>()
      if (same.has(record.hash) || count >= GAP_RECORDS_MAX || bytes + sizeOf(record) > GAP_BYTES_MAX) return
      same.set(record.hash, record)
      waiting.set(what, same)
      count++
      bytes += sizeOf(record)
    },
    take: (what) => {
      const same = [...(waiting.get(what)?.values() ?? [])]
      waiting.delete(what)
      for (const record of same) {
        count--
        bytes -= sizeOf(record)
      }
      return same
    },
  }
}

const sizeOf = ({ wire }: ParsedRecord): number => wire.header.byteLength + (wire.body?.byteLength ?? 0)
