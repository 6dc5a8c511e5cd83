import { isRefusal, type Refusal } from '../../shared/errors.ts'
import { DEVICE_KEY_BITS } from '../../shared/limits.ts'

/**
 * Tries with a key of that size, and with longer ones where the CA asks for them: no newcomer can know beforehand.
 * @param attempt makes a key of so many bits, and enrols it
 */
export const enrolStrongEnough = async <T>(
  fromBits: number,
  attempt: (bits: number) => Promise<T | Refusal>,
): Promise<T | Refusal> => {
  const sizes = DEVICE_KEY_BITS.filter((bits) => bits >= fromBits)
  for (const bits of sizes) {
    const outcome = await attempt(bits)
    const tooWeak = isRefusal(outcome) && outcome.code === 'key-too-weak' && outcome.by === 'there'
    if (!tooWeak || bits === sizes.at(-1)) return outcome
  }
  throw new Error(`no key has ${fromBits} bits`)
}
