import { randomBytes } from 'node:crypto'

/** The only place that makes random bytes; everything else receives a `Random`. */
export type Random = {
  /** `length` bytes from a cryptographically secure source. */
  bytes(length: number): Uint8Array
}

/** The system's own source: programs hand it in. */
export const systemRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) }

/** The same list from another place on, each time: whoever takes the first few does not always take the same. */
export const rotated = <T>(list: readonly T[], random: Random): readonly T[] => {
  const [high = 0, low = 0] = random.bytes(2)
  const at = list.length === 0 ? 0 : (high * 256 + low) % list.length
  return [...list.slice(at), ...list.slice(0, at)]
}
