import { z } from 'zod'
import { readCbor } from './cbor-reader.ts'
import { writeCbor } from './cbor-writer.ts'
import { isRefusal, type Refusal, refuse } from './errors.ts'

/** One message type: its shape, and its largest size on the wire. */
export type Codec<T> = {
  encode(value: T): Uint8Array
  /** The value, or a refusal `frame-too-large` or `frame-malformed`; never throws. */
  decode(bytes: Uint8Array): T | Refusal
  /** One to `maxItems` values, one behind the other (a CBOR sequence, RFC 8742); as `decode`, or the first one's refusal. */
  decodeSequence(bytes: Uint8Array, maxItems: number): readonly T[] | Refusal
}

/**
 * Deterministic CBOR on the way out, strict CBOR and a shape on the way in.
 * @param maxBytes the largest encoding that is looked at
 */
export const codec = <T>(shape: z.ZodType<T>, maxBytes: number): Codec<T> => {
  /** The first value, and the bytes behind it. */
  const take = (bytes: Uint8Array): { readonly value: T; readonly rest: Uint8Array } | Refusal => {
    try {
      const { value, end } = readCbor(plain(bytes))
      const parsed = shape.safeParse(value)
      return parsed.success
        ? { value: parsed.data, rest: bytes.subarray(end) }
        : refuse('frame-malformed', describe(parsed.error))
    } catch (cause) {
      return refuse('frame-malformed', cause instanceof Error ? cause.message : String(cause))
    }
  }
  const tooLarge = (length: number, max: number): Refusal | null =>
    length > max ? refuse('frame-too-large', `${length} bytes, at most ${max}`) : null
  return {
    encode: (value) => writeCbor(value),
    decode: (bytes) => {
      const taken = tooLarge(bytes.byteLength, maxBytes) ?? take(bytes)
      if (isRefusal(taken)) return taken
      return taken.rest.byteLength === 0 ? taken.value : refuse('frame-malformed', 'bytes behind the end')
    },
    decodeSequence: (bytes, maxItems) => {
      const values: T[] = []
      let rest = bytes
      do {
        const taken = values.length < maxItems ? take(rest) : refuse('frame-malformed', `more than ${maxItems} values`)
        if (isRefusal(taken)) return taken
        const oversized = tooLarge(rest.byteLength - taken.rest.byteLength, maxBytes)
        if (oversized !== null) return oversized
        values.push(taken.value)
        rest = taken.rest
      } while (rest.byteLength > 0)
      return values
    },
  }
}

/** Bytes of exactly `length`, or of at most `{ max }`. */
export const bytes = (length: number | { readonly max: number }): z.ZodType<Uint8Array> =>
  z.custom<Uint8Array>(
    (value) =>
      value instanceof Uint8Array &&
      (typeof length === 'number' ? value.byteLength === length : value.byteLength <= length.max),
    typeof length === 'number' ? `expected ${length} bytes` : `expected at most ${length.max} bytes`,
  )

/** A whole number from 0 to 2^53 − 1. */
export const count = (): z.ZodType<number> => z.int().nonnegative()

const describe = (error: z.ZodError): string =>
  error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'message'}: ${issue.message}`)
    .join('; ')

/** A Buffer's own `slice` shares its memory; a plain array's does not. */
const plain = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
