import { isUtf8 } from 'node:buffer'

/** The first value of some bytes, and where it ends. */
export type First = { readonly value: unknown; readonly end: number }

/**
 * Reads one value of deterministic CBOR (RFC 8949 §4.2.1) as far as a reader can hold a writer to it: shortest lengths, no
 * indefinite items, no duplicate keys, no tags, no floats, which nothing here needs and which could write a whole number in a
 * second way, no simple values but false, true and null, whole numbers up to 2^53 − 1, and no text that is not UTF-8 to the
 * byte. Keys of maps are texts. Their order is not checked, and need not be: signatures cover the bytes as sent.
 *
 * It reads what `cborg` would, and refuses what that would, at a quarter of its price: a device reads four such values for each
 * message of others. A test compares both. Byte strings are copied, so that none keeps the memory of a whole frame.
 * @throws Error with what is wrong
 */
export const readCbor = (bytes: Uint8Array): First => {
  const reader = { bytes, at: 0 }
  const value = read(reader, 0)
  return { value, end: reader.at }
}

type Reader = { readonly bytes: Uint8Array; at: number }

const read = (reader: Reader, depth: number): unknown => {
  const head = byteOf(reader)
  const major = head >> 5
  if (major === SIMPLE) return simple(head)
  const argument = argumentOf(reader, head & 0x1f)
  switch (major) {
    case UNSIGNED:
      return argument
    case NEGATIVE:
      if (argument >= Number.MAX_SAFE_INTEGER) throw new Error('a number below −(2^53 − 1)')
      return -1 - argument
    case BYTES:
      return reader.bytes.slice(reader.at, advance(reader, argument))
    case TEXT:
      return text(reader, argument)
    case ARRAY:
      return array(reader, argument, deeper(depth))
    case MAP:
      return map(reader, argument, deeper(depth))
    default:
      throw new Error('a tag')
  }
}

// RFC 8949 §3.1
const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const SIMPLE = 7

const DEPTH_MAX = 64 // no message goes deeper than 6; and none may overflow our stack

const deeper = (depth: number): number => {
  if (depth >= DEPTH_MAX) throw new Error('nested too deeply')
  return depth + 1
}

const byteOf = (reader: Reader): number => {
  const byte = reader.bytes[reader.at++]
  if (byte === undefined) throw new Error('it ends too early')
  return byte
}

/** Moves past the next `length` bytes. @returns where they end */
const advance = (reader: Reader, length: number): number => {
  if (length > reader.bytes.byteLength - reader.at) throw new Error('it ends too early')
  reader.at += length
  return reader.at
}

/** RFC 8949 §3: in the head itself, or in the 1, 2, 4 or 8 bytes behind it; never in more than it takes. */
const argumentOf = (reader: Reader, low: number): number => {
  if (low < 24) return low
  if (low > 27) throw new Error('an indefinite length, or a reserved one')
  let value = 0
  for (let left = 1 << (low - 24); left > 0; left--) value = value * 256 + byteOf(reader)
  if (value < (LEAST[low - 24] ?? 0)) throw new Error('a length that is longer than it needs to be')
  if (value > Number.MAX_SAFE_INTEGER) throw new Error('a number above 2^53 − 1')
  return value
}

const LEAST = [24, 2 ** 8, 2 ** 16, 2 ** 32] // what does not fit into fewer bytes

const simple = (head: number): unknown => {
  if (head === 0xf4) return false
  if (head === 0xf5) return true
  if (head === 0xf6) return null
  throw new Error('a float, or another simple value than false, true and null')
}

const text = (reader: Reader, length: number): string => {
  const from = reader.at
  const end = advance(reader, length)
  if (length <= SHORT_TEXT) {
    let plain = ''
    for (let at = from; at < end; at++) {
      const byte = reader.bytes[at] ?? 0x80
      if (byte >= 0x80) return longText(reader.bytes.subarray(from, end))
      plain += String.fromCharCode(byte)
    }
    return plain
  }
  return longText(reader.bytes.subarray(from, end))
}

const SHORT_TEXT = 24 // bytes: a key, a kind; past that the call of a decoder is cheaper

const longText = (bytes: Uint8Array): string => {
  if (!isUtf8(bytes)) throw new Error('text that is not UTF-8')
  // A byte order mark would be read as something else than was written, by one reader or another.
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) throw new Error('text with a byte order mark')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

const array = (reader: Reader, length: number, depth: number): unknown[] => {
  // Each item takes a byte at least: nobody makes us reserve more than was sent.
  if (length > reader.bytes.byteLength - reader.at) throw new Error('it ends too early')
  const items: unknown[] = []
  for (let count = 0; count < length; count++) items.push(read(reader, depth))
  return items
}

const map = (reader: Reader, length: number, depth: number): Record<string, unknown> => {
  const fields: Record<string, unknown> = {}
  for (let count = 0; count < length; count++) {
    const head = byteOf(reader)
    if (head >> 5 !== TEXT) throw new Error('a key that is no text')
    const key = text(reader, argumentOf(reader, head & 0x1f))
    if (key === '__proto__') throw new Error('a key that no message has') // to set it would set no field
    if (Object.hasOwn(fields, key)) throw new Error(`the key ${key} twice`)
    fields[key] = read(reader, depth)
  }
  return fields
}
