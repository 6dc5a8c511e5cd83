import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import {
  BOX_MAX_BYTES,
  BOXES_PER_RECORD,
  CERTIFICATE_MAX_BYTES,
  FILE_NAME_MAX_BYTES,
  MESSAGE_TEXT_MAX_BYTES,
  PREKEY_MAX_BYTES,
  REACTION_MAX,
  RECORD_MAX_BYTES,
} from '../limits.ts'

/** Body of a `device` record, in the directory room: the author's certificate and its newest prekey. */
export type DeviceBody = {
  /** DER. */
  readonly certificate: Uint8Array
  readonly prekey: {
    /** First 8 bytes of SHA-256 of the public key. */
    readonly id: Uint8Array
    /** HPKE suite number: 1 is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
    readonly suite: number
    /** As long as the suite says: 32 bytes of suite 1. A reader that does not know the suite seals nothing to it. */
    readonly publicKey: Uint8Array
    /** Milliseconds since the epoch. */
    readonly created: number
  }
}

/** Body of a `sender-key` record. One epoch may have several, for more boxes. */
export type SenderKeyBody = {
  readonly epoch: number
  /** SHA-256 over the sorted PeerIds that the epoch is sealed to so far. */
  readonly members: Uint8Array
  /** Commitment to the epoch's secret. */
  readonly commitment: Uint8Array
  readonly boxes: readonly {
    /** PeerId of the recipient. */
    readonly to: string
    /** Id of the prekey that the box is sealed to. */
    readonly prekey: Uint8Array
    /** enc ‖ ciphertext of the epoch's secret, by HPKE: of suite 1, 32 and 48 bytes. */
    readonly box: Uint8Array
  }[]
}

/** What a `message` record's body holds, once opened. */
export type MessageContent =
  | {
      readonly kind: 'text'
      readonly text: string
      /** Hash of the message that this one answers. */
      readonly reply?: Uint8Array | undefined
    }
  /** Takes the place of the text of an earlier message of the same user. */
  | { readonly kind: 'edit'; readonly of: Uint8Array; readonly text: string }
  /** Takes back an earlier message of the same user. */
  | { readonly kind: 'delete'; readonly of: Uint8Array }
  /** Adds (`on`) a reaction of this user to a message, or takes it off again. */
  | { readonly kind: 'reaction'; readonly of: Uint8Array; readonly emoji: string; readonly on: boolean }
  | {
      readonly kind: 'file'
      readonly name: string
      readonly size: number
      readonly type: string
      /** Of a folder: how many files are in it. */
      readonly files?: number | undefined
      /** AES-256 key of the file's chunks. */
      readonly key: Uint8Array
      /** SHA-256 of the manifest. */
      readonly manifest: Uint8Array
    }

/** At most 64 KiB, as the record around it. */
export const deviceBodyCodec = codec<DeviceBody>(
  z.strictObject({
    certificate: bytes({ max: CERTIFICATE_MAX_BYTES }),
    prekey: z.strictObject({
      id: bytes(8),
      suite: count(),
      publicKey: bytes({ max: PREKEY_MAX_BYTES }),
      created: count(),
    }),
  }),
  RECORD_MAX_BYTES,
)

/** At most 64 KiB, as the record around it: up to BOXES_PER_RECORD boxes. */
export const senderKeyBodyCodec = codec<SenderKeyBody>(
  z.strictObject({
    epoch: count(),
    members: bytes(32),
    commitment: bytes(32),
    boxes: z
      .array(z.strictObject({ to: z.string().max(64), prekey: bytes(8), box: bytes({ max: BOX_MAX_BYTES }) }))
      .max(BOXES_PER_RECORD),
  }),
  RECORD_MAX_BYTES,
)

/** At most 64 KiB; a text has at most 16,384 UTF-16 code units here, and its sender keeps it to 16 KiB of UTF-8. */
export const messageContentCodec = codec<MessageContent>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('text'),
      text: z.string().max(MESSAGE_TEXT_MAX_BYTES),
      reply: bytes(32).optional(),
    }),
    z.strictObject({ kind: z.literal('edit'), of: bytes(32), text: z.string().max(MESSAGE_TEXT_MAX_BYTES) }),
    z.strictObject({ kind: z.literal('delete'), of: bytes(32) }),
    z.strictObject({
      kind: z.literal('reaction'),
      of: bytes(32),
      emoji: z.string().min(1).max(REACTION_MAX),
      on: z.boolean(),
    }),
    z.strictObject({
      kind: z.literal('file'),
      name: z.string().max(FILE_NAME_MAX_BYTES),
      size: count(),
      type: z.string().max(100),
      files: count().optional(),
      key: bytes(32),
      manifest: bytes(32),
    }),
  ]),
  RECORD_MAX_BYTES,
)
