import { randomBytes } from 'node:crypto'

/** The only place that makes random bytes; everything else receives a `Random`. */
export type Random = {
  /** `length` bytes from a cryptographically secure source. */
  bytes(length: number): Uint8Array
}

/** The system's own source: programs hand it in. */
export const systemRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) }
