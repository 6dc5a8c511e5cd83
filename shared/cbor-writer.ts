/**
 * Writes a value as deterministic CBOR (RFC 8949 §4.2.1): shortest lengths, keys of maps in the order of their bytes. Values are
 * what `readCbor` reads: null, booleans, whole numbers of at most 2^53 − 1, texts, byte strings, lists, and objects. What else
 * JavaScript has in the way of numbers, and `undefined`, is written so that every reader of ours refuses it.
 *
 * It writes what `cborg` would, at a third of its price: a device writes two such values for each message that it says or
 * serves. A test compares both.
 * @throws Error on what CBOR has no word for, as a function
 */
export const writeCbor = (value: unknown): Uint8Array => {
  const writer = { bytes: new Uint8Array(FIRST_BYTES), at: 0 }
  write(writer, value)
  return writer.bytes.slice(0, writer.at)
}

type Writer = { bytes: Uint8Array; at: number }

const FIRST_BYTES = 512 // a record of a short message is twice that

const write = (writer: Writer, value: unknown): void => {
  if (typeof value === 'number') number(writer, value)
  else if (typeof value === 'string') text(writer, value)
  else if (typeof value === 'boolean') head(writer, SIMPLE, value ? TRUE : FALSE)
  else if (value === null) head(writer, SIMPLE, NULL)
  else if (value === undefined) head(writer, SIMPLE, UNDEFINED)
  else if (typeof value === 'object') several(writer, value)
  else throw new Error(`a ${typeof value} in a message`)
}

// RFC 8949 §3.1, §3.3
const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const SIMPLE = 7
const FALSE = 20
const TRUE = 21
const NULL = 22
const UNDEFINED = 23
const FLOAT_64 = 27

const number = (writer: Writer, value: number): void => {
  if (Number.isInteger(value)) {
    if (value < 0) head(writer, NEGATIVE, -1 - value)
    else head(writer, UNSIGNED, value)
    return
  }
  room(writer, 9)
  const { buffer } = writer.bytes
  new DataView(buffer).setUint8(writer.at, (SIMPLE << 5) | FLOAT_64)
  new DataView(buffer).setFloat64(writer.at + 1, value)
  writer.at += 9
}

const several = (writer: Writer, value: object): void => {
  if (value instanceof Uint8Array) {
    head(writer, BYTES, value.byteLength)
    room(writer, value.byteLength)
    writer.bytes.set(value, writer.at)
    writer.at += value.byteLength
  } else if (Array.isArray(value)) {
    head(writer, ARRAY, value.length)
    for (const item of value) write(writer, item)
  } else {
    const fields = Object.entries(value).sort(byKey)
    head(writer, MAP, fields.length)
    for (const [key, field] of fields) {
      text(writer, key)
      write(writer, field)
    }
  }
}

/** RFC 8949 §4.2.1: by the bytes of the encoded keys, of which the first say how long a key is. */
const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => {
  if (!isPlain(a) || !isPlain(b))
    return Buffer.byteLength(a) - Buffer.byteLength(b) || Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a.length - b.length || (a < b ? -1 : 1)
}

/** Makes room for so many more bytes. */
const room = (writer: Writer, length: number): void => {
  const needed = writer.at + length
  if (needed <= writer.bytes.byteLength) return
  const larger = new Uint8Array(Math.max(needed + FIRST_BYTES, 2 * writer.bytes.byteLength))
  larger.set(writer.bytes.subarray(0, writer.at))
  writer.bytes = larger
}

/** RFC 8949 §3: the argument in the head itself, or in the fewest of 1, 2, 4 or 8 bytes behind it. */
const head = (writer: Writer, major: number, argument: number): void => {
  room(writer, 9)
  const { bytes } = writer
  const first = major << 5
  if (argument < 24) {
    bytes[writer.at++] = first | argument
    return
  }
  const size = argument < 2 ** 8 ? 0 : argument < 2 ** 16 ? 1 : argument < 2 ** 32 ? 2 : 3
  const length = 1 << size
  bytes[writer.at++] = first | (24 + size)
  let rest = argument
  for (let at = writer.at + length - 1; at >= writer.at; at--) {
    bytes[at] = rest % 256
    rest = Math.floor(rest / 256)
  }
  writer.at += length
}

const SHORT_TEXT = 24 // characters: a key, a kind; past that the call of an encoder is cheaper

const text = (writer: Writer, value: string): void => {
  if (value.length <= SHORT_TEXT && isPlain(value)) {
    head(writer, TEXT, value.length)
    room(writer, value.length)
    for (let at = 0; at < value.length; at++) writer.bytes[writer.at++] = value.charCodeAt(at)
    return
  }
  const length = Buffer.byteLength(value)
  head(writer, TEXT, length)
  room(writer, length)
  utf8.encodeInto(value, writer.bytes.subarray(writer.at))
  writer.at += length
}

const utf8 = new TextEncoder()

const isPlain = (value: string): boolean => {
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) >= 0x80) return false
  return true
}
