import { compare } from 'uint8arrays/compare'
import { equals } from 'uint8arrays/equals'
import { fromHex, type RoomId, sha256, toHex } from '../../shared/ids.ts'
import { HEADS_MAX } from '../../shared/limits.ts'
import type { Head, LogName } from '../../shared/wire/sync.ts'

// The rules of anti-entropy: two lists of heads say who lacks what. Of an author who signed two records with one number,
// two members may hold different chains: then the lowest such number, with its proof, is what they come to agree on.

/** What the other side lacks of one log: the records past `after` up to `upTo`, and both records with the number `fork`. */
export type Missing = LogName & {
  /** −1: from the first one. */
  readonly after: number
  readonly upTo: number
  readonly fork: number | null
}

/** The hash of the record that we hold at a number of a log, up to our head's. */
export type HashAt = (log: LogName, seq: number) => Uint8Array | null

/** What `theirs` lacks of `mine`. */
export const beyond = (mine: readonly Head[], theirs: readonly Head[], hashAt: HashAt): Missing[] => {
  const known = headsByLog(theirs)
  return mine.flatMap((head) => missingOf(head, known.get(nameOf(head)), hashAt) ?? [])
}

/**
 * Whether `theirs` has anything that `mine` lacks, as far as the heads alone tell.
 * @param isFull whether no other log of a device is taken here
 */
export const lacks = (
  mine: readonly Head[],
  theirs: readonly Head[],
  isFull: (device: string) => boolean = () => false,
): boolean => {
  const known = headsByLog(mine)
  return theirs.some((head) => {
    const our = known.get(nameOf(head))
    return (our !== undefined || !isFull(head.device)) && isAhead(head, our)
  })
}

/** By the log's name. */
export const headsByLog = (heads: readonly Head[]): ReadonlyMap<string, Head> =>
  new Map(heads.map((head) => [nameOf(head), head]))

/** What `theirs` lacks of one log. */
export const missingOf = (mine: Head, theirs: Head | undefined, hashAt: HashAt): Missing | null => {
  const send = (after: number, upTo: number, fork: number | null): Missing => {
    return { device: mine.device, inc: mine.inc, after, upTo, fork }
  }
  const fork = mine.fork === 1 ? mine.seq : null
  if (theirs === undefined) return send(-1, mine.seq, fork)
  // The last record that they vouch for: below a fork, that is the one before it.
  const last = theirs.fork === 1 ? theirs.seq - 1 : theirs.seq
  const mineLast = fork === null ? mine.seq : fork - 1
  if (last >= 0 && last <= mineLast && !agree(mine, theirs, last, mineLast, hashAt)) return send(-1, last, null)
  if (theirs.fork === 1) return fork === null || theirs.seq <= fork ? null : send(fork, fork, fork)
  return theirs.seq < mine.seq ? send(theirs.seq, mine.seq, fork) : fork === null ? null : send(fork, fork, fork)
}

const agree = (mine: Head, theirs: Head, last: number, mineLast: number, hashAt: HashAt): boolean => {
  const hash = last === mineLast ? mine.hash : hashAt(mine, last)
  return hash !== null && equals(hash, theirs.hash)
}

/** Whether their log has anything that ours lacks, as far as the heads alone tell. */
export const isAhead = (theirs: Head, mine: Head | undefined): boolean => {
  if (mine === undefined) return true
  if (theirs.fork !== mine.fork) return theirs.fork === 1
  if (theirs.seq !== mine.seq) return theirs.fork === 1 ? theirs.seq < mine.seq : theirs.seq > mine.seq
  return !equals(theirs.hash, mine.hash)
}

/**
 * SHA-256 over all heads, each as `device ‖ 0 ‖ inc ‖ fork ‖ seq ‖ hash`, in the order of these bytes: `fork` one byte, 0 or 1,
 * `seq` eight, big-endian. Who has equal digests has equal rooms.
 */
export const digestOf = (heads: readonly Head[]): Uint8Array => sha256(...heads.map(digestPart).sort(compare))

/** SHA-256 over the ids of open rooms, sorted. */
export const openDigestOf = (rooms: readonly RoomId[]): Uint8Array => sha256(...[...rooms].sort().map(fromHex))

/** One head's share in the digest. */
export const digestPart = ({ device, inc, seq, hash, fork }: Head): Uint8Array => {
  const part = Buffer.alloc(Buffer.byteLength(device) + 1 + inc.byteLength + 1 + 8 + hash.byteLength)
  let at = part.write(device) + 1
  part.set(inc, at)
  at = part.writeUInt8(fork ?? 0, at + inc.byteLength)
  at = part.writeBigUInt64BE(BigInt(seq), at)
  part.set(hash, at)
  return part
}

/**
 * As many heads as may be told: of too many the longest logs. What is not told is sent anew each time, so these are to be few
 * records; and nobody honest is blamed for what hostile devices have filled a room with.
 */
export const telling = (heads: readonly Head[]): readonly Head[] =>
  heads.length <= HEADS_MAX ? heads : [...heads].sort((a, b) => b.seq - a.seq).slice(0, HEADS_MAX)

/** A log's name as one text. */
export const nameOf = ({ device, inc }: LogName): string => `${device}/${toHex(inc)}`
