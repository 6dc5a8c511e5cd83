import { z } from 'zod'
import type { Succession } from '../certificate/lineage.ts'
import { bytes, codec } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import {
  ADDRESS_MAX_CHARACTERS,
  ADDRESSES_MAX,
  CERTIFICATE_MAX_BYTES,
  DEVICE_KEY_MAX_BITS,
  ENROLMENT_MAX_BYTES,
  ENROLMENT_REQUEST_MAX_BYTES,
  INVITE_TOKEN_BYTES,
  PASSWORD_MAX_BYTES,
  SUCCESSIONS_MAX,
  USER_NAME_MAX,
} from '../limits.ts'
import { protocolId } from './protocol.ts'
import { successionShape } from './succession.ts'

/**
 * Enrolment, on one stream that the newcomer opens to the CA, in this order:
 * `begin` → `identity` → `request` → `challenge` → `answer` → `issued`.
 * A user's device may send `password` in the place of `request`; the CA answers `changed`.
 * Instead of any of them either side may send `refused`, and then closes the stream.
 */
export const enrolmentProtocol = (network: NetworkId): string => protocolId(network, 'enrol')

/** How the newcomer comes in. */
export type Door =
  /** A new user, with an invite's token of 16 bytes. */
  | { readonly kind: 'token'; readonly token: Uint8Array }
  /** A new user without an invite, where the CA's operator allows that. */
  | { readonly kind: 'register' }
  /** A further device of a user, with the password. */
  | { readonly kind: 'login' }
  /** A new certificate for the same key. Past RENEWAL_GRACE_MS after the end of the present one (DER), with the password. */
  | { readonly kind: 'renew'; readonly certificate: Uint8Array }
  /** A new key in the place of the one in this certificate (DER), which has signed the request: `signSuccession`. */
  | { readonly kind: 'rekey'; readonly certificate: Uint8Array; readonly proof: Uint8Array }

export type EnrolmentRequest = {
  readonly kind: 'request'
  /** PKCS#10 (RFC 2986), DER: its key is the one that the connection proved. */
  readonly csr: Uint8Array
  readonly user: string
  /** Empty where the door asks for none. */
  readonly password: string
  readonly door: Door
  /** Multiaddrs that the device will listen on: the CA tells them to those who join later, as a first place to look. */
  readonly addresses: readonly string[]
}

/** Another password for a user, who knows the present one, from a device of theirs. */
export type PasswordChange = {
  readonly kind: 'password'
  readonly user: string
  readonly password: string
  readonly newPassword: string
}

/** A device of the network, as the CA tells newcomers of it. */
export type DirectoryEntry = {
  /** DER. */
  readonly certificate: Uint8Array
  /** Where it said it would listen when it joined; a hint, and no more. */
  readonly addresses: readonly string[]
}

/** What the newcomer says. */
export type NewcomerMessage =
  | { readonly kind: 'begin' }
  | EnrolmentRequest
  | PasswordChange
  /** The challenge's nonce, 32 bytes, and the id that came beside it. */
  | { readonly kind: 'answer'; readonly id: Uint8Array; readonly nonce: Uint8Array }
  | { readonly kind: 'refused'; readonly code: string }

/** What the CA says. */
export type CaMessage =
  /** The network's first root and the CA's own certificate, DER, and how each later root followed. */
  | {
      readonly kind: 'identity'
      readonly root: Uint8Array
      readonly successions: readonly Succession[]
      readonly ca: Uint8Array
    }
  /** 16 random bytes, and a sealed `ChallengeContext`. */
  | { readonly kind: 'challenge'; readonly id: Uint8Array; readonly ciphertext: Uint8Array }
  | {
      readonly kind: 'issued'
      /** The newcomer's certificate, DER. */
      readonly certificate: Uint8Array
      /** The revocation list, DER, or null before the first. */
      readonly crl: Uint8Array | null
      /** The network's devices, the newest first; as many as a frame holds. */
      readonly directory: readonly DirectoryEntry[]
    }
  /** The password is another one now. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'refused'; readonly code: string }

const refused = z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) })
const certificate = bytes({ max: CERTIFICATE_MAX_BYTES })
// Twice what the rules allow: a name or password that is a little too long gets its own refusal, by the policy.
const user = z.string().max(2 * USER_NAME_MAX)
const password = z.string().max(2 * PASSWORD_MAX_BYTES)
const addresses = z.array(z.string().max(ADDRESS_MAX_CHARACTERS)).max(ADDRESSES_MAX)

/** At most 16 KiB. */
export const newcomerCodec = codec<NewcomerMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('begin') }),
    z.strictObject({
      kind: z.literal('request'),
      csr: certificate,
      user,
      password,
      door: z.discriminatedUnion('kind', [
        z.strictObject({ kind: z.literal('token'), token: bytes(INVITE_TOKEN_BYTES) }),
        z.strictObject({ kind: z.literal('register') }),
        z.strictObject({ kind: z.literal('login') }),
        z.strictObject({ kind: z.literal('renew'), certificate }),
        z.strictObject({ kind: z.literal('rekey'), certificate, proof: bytes({ max: DEVICE_KEY_MAX_BITS / 8 }) }),
      ]),
      addresses,
    }),
    z.strictObject({ kind: z.literal('password'), user, password, newPassword: password }),
    z.strictObject({ kind: z.literal('answer'), id: bytes(16), nonce: bytes(32) }),
    refused,
  ]),
  ENROLMENT_REQUEST_MAX_BYTES,
)

/** At most 1 MiB: `issued` carries the directory. */
export const caCodec = codec<CaMessage>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('identity'),
      root: certificate,
      successions: z.array(successionShape).max(SUCCESSIONS_MAX),
      ca: certificate,
    }),
    z.strictObject({ kind: z.literal('challenge'), id: bytes(16), ciphertext: bytes({ max: 512 }) }),
    z.strictObject({
      kind: z.literal('issued'),
      certificate,
      crl: bytes({ max: ENROLMENT_MAX_BYTES }).nullable(),
      directory: z.array(z.strictObject({ certificate, addresses })),
    }),
    z.strictObject({ kind: z.literal('changed') }),
    refused,
  ]),
  ENROLMENT_MAX_BYTES,
)
