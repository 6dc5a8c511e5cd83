import { createHash } from 'node:crypto'
import { concat } from 'uint8arrays/concat'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { TRANSCRIPT_ITEM_MAX_BYTES } from '../../shared/limits.ts'
import { type TranscriptItem, transcriptItemCodec } from '../../shared/wire/transcript.ts'

/** Where an item stands: its number in the file, from 0, and its first byte. */
export type Place = { readonly item: number; readonly byte: number }

export type ReadItem = {
  readonly place: Place
  /** Or why it is none. */
  readonly content: TranscriptItem | Refusal
  /** SHA-256 over all bytes of the file before this item. */
  digestBefore(): Uint8Array
}

const PREFIX_BYTES = 4

/**
 * The items of a file, one at a time. One that is not in the form is a refusal, and what comes behind it is read; where the
 * frames themselves break off, or make no sense, the refusal is the last.
 */
export const readItems = async function* (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<ReadItem> {
  const digest = createHash('sha256')
  let byte = 0
  let item = 0
  const at = (content: TranscriptItem | Refusal, digestBefore = () => new Uint8Array()): ReadItem => ({
    place: { item, byte },
    content,
    digestBefore,
  })
  const source = createSource(pieces)
  for (;;) {
    const prefix = await source.take(PREFIX_BYTES)
    if (prefix.byteLength === 0) return
    const length = prefix.byteLength < PREFIX_BYTES ? null : new DataView(prefix.buffer).getUint32(0)
    if (length === null) return yield at(refuse('transcript-truncated', `at byte ${byte + prefix.byteLength}`))
    if (length === 0 || length > TRANSCRIPT_ITEM_MAX_BYTES) {
      return yield at(refuse('transcript-malformed', `an item of ${length} bytes at byte ${byte}`))
    }
    const frame = await source.take(length)
    if (frame.byteLength < length) {
      return yield at(refuse('transcript-truncated', `at byte ${byte + PREFIX_BYTES + frame.byteLength}`))
    }
    const read = transcriptItemCodec.decode(frame)
    const content = isRefusal(read) ? refuse('transcript-malformed', read.detail) : read
    const before = digest.copy()
    yield at(content, () => new Uint8Array(before.digest()))
    digest.update(prefix).update(frame)
    byte += PREFIX_BYTES + length
    item++
  }
}

/** Bytes in the lengths that are asked for; fewer only at the end. No more is in memory than what was announced. */
const createSource = (pieces: AsyncIterable<Uint8Array>) => {
  const incoming = pieces[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array()
  return {
    /** @returns bytes of their own */
    take: async (length: number): Promise<Uint8Array<ArrayBuffer>> => {
      const parts: Uint8Array[] = []
      let missing = length
      while (missing > 0) {
        if (rest.byteLength === 0) {
          const next = await incoming.next()
          if (next.done === true) break
          rest = next.value
        }
        const some = rest.subarray(0, missing)
        parts.push(some)
        rest = rest.subarray(some.byteLength)
        missing -= some.byteLength
      }
      return new Uint8Array(concat(parts))
    },
  }
}
