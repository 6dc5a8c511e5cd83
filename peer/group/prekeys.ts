import { sha256 } from '../../shared/ids.ts'
import { PREKEY_ERASE_MS, PREKEY_LIFETIME_MS } from '../../shared/limits.ts'

/** A device's short-lived HPKE public key, as its signed prekey record carries it. */
export type Prekey = {
  /** 8 bytes: `prekeyIdOf(publicKey)`. */
  readonly id: Uint8Array
  /** Which HPKE suite the key is for; `SUITE` of boxes.ts is the one that we know. */
  readonly suite: number
  readonly publicKey: Uint8Array
  /** Milliseconds since the Unix epoch, by the clock of the device that made it. */
  readonly created: number
}

/** A rotated prekey's secret stays until its boxes have had time to arrive. */
export type PrekeyAge = Pick<Prekey, 'created'>

const PREKEY_ID_BYTES = 8

/** The first 8 bytes of SHA-256: enough to pick one key of one device, and no trust rests on it. */
export const prekeyIdOf = (publicKey: Uint8Array): Uint8Array => sha256(publicKey).subarray(0, PREKEY_ID_BYTES)

/** Whether a fresh prekey is due: after a lifetime, or when the clock was set back past the key's making. */
export const prekeyRotationDue = (prekey: PrekeyAge, now: number): boolean =>
  now >= prekey.created + PREKEY_LIFETIME_MS || now < prekey.created

/** Whether the secret of a prekey that was rotated at `rotatedAt` (ms) is to be erased: the grain of forward secrecy. */
export const prekeyErasureDue = (rotatedAt: number, now: number): boolean => now >= rotatedAt + PREKEY_ERASE_MS
