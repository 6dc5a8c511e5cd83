import { encode as cborEncode, decodeFirst, rfc8949EncodeOptions, type Token, Tokenizer } from 'cborg'
import { z } from 'zod'
import { isRefusal, type Refusal, refuse } from './errors.ts'

/** One message type: its shape, and its largest size on the wire. */
export type Codec<T> = {
  encode(value: T): Uint8Array
  /** The value, or a refusal `frame-too-large` or `frame-malformed`; never throws. */
  decode(bytes: Uint8Array): T | Refusal
  /** One to `maxItems` values, one behind the other (a CBOR sequence, RFC 8742); as `decode`, or the first one's refusal. */
  decodeSequence(bytes: Uint8Array, maxItems: number): readonly T[] | Refusal
}

// RFC 8949 §4.2.1 as far as the decoder can hold it: shortest lengths, no indefinite items, no duplicate keys, no tags,
// no floats, which nothing here needs and which could write a whole number in a second way, and no text that is not UTF-8
// to the byte, which would be read as something else than was written.
// The order of keys is not checked, and need not be: signatures cover the bytes as sent, never a re-encoding.
const STRICT = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
  tags: [],
  retainStringBytes: true,
}

class Strict extends Tokenizer {
  override next(): Token {
    const head = this.data[this.pos()] ?? 0
    if (head >= FLOAT_16 && head <= FLOAT_64) throw new Error('a float')
    const token = super.next()
    if (head >> 5 === TEXT && token.byteValue !== undefined && !isUtf8Of(token.value, token.byteValue)) {
      throw new Error('text that is not UTF-8')
    }
    return token
  }
}
// RFC 8949 §3.3: major type 7, additional information 25 to 27.
const FLOAT_16 = 0xf9
const FLOAT_64 = 0xfb
// RFC 8949 §3.1: major type 3.
const TEXT = 3

// The decoder writes U+FFFD for what it can't read, and drops a byte order mark.
const isUtf8Of = (text: unknown, written: Uint8Array): boolean =>
  typeof text === 'string' && (isAsciiOf(text, written) || Buffer.compare(Buffer.from(text), written) === 0)
/** Of a key or a name: no bytes are made to compare with. */
const isAsciiOf = (text: string, written: Uint8Array): boolean => {
  if (text.length !== written.byteLength || text.length > SHORT_TEXT) return false
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x80 || unit !== written[at]) return false
  }
  return true
}
const SHORT_TEXT = 64

/**
 * Deterministic CBOR on the way out, strict CBOR and a shape on the way in.
 * @param maxBytes the largest encoding that is looked at
 */
export const codec = <T>(shape: z.ZodType<T>, maxBytes: number): Codec<T> => {
  /** The first value, and the bytes behind it. */
  const take = (bytes: Uint8Array): { readonly value: T; readonly rest: Uint8Array } | Refusal => {
    try {
      const tokenizer = new Strict(plain(bytes), STRICT)
      const [value, rest] = decodeFirst(bytes, { ...STRICT, tokenizer })
      const parsed = shape.safeParse(value)
      return parsed.success ? { value: parsed.data, rest } : refuse('frame-malformed', describe(parsed.error))
    } catch (cause) {
      return refuse('frame-malformed', cause instanceof Error ? cause.message : String(cause))
    }
  }
  const tooLarge = (length: number, max: number): Refusal | null =>
    length > max ? refuse('frame-too-large', `${length} bytes, at most ${max}`) : null
  return {
    encode: (value) => cborEncode(value, rfc8949EncodeOptions),
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
