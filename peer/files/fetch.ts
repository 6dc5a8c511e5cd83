import { isRefusal, type Refusal, refusalOf, refuse, refusedThere } from '../../shared/errors.ts'
import { fromHex, type PeerId, type RecordHash } from '../../shared/ids.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import type { Session, Sessions } from '../network/sessions.ts'
import { countBits } from './bitmap.ts'
import { openChunk, type SealedFile } from './chunk.ts'
import { chunkCount, chunkLength } from './extent.ts'
import { type Landing, openLanding } from './landing.ts'
import { decodeManifest, type Manifest } from './manifest.ts'
import type { FileRoads } from './road.ts'
import {
  chunkLanded,
  nextRequests,
  type Request,
  requestFailed,
  startTransfer,
  type Transfer,
  verdictOf,
} from './transfer.ts'

/** A file as its offer describes it. */
export type WantedFile = {
  /** The message that offers it. */
  readonly record: RecordHash
  readonly name: string
  readonly size: number
  readonly key: Uint8Array
  /** SHA-256 of the manifest. */
  readonly manifest: Uint8Array
}

export type Fetched = { readonly path: string; readonly encoded: Uint8Array }

export type FetchParts = {
  readonly sessions: Pick<Sessions, 'list'>
  readonly openFileRoad: FileRoads['openFileRoad']
  /** The download folder. */
  readonly folder: string
  readonly onProgress: (bytes: number) => void
  readonly onFoul: (refusal: Refusal, holder: PeerId) => void
  readonly signal: AbortSignal
}

type Holder = {
  readonly peer: PeerId
  readonly frames: Frames
  readonly encoded: Uint8Array
  readonly manifest: Manifest
}

/**
 * Fetches a file from every member present who holds it, several at once, and goes on from what is on the disk already.
 * Resolves with where it is, or with why it is not whole yet; what has arrived is kept.
 */
export const fetchFile = async (parts: FetchParts, wanted: WantedFile): Promise<Fetched | Refusal> => {
  const answers = await Promise.all(parts.sessions.list().map((session) => askHolder(parts, wanted, session)))
  const holders = answers.flatMap((answer) => (isRefusal(answer) ? [] : [answer]))
  const [first] = holders
  if (first === undefined) return answers.find(isRefusal) ?? refuse('file-not-held', 'nobody is present')
  try {
    const file: SealedFile = { key: wanted.key, manifest: first.manifest, manifestHash: wanted.manifest }
    const plan = { folder: parts.folder, name: wanted.name, manifest: first.manifest, id: wanted.record }
    const landing = await openLanding(plan, { signal: parts.signal })
    if (isRefusal(landing)) return landing
    const verdict = await transfer(parts, file, landing, holders)
    if (verdict !== 'whole') {
      await landing.close()
      return verdict
    }
    const path = await landing.finish()
    const told = holders.map(({ frames }) => frames.send(fileRequestCodec.encode({ kind: 'whole' })))
    await Promise.allSettled(told)
    return { path, encoded: first.encoded }
  } finally {
    await Promise.all(holders.map(({ frames }) => frames.close()))
  }
}

/** Asks one member for the manifest: who has it, holds the file. */
const askHolder = async (parts: FetchParts, wanted: WantedFile, session: Session): Promise<Holder | Refusal> => {
  const peer = session.device.peerId
  try {
    const frames = await parts.openFileRoad(session, parts.signal, wanted.size)
    if (isRefusal(frames)) return frames
    await frames.send(fileRequestCodec.encode({ kind: 'want', record: fromHex(wanted.record) }))
    const frame = await frames.receive()
    const answer = isRefusal(frame) ? frame : fileReplyCodec.decode(frame)
    if (isRefusal(answer)) return answer
    if (answer.kind === 'refused') return refusedThere(answer.code)
    if (answer.kind !== 'held') return refuse('wrong-order', answer.kind)
    const manifest = decodeManifest(answer.manifest, wanted)
    if (!isRefusal(manifest)) return { peer, frames, encoded: answer.manifest, manifest }
    parts.onFoul(manifest, peer)
    frames.abort(manifest.code)
    return manifest
  } catch (error) {
    return refusalOf(error)
  }
}

const transfer = async (
  parts: FetchParts,
  file: SealedFile,
  landing: Landing,
  holders: readonly Holder[],
): Promise<'whole' | Refusal> => {
  const chunks = chunkCount(file.manifest)
  const peers = holders.map(({ peer }) => peer)
  const byPeer = new Map(holders.map((holder) => [holder.peer, holder]))
  let state: Transfer = startTransfer(chunks, landing.landed)
  let bytes = Math.min(file.manifest.size, countBits(landing.landed, chunks) * file.manifest.chunkBytes)
  parts.onProgress(bytes)
  const over = Promise.withResolvers<'whole' | Refusal>()
  const onAbort = (): void => over.resolve(refuse('stream-closed', 'stopped'))
  parts.signal.addEventListener('abort', onAbort)

  const settle = (): void => {
    const verdict = verdictOf(state, peers)
    if (verdict !== 'going') over.resolve(verdict)
  }
  const failed = (request: Request, reason: Refusal): void => {
    state = requestFailed(state, request, reason)
    if (reason.code === 'file-chunk-wrong') parts.onFoul(reason, request.holder)
    byPeer.get(request.holder)?.frames.abort(reason.code)
    askMore()
  }
  const askMore = (): void => {
    const { next, requests } = nextRequests(state, peers)
    state = next
    for (const request of requests) {
      const frames = byPeer.get(request.holder)?.frames
      frames
        ?.send(fileRequestCodec.encode({ kind: 'chunk', index: request.index }))
        .catch((error: unknown) => failed(request, refusalOf(error)))
    }
    settle()
  }
  const write = async (request: Request, chunk: Uint8Array, frames: Frames): Promise<void> => {
    const problem = await landing.write(request.index, chunk)
    frames.recycle(chunk)
    if (problem !== undefined) {
      over.resolve(problem)
      return
    }
    state = chunkLanded(state, request)
    bytes += chunkLength(file.manifest, request.index)
    parts.onProgress(bytes)
    askMore()
  }
  /** Each holder's answers come in the order of its requests. */
  const listen = async ({ peer, frames }: Holder): Promise<void> => {
    /** The disk takes one chunk while the next is opened. */
    const writing: Promise<void>[] = []
    for (;;) {
      const answer = await receiveChunk(frames)
      if (isRefusal(answer)) {
        const request = state.flights.find((one) => one.holder === peer)
        // Nothing was asked of it at this moment: it is listened to again when something is.
        if (request === undefined && answer.code === 'too-late') continue
        if (request !== undefined) failed(request, answer)
        return
      }
      const request = { index: answer.index, holder: peer }
      const chunk = openChunk(file, answer.index, answer, answer.ciphertext)
      if (isRefusal(chunk)) {
        failed(request, chunk)
        return
      }
      writing.push(write(request, chunk, frames).catch((error: unknown) => over.resolve(refusalOf(error))))
      if (writing.length > WRITES_AHEAD) await writing.shift()
    }
  }

  askMore()
  for (const holder of holders) void listen(holder).catch((error: unknown) => over.resolve(refusalOf(error)))
  try {
    return await over.promise
  } finally {
    parts.signal.removeEventListener('abort', onAbort)
  }
}

const WRITES_AHEAD = 2 // chunks of one holder that the disk has not yet taken

type Answer = { readonly index: number; readonly tag: Uint8Array; readonly ciphertext: Uint8Array }

const receiveChunk = async (frames: Frames): Promise<Answer | Refusal> => {
  const head = await frames.receive()
  const reply = isRefusal(head) ? head : fileReplyCodec.decode(head)
  if (isRefusal(reply)) return reply
  if (reply.kind === 'refused') return refusedThere(reply.code)
  if (reply.kind !== 'sealed') return refuse('wrong-order', reply.kind)
  const ciphertext = await frames.receive()
  return isRefusal(ciphertext) ? ciphertext : { index: reply.index, tag: reply.tag, ciphertext }
}
