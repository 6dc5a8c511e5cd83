import type { Stream } from '@libp2p/interface'
import { concat } from 'uint8arrays/concat'
import { fault, LanyardError, type Refusal, refuse } from '../errors.ts'
import { CHANNEL_BUFFER_BYTES, KIB, REPLY_TIMEOUT_MS } from '../limits.ts'
import { createFrameReader, type FrameReader, PREFIX_BYTES } from './frame-reader.ts'

/** Length-prefixed frames on a stream of bytes: 4 bytes of length, big-endian, then that many bytes. */
export type Frames = {
  /**
   * Sends one frame made of `parts`; large ones are not copied. Resolves when the stream takes more.
   * @throws LanyardError `stream-closed` or `too-late`
   */
  send(...parts: readonly Uint8Array[]): Promise<void>
  /** The next frame, or `frame-too-large`, `too-late`, or `stream-closed` once the other side has closed. */
  receive(timeoutMs?: number): Promise<Uint8Array | Refusal>
  /** Whether memory that was sent may be overwritten once `send` has resolved; else it belongs to the stream. */
  readonly handsBack: boolean
  /** Gives the memory of a frame back, for one to come: nobody may hold on to it. Worth it for large ones. */
  recycle(frame: Uint8Array): void
  /** Ends our side in good order; what was sent still arrives. */
  close(): Promise<void>
  /** Drops the stream at once, in both directions. */
  abort(reason: string): void
}

/** What one frame may take, in bytes and in time. */
export type FrameLimits = {
  /** Bytes of the largest frame that we take. */
  readonly maxFrameBytes: number
  /** Bytes of the largest frame that we send; as many as we take unless given. */
  readonly maxSendBytes?: number
  /** Milliseconds that one send or receive may wait. */
  readonly timeoutMs?: number
  /** Bytes that may wait to be read before the stream is paused; CHANNEL_BUFFER_BYTES unless given. */
  readonly bufferBytes?: number
  readonly signal?: AbortSignal
}

/** Frames on a stream that is just open; it takes the stream over. */
export const openFrames = (stream: Stream, limits: FrameLimits): Frames => {
  const reader = readerOf(stream, limits)
  const timeoutMs = limits.timeoutMs ?? REPLY_TIMEOUT_MS
  limits.signal?.addEventListener('abort', () => stream.abort(new Error('aborted')), { once: true })

  return {
    send: async (...parts) => {
      const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
      if (length > (limits.maxSendBytes ?? limits.maxFrameBytes))
        throw fault('frame-too-large', `${length} bytes to send`)
      try {
        if (!sendAll(stream, [prefix(length), ...parts], length)) await drained(stream, timeoutMs)
      } catch (cause) {
        throw cause instanceof LanyardError ? cause : fault('stream-closed', undefined, cause)
      }
    },
    receive: (wait = timeoutMs) => reader.next(wait),
    handsBack: false,
    recycle: reader.recycle,
    close: async () => {
      await stream.close({ signal: AbortSignal.timeout(timeoutMs) }).catch(() => undefined)
      // A frame over the limit can't be skipped: nothing after it is readable, and no more of it is let in.
      if (reader.overrun()) stream.abort(new Error('frame-too-large'))
    },
    abort: (reason) => stream.abort(new Error(reason)),
  }
}

/** Below this a copy is cheaper than a second packet of Yamux and Noise. */
const COPY_BELOW_BYTES = 16 * KIB

const sendAll = (stream: Stream, parts: readonly Uint8Array[], length: number): boolean =>
  length < COPY_BELOW_BYTES ? stream.send(concat([...parts])) : parts.map((part) => stream.send(part)).every(Boolean)

/** The length that stands before a frame. */
export const prefix = (length: number): Uint8Array => {
  const bytes = new Uint8Array(PREFIX_BYTES)
  new DataView(bytes.buffer).setUint32(0, length)
  return bytes
}

/** Waits for the stream's `drain` event; its own `onDrain()` resolves at once from the second time on (libp2p utils 7). */
const drained = (stream: Stream, timeoutMs: number): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => reject(fault('too-late', 'the other side does not read')), timeoutMs)
  const onClose = (): void => reject(fault('stream-closed'))
  const onDrain = (): void => resolve()
  stream.addEventListener('drain', onDrain)
  stream.addEventListener('close', onClose)
  return promise.finally(() => {
    clearTimeout(timer)
    stream.removeEventListener('drain', onDrain)
    stream.removeEventListener('close', onClose)
  })
}

/** Pauses the stream while too much waits to be read. */
const readerOf = (stream: Stream, limits: FrameLimits): FrameReader => {
  const status = (): Stream['readStatus'] => stream.readStatus
  let resuming = false
  let pauseAfter = false
  const reader = createFrameReader({
    maxFrameBytes: limits.maxFrameBytes,
    bufferBytes: limits.bufferBytes ?? CHANNEL_BUFFER_BYTES,
    pause: () => {
      if (resuming) pauseAfter = true
      else if (status() === 'readable') stream.pause()
    },
    // libp2p (utils 7) hands over what has waited before it opens the window again. A pause in the midst of that would be
    // forgotten: the window would stay open, until 16 MiB wait for who reads slowly, and the stream is reset.
    resume: () => {
      if (status() !== 'paused') return
      resuming = true
      stream.resume()
      resuming = false
      if (pauseAfter && status() === 'readable') stream.pause()
      pauseAfter = false
    },
  })
  stream.addEventListener('message', (event) => {
    if (event.data instanceof Uint8Array) reader.take(event.data)
    else for (const piece of event.data) reader.take(piece)
  })
  stream.addEventListener('end', () => reader.finish(refuse('stream-closed')))
  stream.addEventListener('close', () => {
    if (stream.readBufferLength === 0) reader.finish(refuse('stream-closed'))
  })
  if (stream.readableEnded) reader.finish(refuse('stream-closed'))
  return reader
}
