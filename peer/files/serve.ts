import { type FileHandle, open } from 'node:fs/promises'
import { isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { type RecordHash, type RoomId, toRecordHash } from '../../shared/ids.ts'
import type { Frames } from '../../shared/network/frames.ts'
import { type FileReply, fileReplyCodec, fileRequestCodec } from '../../shared/wire/file.ts'
import type { Session } from '../network/sessions.ts'
import { type SealedFile, sealChunk } from './chunk.ts'
import { chunkCount } from './extent.ts'
import { readChunk } from './read-chunks.ts'

/** A whole file that we can serve. */
export type HeldFile = SealedFile & {
  readonly path: string
  readonly room: RoomId
  readonly encoded: Uint8Array
  /** The message that offered it. */
  readonly offer: { readonly id: RecordHash; readonly name: string; readonly size: number }
}

export type ServeParts = {
  /** The file that this message offered, if it is held whole. */
  readonly find: (record: RecordHash) => HeldFile | null
  readonly mayRead: (room: RoomId, session: Session) => Refusal | null
  /** @param bytes that this stream has carried so far; `whole`: the fetcher has all of it */
  readonly onServed: (file: HeldFile, session: Session, bytes: number, whole: boolean) => void
}

/** Serves the files that we hold to members of the rooms in which they were offered: one file a road. */
export const createServing =
  (parts: ServeParts) =>
  async (frames: Frames, session: Session): Promise<void> => {
    const refusal = await converse(parts, frames, session)
    if (refusal !== null && refusal.code !== 'stream-closed')
      await reply(frames, { kind: 'refused', code: refusal.code })
  }

const reply = (frames: Frames, message: FileReply): Promise<void> => frames.send(fileReplyCodec.encode(message))

const converse = async (parts: ServeParts, frames: Frames, session: Session): Promise<Refusal | null> => {
  const first = await frames.receive()
  const want = isRefusal(first) ? first : fileRequestCodec.decode(first)
  if (isRefusal(want)) return want
  if (want.kind !== 'want') return refuse('wrong-order', want.kind)
  const held = parts.find(toRecordHash(want.record))
  if (held === null) return refuse('file-not-held')
  const stranger = parts.mayRead(held.room, session)
  if (stranger !== null) return stranger
  const file = await open(held.path, 'r').catch(() => null)
  if (file === null) return refuse('file-unreadable')
  try {
    await reply(frames, { kind: 'held', manifest: held.encoded })
    return await serveChunks(parts, frames, session, held, file)
  } finally {
    await file.close()
  }
}

/**
 * Answers requests in their order. Each chunk is read from the disk as soon as it is asked for, while those before it are
 * sealed and sent; the fetcher's own bound on chunks in flight bounds what is held here, and so does `AHEAD`.
 */
const serveChunks = async (
  parts: ServeParts,
  frames: Frames,
  session: Session,
  held: HeldFile,
  file: FileHandle,
): Promise<Refusal | null> => {
  let ended: Refusal | null = null
  let line: Promise<void> = Promise.resolve()
  let ahead = 0
  let served = 0
  const spare: Uint8Array[] = [] // what a chunk was read into holds the next one once it is sealed
  for (;;) {
    const frame = await frames.receive()
    const request = isRefusal(frame) ? frame : fileRequestCodec.decode(frame)
    if (ended !== null) break
    if (!isRefusal(request) && request.kind === 'whole') {
      parts.onServed(held, session, served, true)
      continue
    }
    if (isRefusal(request) || request.kind !== 'chunk' || request.index >= chunkCount(held.manifest)) {
      ended = isRefusal(request) ? request : refuse('frame-malformed')
      break
    }
    const { index } = request
    const memory = spare.pop() ?? new Uint8Array(held.manifest.chunkBytes)
    const reading = readChunk(file, held.manifest, index, memory).catch((): Refusal => refuse('file-unreadable'))
    ahead++
    line = line.then(async () => {
      const chunk = await reading
      const sealed = isRefusal(chunk) ? chunk : sealChunk(held, index, chunk, frames.handsBack ? chunk : undefined)
      if (!frames.handsBack) spare.push(memory)
      ahead--
      if (ended !== null) return
      if (isRefusal(sealed)) {
        // Told at once: the fetcher waits for this very answer, and asks nothing more before it.
        ended = refuse('stream-closed')
        await reply(frames, { kind: 'refused', code: sealed.code })
        await frames.close()
        return
      }
      await reply(frames, { kind: 'sealed', index, tag: sealed.tag })
      await frames.send(sealed.ciphertext)
      if (frames.handsBack) spare.push(memory)
      served += sealed.ciphertext.byteLength
      parts.onServed(held, session, served, false)
    })
    line.catch(() => {
      ended ??= refuse('stream-closed')
    })
    if (ahead >= AHEAD) await line.catch(() => undefined)
  }
  await line.catch(() => undefined)
  return ended
}

const AHEAD = 16 // chunks read and not yet sent: 16 MiB, whatever a fetcher asks for
