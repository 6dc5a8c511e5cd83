import { fromString } from 'uint8arrays/from-string'
import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import type { PeerId } from '../ids.ts'
import { CHALLENGE_MAX_BYTES } from '../limits.ts'

/**
 * What the CA seals to the key of a certificate request: RSA-OAEP (SHA-256, MGF1 with SHA-256) under `CHALLENGE_LABEL`.
 * The newcomer answers only when all of it fits its own request; else anybody could have it decrypt for them.
 * A map of 179 bytes in CBOR: RSA-2048 takes 190.
 */
export type ChallengeContext = {
  /** 32 random bytes: the answer. */
  readonly nonce: Uint8Array
  /** SHA-256 of the certificate request (DER). */
  readonly csr: Uint8Array
  /** PeerIds as bare multihashes, 34 bytes: in base58 the two would not fit. */
  readonly newcomer: Uint8Array
  readonly ca: Uint8Array
  /** Milliseconds since the Unix epoch, by the CA's clock: for the CA's eyes. */
  readonly expiry: number
}

/** The OAEP label (RFC 8017 §7.1), in ASCII: what was sealed for anything else does not open as a challenge. */
export const CHALLENGE_LABEL = 'lanyard challenge 1'

/** At most the 190 bytes that RSA-2048 takes. */
export const challengeCodec = codec<ChallengeContext>(
  z.strictObject({ nonce: bytes(32), csr: bytes(32), newcomer: bytes(34), ca: bytes(34), expiry: count() }),
  CHALLENGE_MAX_BYTES,
)

/** The multihash of an RSA key's PeerId, 34 bytes. */
export const multihashOf = (peer: PeerId): Uint8Array => fromString(peer, 'base58btc')
