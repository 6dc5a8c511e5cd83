import { fromString } from 'uint8arrays/from-string'
import { toString as toText } from 'uint8arrays/to-string'
import { type Refusal, refuse } from './errors.ts'
import { sha256 } from './ids.ts'

// 52 characters of base32 hold the pin's 256 bits; 4 more are the first 20 bits of a SHA-256 over it, so that one code in
// a million with a slip of the finger gets through. That one finds no CA, for its pin is nobody's.
const PIN_CHARACTERS = 52
const CHECK_CHARACTERS = 4
const GROUP = 4
const CHECK_LABEL = new TextEncoder().encode('lanyard network code 1\0')

/**
 * The network code that the CA's screen shows: 14 groups of 4 characters.
 * @param pin SHA-256 of the root's SubjectPublicKeyInfo, 32 bytes
 */
export const networkCode = (pin: Uint8Array): string =>
  (toText(pin, 'base32') + checkOf(pin)).replaceAll(new RegExp(`.{${GROUP}}(?=.)`, 'g'), '$&-')

/** The pin in a code as somebody typed it: case, blanks and hyphens do not matter. Or `code-malformed`; never throws. */
export const parseNetworkCode = (text: string): Uint8Array | Refusal => {
  const typed = text.toLowerCase().replaceAll(/[\s-]/g, '').replaceAll(/[018]/g, lookAlike)
  if (!/^[a-z2-7]*$/.test(typed)) return refuse('code-malformed', 'a character is none of a–z and 2–7')
  const wanted = PIN_CHARACTERS + CHECK_CHARACTERS
  if (typed.length !== wanted) return refuse('code-malformed', `${typed.length} characters, not ${wanted}`)
  const body = typed.slice(0, PIN_CHARACTERS)
  const pin = readBase32(body)
  if (pin === null || checkOf(pin) !== typed.slice(PIN_CHARACTERS)) {
    return refuse('code-malformed', 'the check characters do not match')
  }
  return pin
}

/** Null when one of the last character's 4 bits to spare is set: a pin has one spelling. */
const readBase32 = (text: string): Uint8Array | null => {
  try {
    return fromString(text, 'base32')
  } catch {
    return null
  }
}

const checkOf = (pin: Uint8Array): string => toText(sha256(CHECK_LABEL, pin), 'base32').slice(0, CHECK_CHARACTERS)

/** RFC 4648 §6 leaves 0, 1 and 8 out of base32, so they can only be slips for these. */
const lookAlike = (digit: string): string => ({ 0: 'o', 1: 'l', 8: 'b' })[digit] ?? digit
