import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import {
  FILE_REPLY_MAX_BYTES,
  HAVE_CHUNKS_MAX,
  HELLO_MAX_BYTES,
  MANIFEST_MAX_BYTES,
  MANIFEST_MAX_CHUNKS,
} from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * Files, one file a stream: the fetcher sends `want`, the holder answers `held` with the manifest and with the chunks that it
 * has, or `refused`. Then the fetcher sends `chunk` as often as it likes, without waiting; each is answered, in that order, by
 * `sealed` and a frame of ciphertext behind it, or by `refused`, after which the stream ends. Between two answers a holder
 * that is a fetcher itself tells with `have` what else has come to it, and any holder with `given` what others have asked it
 * for. `whole` tells that nothing more is wanted.
 */
export const fileProtocol = (network: NetworkId): string => protocolId(network, 'file')

/** What the fetcher says. */
export type FileRequest =
  /** Hash of the message that offers the file: one file may be offered twice, each time under a key of its own. */
  | {
      readonly kind: 'want'
      readonly record: Uint8Array
      /** The manifest is here already, and need not be sent. */
      readonly known: boolean
    }
  | { readonly kind: 'chunk'; readonly index: number }
  /** The file is whole now; the stream ends. */
  | { readonly kind: 'whole' }

/** What the holder says. */
export type FileReply =
  | {
      readonly kind: 'held'
      /** Null where it is known. */
      readonly manifest: Uint8Array | null
      /** One bit a chunk, the lowest first, of a holder that does not have them all. */
      readonly chunks: Uint8Array | null
      /** How many have asked this holder for this file before: each begins at another place. */
      readonly seat: number
    }
  /** Chunks that have come to this holder since. */
  | { readonly kind: 'have'; readonly chunks: readonly number[] }
  /** Chunks that others have asked this holder for: they will soon be had of them, too. */
  | { readonly kind: 'given'; readonly chunks: readonly number[] }
  /** AES-256-GCM tag of the chunk; the next frame is its ciphertext, without a codec around it. */
  | { readonly kind: 'sealed'; readonly index: number; readonly tag: Uint8Array }
  | { readonly kind: 'refused'; readonly code: string }

/** At most 16 KiB. */
export const fileRequestCodec = codec<FileRequest>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('want'), record: bytes(32), known: z.boolean() }),
    z.strictObject({ kind: z.literal('chunk'), index: count() }),
    z.strictObject({ kind: z.literal('whole') }),
  ]),
  HELLO_MAX_BYTES,
)

/** At most 3,217,408 bytes: the manifest of 100,000 chunks, and which of them are here. */
export const fileReplyCodec = codec<FileReply>(
  z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('held'),
      manifest: bytes({ max: MANIFEST_MAX_BYTES }).nullable(),
      chunks: bytes({ max: Math.ceil(MANIFEST_MAX_CHUNKS / 8) }).nullable(),
      seat: count(),
    }),
    z.strictObject({ kind: z.literal('have'), chunks: z.array(count()).max(HAVE_CHUNKS_MAX) }),
    z.strictObject({ kind: z.literal('given'), chunks: z.array(count()).max(HAVE_CHUNKS_MAX) }),
    z.strictObject({ kind: z.literal('sealed'), index: count(), tag: bytes(16) }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  FILE_REPLY_MAX_BYTES,
)
