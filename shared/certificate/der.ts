import { type Code, type Refusal, refuse } from '../errors.ts'
import { CERTIFICATE_MAX_BYTES } from '../limits.ts'

// A reader of DER (X.690) that takes one encoding of each value and no other. Nothing is copied: what it gives are views.

/** One element: its identifier octet, its whole encoding, and what is inside. */
export type Element = { readonly tag: number; readonly der: Uint8Array; readonly body: Uint8Array }

/** Where a reader stands. For long lists, where an object an element would cost more than the reading. */
export type Cursor = { readonly bytes: Uint8Array; at: number }

// Identifier octets (X.690 §8.1.2).
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** [n] around a whole element, or in place of a constructed one's own tag. */
  explicit: (n: number) => 0xa0 | n,
  /** [n] in place of a primitive element's own tag. */
  implicit: (n: number) => 0x80 | n,
} as const

/**
 * Reads one element that fills `der`, or refuses with `code`; never throws, whatever the bytes and whatever `read` meets.
 * @param read takes the element apart by the functions below, which throw what becomes the refusal's detail
 */
export const readDer = <T>(
  der: Uint8Array,
  code: Code,
  read: (root: Element) => T,
  maxBytes = CERTIFICATE_MAX_BYTES,
): T | Refusal => {
  if (der.byteLength > maxBytes) return refuse(code, `${der.byteLength} bytes, at most ${maxBytes}`)
  try {
    return read(onlyElement(der))
  } catch (cause) {
    return refusalFor(code, cause)
  }
}

/** What `malformed` threw, for those who read without `readDer`. */
export const refusalFor = (code: Code, cause: unknown): Refusal =>
  refuse(code, cause instanceof Error ? cause.message : String(cause))

/** @throws inside `readDer` only, as all below do: its message is the refusal's detail */
export const malformed = (what: string): never => {
  throw new Error(what)
}

/** The element that these bytes are, with none left over. */
export const onlyElement = (bytes: Uint8Array): Element => {
  const cursor = { bytes, at: 0 }
  const element = next(cursor)
  return cursor.at === bytes.byteLength ? element : malformed('bytes after the end')
}

export const expect = (item: Element | undefined, tag: number): Element =>
  item?.tag === tag ? item : malformed(`expected an element of tag ${tag}`)

/** The elements in a constructed element: exactly `length` of them, or from its first number to its second, when given. */
export const children = (
  item: Element | undefined,
  tag: number,
  length: number | readonly [least: number, most: number] = [0, Number.POSITIVE_INFINITY],
): readonly Element[] => {
  const [least, most] = typeof length === 'number' ? [length, length] : length
  const cursor = { bytes: expect(item, tag).body, at: 0 }
  const found: Element[] = []
  while (cursor.at < cursor.bytes.byteLength) {
    // Not one more is read: millions would fit into a revocation list.
    if (found.length === most) return malformed(`expected ${most} elements at most`)
    found.push(next(cursor))
  }
  return found.length >= least ? found : malformed(`expected ${least} elements`)
}

/** The content of a primitive element. */
export const content = (item: Element | undefined, tag: number): Uint8Array => expect(item, tag).body

/**
 * Steps into the element that comes next.
 * @returns where its content ends; the cursor stands where it begins
 */
export const enter = (cursor: Cursor, tag: number): number => {
  if (cursor.bytes[cursor.at] !== tag) malformed(`expected an element of tag ${tag}`)
  return stepIn(cursor)
}

/** Steps out of an element that ends at `end`, all of which must have been read. */
export const leave = (cursor: Cursor, end: number): void => {
  if (cursor.at !== end) malformed('an element does not end where its last part does')
}

const next = (cursor: Cursor): Element => {
  const { bytes, at: start } = cursor
  // X.690 §8.1.2.4: tags from 31 on take more octets; nothing here has one.
  const tag = bytes[start] ?? 0
  if ((tag & 0x1f) === 0x1f || tag === 0) malformed('a tag that nothing here has')
  const end = stepIn(cursor)
  const { at: from } = cursor
  cursor.at = end
  return { tag, der: bytes.subarray(start, end), body: bytes.subarray(from, end) }
}

/** X.690 §10.1: definite lengths, in the fewest octets. */
const stepIn = (cursor: Cursor): number => {
  const { bytes } = cursor
  let at = cursor.at + 1
  let length = bytes[at++] ?? 0x80
  if (length >= 0x80) {
    const octets = length & 0x7f
    if (octets === 0 || octets > 4) malformed('an indefinite or immense length')
    length = 0
    for (let octet = 0; octet < octets; octet++) length = length * 256 + (bytes[at++] ?? 0)
    if (length < 0x80 || length < 256 ** (octets - 1)) malformed('a length in more octets than needed')
  }
  if (at + length > bytes.byteLength) malformed('an element is longer than what it is in')
  cursor.at = at
  return at + length
}
