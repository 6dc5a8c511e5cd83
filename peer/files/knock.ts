import { isRefusal, type Refusal, refusalOf, refuse, refusedThere } from '../../shared/errors.ts'
import { fromHex, type PeerId, type RecordHash } from '../../shared/ids.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import type { Session } from '../network/sessions.ts'
import type { Bitmap } from './bitmap.ts'
import { chunkCount } from './extent.ts'
import { decodeManifest, type Manifest, type Offered } from './manifest.ts'
import type { FileRoads } from './road.ts'
import { isLie } from './transfer.ts'

/** A file as its offer describes it. */
export type WantedFile = {
  /** The message that offers it. */
  readonly record: RecordHash
  readonly name: string
  readonly size: number
  /** Of a folder: how many files are in it. */
  readonly files?: number | undefined
  readonly key: Uint8Array
  /** SHA-256 of the manifest. */
  readonly manifest: Uint8Array
}

/** A manifest that is the offered one, with its bytes. */
export type KnownManifest = { readonly manifest: Manifest; readonly encoded: Uint8Array }

/** A holder that has answered, and the road to it. */
export type Answered = KnownManifest & {
  readonly peer: PeerId
  readonly frames: Frames
  /** The chunks that it has; null: all. */
  readonly chunks: Bitmap | null
  readonly seat: number
}

export type KnockParts = {
  readonly openFileRoad: FileRoads['openFileRoad']
  readonly onFoul: (refusal: Refusal, holder: PeerId) => void
  readonly signal: AbortSignal
}

/** Asks one member for a file: who answers with the manifest, or says that it has some of it, is a holder. */
export const knock = async (
  parts: KnockParts,
  wanted: WantedFile,
  session: Session,
  known: KnownManifest | null,
): Promise<Answered | Refusal> => {
  const peer = session.device.peerId
  try {
    const frames = await parts.openFileRoad(session, parts.signal, wanted.size)
    if (isRefusal(frames)) return frames
    const answered = await ask(frames, wanted, known)
    if (!isRefusal(answered)) return { ...answered, peer, frames }
    if (isLie(answered)) parts.onFoul(answered, peer)
    frames.abort(answered.code)
    return answered
  } catch (error) {
    return refusalOf(error)
  }
}

const ask = async (
  frames: Frames,
  wanted: WantedFile,
  known: KnownManifest | null,
): Promise<Omit<Answered, 'peer' | 'frames'> | Refusal> => {
  await frames.send(fileRequestCodec.encode({ kind: 'want', record: fromHex(wanted.record), known: known !== null }))
  const frame = await frames.receive()
  const answer = isRefusal(frame) ? frame : fileReplyCodec.decode(frame)
  if (isRefusal(answer)) return answer
  if (answer.kind === 'refused') return refusedThere(answer.code)
  if (answer.kind !== 'held') return refuse('wrong-order', answer.kind)
  const { chunks, seat } = answer
  const found = known ?? readManifest(answer.manifest, wanted)
  if (isRefusal(found)) return found
  if (chunks !== null && chunks.byteLength !== Math.ceil(chunkCount(found.manifest) / 8))
    return refuse('frame-malformed', 'a bit more or less than chunks')
  return { ...found, chunks, seat }
}

const readManifest = (encoded: Uint8Array | null, offered: Offered): KnownManifest | Refusal => {
  if (encoded === null) return refuse('file-manifest-wrong', 'none')
  const manifest = decodeManifest(encoded, offered)
  return isRefusal(manifest) ? manifest : { manifest, encoded }
}
