import { SERIAL_MAX_BYTES } from '../limits.ts'
import { type Cursor, enter, leave, malformed, TAG } from './der.ts'
import { generalizedTimeOf, positiveFrom, timeOf } from './der-value.ts'

// One entry of a revocation list (RFC 5280 §5.1.2.6, §5.3), read and written with no object an element: there may be
// 100,000 of them.

/** RFC 5280 §5.3.1, by their numbers. 7 is not used, and 8 takes an entry back, in lists of changes alone. */
const REASONS = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  null,
  null,
  'privilegeWithdrawn',
  'aACompromise',
] as const

export type Reason = NonNullable<(typeof REASONS)[number]>

export type RevocationEntry = {
  /** Lower-case hex, without leading zero bytes. */
  readonly serial: string
  /** Milliseconds since the Unix epoch; a list keeps whole seconds. */
  readonly date: number
  readonly reason: Reason
}

/** An entry as it stands in a list: where its serial number begins and ends, and what else it says. */
export type ReadEntry = Omit<RevocationEntry, 'serial'> & { readonly from: number; readonly to: number }

/** The longest that `writeEntry` writes. */
export const ENTRY_MAX_BYTES = 2 + (2 + SERIAL_MAX_BYTES + 1) + (2 + 15) + 14

/** @throws inside `readDer` only */
export const readEntry = (cursor: Cursor): ReadEntry => {
  const { bytes } = cursor
  const end = enter(cursor, TAG.sequence)
  const to = enter(cursor, TAG.integer)
  if (to - cursor.at > SERIAL_MAX_BYTES) malformed('a serial number is too long')
  const from = positiveFrom(bytes, cursor.at, to)
  cursor.at = to
  const tag = bytes[to] ?? 0
  const dateEnd = enter(cursor, tag)
  const date = timeOf(tag, bytes, cursor.at, dateEnd)
  cursor.at = dateEnd
  const reason = dateEnd < end ? readExtensions(cursor) : 'unspecified'
  leave(cursor, end)
  return { from, to, date, reason }
}

/** Where the entry begins whose serial number begins at `from`: no entry that is read needs a length of more octets. */
export const entryStart = (bytes: Uint8Array, from: number): number => from - (bytes[from - 1] === 0 ? 5 : 4)

// The last octets of 2.5.29.21 and 2.5.29.24: a reason, and since when the key was in doubt, which nobody here asks.
const REASON_CODE = 0x15
const INVALIDITY_DATE = 0x18

/** RFC 5280 §5.3: at least one, each once, none of them critical. */
const readExtensions = (cursor: Cursor): Reason => {
  const end = enter(cursor, TAG.sequence)
  let reason: Reason | undefined
  let dated = false
  do {
    const endOfOne = enter(cursor, TAG.sequence)
    const type = readType(cursor)
    const endOfValue = enter(cursor, TAG.octets)
    if (type === REASON_CODE && reason === undefined) {
      reason = readReason(cursor)
    } else if (type === INVALIDITY_DATE && !dated) {
      dated = readInvalidityDate(cursor)
    } else malformed('an entry has an unknown extension, or one twice')
    leave(cursor, endOfValue)
    leave(cursor, endOfOne)
  } while (cursor.at < end)
  leave(cursor, end)
  return reason ?? 'unspecified'
}

const readType = (cursor: Cursor): number => {
  const { bytes } = cursor
  const end = enter(cursor, TAG.oid)
  const isStandard = end - cursor.at === 3 && bytes[cursor.at] === 0x55 && bytes[cursor.at + 1] === 0x1d
  cursor.at = end
  return isStandard ? (bytes[end - 1] ?? 0) : malformed('an entry has an unknown extension')
}

const readReason = (cursor: Cursor): Reason => {
  const end = enter(cursor, TAG.enumerated)
  const reason = end - cursor.at === 1 ? REASONS[cursor.bytes[cursor.at] ?? 7] : undefined
  cursor.at = end
  return reason ?? malformed('there is no such reason')
}

const readInvalidityDate = (cursor: Cursor): true => {
  const end = enter(cursor, TAG.generalizedTime)
  generalizedTimeOf(cursor.bytes, cursor.at, end)
  cursor.at = end
  return true
}

/**
 * Writes the entry at `at`, in canonical DER; `unspecified` by saying nothing, as §5.3.1 asks.
 * @returns where it ends
 */
export const writeEntry = (buffer: Buffer, at: number, { serial, date, reason }: RevocationEntry): number => {
  let end = at + 2
  const digits = serial.length / 2
  const padding = Number.parseInt(serial.slice(0, 2), 16) >= 0x80 ? 1 : 0
  buffer[end++] = TAG.integer
  buffer[end++] = digits + padding
  if (padding === 1) buffer[end++] = 0
  end += buffer.write(serial, end, 'hex')
  end = writeTime(buffer, end, date)
  const code = REASONS.indexOf(reason)
  if (code > 0) {
    REASON_EXTENSION.copy(buffer, end)
    end += REASON_EXTENSION.byteLength
    buffer[end++] = code
  }
  buffer[at] = TAG.sequence
  buffer[at + 1] = end - at - 2
  return end
}

// A SEQUENCE of one extension: 2.5.29.21, and an OCTET STRING of an ENUMERATED, whose one byte follows.
const REASON_EXTENSION = Buffer.from('300c300a0603551d1504030a01', 'hex')

/** UTCTime through 2049, GeneralizedTime from 2050. */
const writeTime = (buffer: Buffer, at: number, ms: number): number => {
  const date = new Date(ms)
  const year = date.getUTCFullYear()
  const generalized = year >= 2050
  buffer[at] = generalized ? TAG.generalizedTime : TAG.utcTime
  buffer[at + 1] = generalized ? 15 : 13
  let end = at + 2
  if (generalized) end = writeTwo(buffer, end, Math.floor(year / 100))
  end = writeTwo(buffer, end, year % 100)
  end = writeTwo(buffer, end, date.getUTCMonth() + 1)
  end = writeTwo(buffer, end, date.getUTCDate())
  end = writeTwo(buffer, end, date.getUTCHours())
  end = writeTwo(buffer, end, date.getUTCMinutes())
  end = writeTwo(buffer, end, date.getUTCSeconds())
  buffer[end] = 0x5a // Z
  return end + 1
}

/** Two decimal digits. */
const writeTwo = (buffer: Buffer, at: number, value: number): number => {
  buffer[at] = 0x30 + Math.floor(value / 10)
  buffer[at + 1] = 0x30 + (value % 10)
  return at + 2
}
