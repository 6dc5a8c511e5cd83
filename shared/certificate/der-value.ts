import { toHex } from '../ids.ts'
import { content, type Element, malformed, TAG } from './der.ts'

// The values of primitive elements. All throw `malformed`, inside `readDer` only.

/** In dotted form; X.690 §8.19: no arc begins with an octet 80. */
export const readOid = (item: Element | undefined): string => {
  const bytes = content(item, TAG.oid)
  if (bytes.byteLength === 0 || (bytes.at(-1) ?? 0) >= 0x80) malformed('an object identifier breaks off')
  const arcs: number[] = []
  let arc = 0
  for (const byte of bytes) {
    if (arc === 0 && byte === 0x80) malformed('not a canonical object identifier')
    arc = arc * 128 + (byte & 0x7f)
    if (!Number.isSafeInteger(arc)) malformed('an arc of an object identifier is too large')
    if (byte >= 0x80) continue
    if (arcs.length === 0) {
      const top = Math.min(Math.floor(arc / 40), 2)
      arcs.push(top)
      arc -= top * 40
    }
    arcs.push(arc)
    arc = 0
  }
  return arcs.join('.')
}

/** A BIT STRING of whole bytes. */
export const readBits = (item: Element | undefined): Uint8Array => {
  const bytes = content(item, TAG.bits)
  return bytes[0] === 0 ? bytes.subarray(1) : malformed('expected a bit string of whole bytes')
}

/** A BIT STRING of named bits (X.690 §11.2.2: no zero bit at its end), its bit 0 as 1; at least one is set, at most 16. */
export const readNamedBits = (item: Element | undefined): number => {
  const [unused = 8, ...bytes] = content(item, TAG.bits)
  const last = bytes.at(-1) ?? 0
  if (bytes.length > 2 || unused > 7 || Math.clz32(last & -last) !== 31 - unused) {
    return malformed('named bits are not as DER writes them')
  }
  return bytes.reduce((bits, byte, at) => bits | (reversed(byte) << (8 * at)), 0)
}

const reversed = (byte: number): number => {
  let bits = 0
  for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) bits |= 1 << bit
  return bits
}

/** A positive INTEGER (X.690 §8.3.2: in the fewest octets), without leading zero bytes. */
export const readPositive = (item: Element | undefined): Uint8Array => {
  const bytes = content(item, TAG.integer)
  return bytes.subarray(positiveFrom(bytes, 0, bytes.byteLength))
}

/** Where the digits of the positive INTEGER begin whose content is from `from` to `to`. */
export const positiveFrom = (bytes: Uint8Array, from: number, to: number): number => {
  const first = from < to ? (bytes[from] ?? 0) : 0x80
  if (first >= 0x80) malformed('expected a positive integer')
  if (first > 0) return from
  if (from + 1 === to || (bytes[from + 1] ?? 0) < 0x80) malformed('an integer of zero, or in more octets than needed')
  return from + 1
}

/** A positive INTEGER that a number holds exactly. */
export const readCount = (item: Element | undefined): number => {
  const count = Number(`0x${toHex(readPositive(item))}`)
  return Number.isSafeInteger(count) ? count : malformed('a number is too large')
}

/** An INTEGER from 0 on that a number holds exactly. */
export const readNatural = (item: Element | undefined): number => {
  const bytes = content(item, TAG.integer)
  return bytes.byteLength === 1 && bytes[0] === 0 ? 0 : readCount(item)
}

/** A BOOLEAN that stands: X.690 §11.5 leaves a default out, which in X.509 is always FALSE, and §11.1 writes TRUE as ff. */
export const readTrue = (item: Element | undefined): true => {
  const bytes = content(item, TAG.boolean)
  return bytes.byteLength === 1 && bytes[0] === 0xff ? true : malformed('a boolean is not as DER writes it')
}

/** Milliseconds since the Unix epoch. RFC 5280 §4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050, seconds, Z. */
export const readTime = (item: Element | undefined): number => {
  if (item === undefined) return malformed('a time is missing')
  return timeOf(item.tag, item.body, 0, item.body.byteLength)
}

/** The time of that tag whose content is from `from` to `to`. */
export const timeOf = (tag: number, bytes: Uint8Array, from: number, to: number): number => {
  if (tag === TAG.generalizedTime) {
    const ms = generalizedTimeOf(bytes, from, to)
    return ms >= YEAR_2050 ? ms : malformed(NO_TIME)
  }
  if (tag !== TAG.utcTime) malformed('expected a time')
  const short = two(bytes, from)
  return momentOf(bytes, short + (short < 50 ? 2000 : 1900), from + 2, to)
}

/** A GeneralizedTime, in any year. */
export const generalizedTimeOf = (bytes: Uint8Array, from: number, to: number): number =>
  momentOf(bytes, two(bytes, from) * 100 + two(bytes, from + 2), from + 4, to)

/** Month, day, hours, minutes, seconds, Z. */
const momentOf = (bytes: Uint8Array, year: number, from: number, to: number): number => {
  if (to - from !== 11 || bytes[to - 1] !== 0x5a) malformed(NO_TIME)
  const month = two(bytes, from)
  const day = two(bytes, from + 2)
  const hours = two(bytes, from + 4)
  const minutes = two(bytes, from + 6)
  const seconds = two(bytes, from + 8)
  const exists = day >= 1 && day <= daysOf(year, month) && hours < 24 && minutes < 60 && seconds < 60
  if (!exists) malformed(NO_TIME)
  return (((daysBefore(year, month) + day - 1) * 24 + hours) * 60 + minutes) * 60_000 + seconds * 1_000
}

/** Days from 1 January 1970; by hand, since Date.UTC takes longer than all the rest of reading an entry of a list. */
const daysBefore = (year: number, month: number): number => {
  const before = year - 1
  const leapDays = Math.floor(before / 4) - Math.floor(before / 100) + Math.floor(before / 400) - LEAP_DAYS_BEFORE_1970
  const leapDay = month > 2 && isLeap(year) ? 1 : 0
  return (year - 1970) * 365 + leapDays + (DAYS_BEFORE[month] ?? 0) + leapDay
}
const LEAP_DAYS_BEFORE_1970 = 477
const DAYS_BEFORE = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

const YEAR_2050 = Date.UTC(2050, 0)
const NO_TIME = 'a time is not as RFC 5280 writes it'

/** Two decimal digits. */
const two = (bytes: Uint8Array, at: number): number => {
  const tens = (bytes[at] ?? 0) - 0x30
  const ones = (bytes[at + 1] ?? 0) - 0x30
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : malformed(NO_TIME)
}

const DAYS = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

const daysOf = (year: number, month: number): number => (month === 2 && isLeap(year) ? 29 : (DAYS[month] ?? 0))

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
