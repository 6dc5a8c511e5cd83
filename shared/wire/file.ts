import { z } from 'zod'
import { bytes, codec, count } from '../codec.ts'
import type { NetworkId } from '../ids.ts'
import { HELLO_MAX_BYTES, MANIFEST_MAX_BYTES } from '../limits.ts'
import { protocolId } from './protocol.ts'

/**
 * Files, one file a stream: the fetcher sends `want`, the holder answers `held` with the manifest, or `refused`. Then the
 * fetcher sends `chunk` as often as it likes, without waiting; each is answered, in that order, by `sealed` and a frame of
 * ciphertext behind it, or by `refused`, after which the stream ends. `whole` tells that nothing more is wanted.
 */
export const fileProtocol = (network: NetworkId): string => protocolId(network, 'file')

/** What the fetcher says. */
export type FileRequest =
  /** Hash of the message that offers the file: one file may be offered twice, each time under a key of its own. */
  | { readonly kind: 'want'; readonly record: Uint8Array }
  | { readonly kind: 'chunk'; readonly index: number }
  /** The file is whole now; the stream ends. */
  | { readonly kind: 'whole' }

/** What the holder says. */
export type FileReply =
  | { readonly kind: 'held'; readonly manifest: Uint8Array }
  /** AES-256-GCM tag of the chunk; the next frame is its ciphertext, without a codec around it. */
  | { readonly kind: 'sealed'; readonly index: number; readonly tag: Uint8Array }
  | { readonly kind: 'refused'; readonly code: string }

/** At most 16 KiB. */
export const fileRequestCodec = codec<FileRequest>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('want'), record: bytes(32) }),
    z.strictObject({ kind: z.literal('chunk'), index: count() }),
    z.strictObject({ kind: z.literal('whole') }),
  ]),
  HELLO_MAX_BYTES,
)

/** At most 3,201,024 bytes: the manifest of 100,000 chunks. */
export const fileReplyCodec = codec<FileReply>(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('held'), manifest: bytes({ max: MANIFEST_MAX_BYTES }) }),
    z.strictObject({ kind: z.literal('sealed'), index: count(), tag: bytes(16) }),
    z.strictObject({ kind: z.literal('refused'), code: z.string().max(64) }),
  ]),
  MANIFEST_MAX_BYTES,
)
