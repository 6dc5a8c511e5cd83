import { toHex } from '../../shared/ids.ts'
import type { Head } from '../../shared/wire/sync.ts'

// The rules of anti-entropy: two lists of heads say who lacks what.

/** One log of which the other side lacks all records past `seq` (−1: the whole log). */
export type Missing = { readonly device: string; readonly inc: Uint8Array; readonly seq: number }

/** What `theirs` lacks of `mine`. */
export const beyond = (mine: readonly Head[], theirs: readonly Head[]): Missing[] => {
  const known = new Map(theirs.map((head) => [nameOf(head), head.seq]))
  return mine.flatMap((head) => {
    const seq = known.get(nameOf(head)) ?? -1
    return head.seq > seq ? [{ device: head.device, inc: head.inc, seq }] : []
  })
}

/** Whether `mine` lacks anything of `theirs`. */
export const lacks = (mine: readonly Head[], theirs: readonly Head[]): boolean => beyond(theirs, mine).length > 0

const nameOf = ({ device, inc }: Head): string => `${device}/${toHex(inc)}`
