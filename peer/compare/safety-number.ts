import { createHash } from 'node:crypto'
import type { UserName } from '../../shared/ids.ts'
import { FINGERPRINT_BYTES, FINGERPRINT_ROUNDS } from '../../shared/limits.ts'

// Signal's safety numbers: https://signal.org/docs/specifications/sesame/ leaves them to the application, and
// libsignal/rust/protocol/src/fingerprint.rs makes them so, version 0. A user's identity key is there the keys of all devices.

/** What one side of a comparison is: who, and by which keys. */
export type Party = {
  /** What names the user, beside whatever else must be the same on both sides. */
  readonly name: string
  /** One of each device, all of one length, in any order. */
  readonly keys: readonly Uint8Array[]
}

/** One side of a comparison, whoever looks: of what stands in the QR code these 32 bytes, of what people read 30 of them. */
export const fingerprintOf = ({ name, keys }: Party): Uint8Array => {
  const key = Buffer.concat(keys.toSorted((a, b) => Buffer.compare(a, b)))
  const id = Buffer.from(name)
  let hash = createHash('sha512').update(VERSION).update(key).update(id).update(key).digest()
  for (let round = 1; round < FINGERPRINT_ROUNDS; round++) hash = createHash('sha512').update(hash).update(key).digest()
  return new Uint8Array(hash.subarray(0, FINGERPRINT_BYTES))
}

const VERSION = new Uint8Array(2)

/** The number of two fingerprints, the same from either side: 12 groups of 5 digits, 2 × 30 digits, some 200 bits. */
export const safetyNumber = (one: Uint8Array, other: Uint8Array): readonly string[] => {
  const [first, second] = [groupsOf(one), groupsOf(other)].toSorted((a, b) => (a.join('') < b.join('') ? -1 : 1))
  return [...(first ?? []), ...(second ?? [])]
}

/** Six times five bytes, each as a number modulo 100,000. */
const groupsOf = (fingerprint: Uint8Array): readonly string[] =>
  Array.from({ length: GROUPS }, (_, at) => {
    const number = Buffer.from(fingerprint).readUIntBE(at * GROUP_BYTES, GROUP_BYTES)
    return String(number % 100_000).padStart(5, '0')
  })

const GROUPS = 6
const GROUP_BYTES = 5

/** The party that a user of a network is. @param keys the PeerIds of the devices, in bytes: each a hash of its public key */
export const partyOf = (network: string, user: UserName, keys: readonly Uint8Array[]): Party => ({
  name: `${network}/${user}`,
  keys,
})
