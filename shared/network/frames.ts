import type { Stream } from '@libp2p/interface'
import { concat } from 'uint8arrays/concat'
import { fault, LanyardError, type Refusal, refuse } from '../errors.ts'
import { CHANNEL_BUFFER_BYTES, KIB, REPLY_TIMEOUT_MS } from '../limits.ts'

/** Length-prefixed frames on a libp2p stream: 4 bytes of length, big-endian, then that many bytes. */
export type Frames = {
  /**
   * Sends one frame made of `parts`; large ones are not copied. Resolves when the stream takes more.
   * @throws LanyardError `stream-closed` or `too-late`
   */
  send(...parts: readonly Uint8Array[]): Promise<void>
  /** The next frame, or `frame-too-large`, `too-late`, or `stream-closed` once the other side has closed. */
  receive(timeoutMs?: number): Promise<Uint8Array | Refusal>
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

const PREFIX_BYTES = 4

/** Frames on a stream that is just open; it takes the stream over. */
export const openFrames = (stream: Stream, limits: FrameLimits): Frames => {
  const reader = createReader(stream, limits.maxFrameBytes, limits.bufferBytes ?? CHANNEL_BUFFER_BYTES)
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

const prefix = (length: number): Uint8Array => {
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

const FRAME_OVERHEAD_BYTES = 256 // of memory: a million frames of one byte are no megabyte
const RECYCLE_FROM_BYTES = 256 * KIB // below this the allocator's own memory is as good
const SPARE_MAX = 4 // frames a stream

/** Cuts the incoming bytes into frames; pauses the stream while too much waits to be read. */
const createReader = (stream: Stream, maxFrameBytes: number, bufferBytes: number) => {
  const ready: Uint8Array[] = []
  /** Memory for large frames: fresh memory costs the system as much as filling it, and the collector more. */
  const spare: ArrayBuffer[] = []
  const head = new Uint8Array(PREFIX_BYTES)
  let headFilled = 0
  let body: Uint8Array | null = null
  let bodyFilled = 0
  let waitingBytes = 0
  let end: Refusal | null = null
  let wake: (() => void) | null = null

  const finish = (reason: Refusal): void => {
    end ??= reason
    wake?.()
  }
  const memoryFor = (length: number): Uint8Array => {
    const fits = spare.findIndex(({ byteLength }) => byteLength >= length)
    const [memory] = length < RECYCLE_FROM_BYTES || fits < 0 ? [] : spare.splice(fits, 1)
    return memory === undefined ? new Uint8Array(length) : new Uint8Array(memory, 0, length)
  }
  const take = (piece: Uint8Array): void => {
    let at = 0
    while (at < piece.byteLength && end === null) {
      if (body === null) {
        const some = piece.subarray(at, at + PREFIX_BYTES - headFilled)
        head.set(some, headFilled)
        headFilled += some.byteLength
        at += some.byteLength
        if (headFilled < PREFIX_BYTES) return
        const length = new DataView(head.buffer).getUint32(0)
        if (length === 0) {
          finish(refuse('frame-malformed', 'an empty frame'))
          return
        }
        if (length > maxFrameBytes) {
          finish(refuse('frame-too-large', `${length} bytes announced, at most ${maxFrameBytes}`))
          return
        }
        body = memoryFor(length)
        bodyFilled = 0
      }
      const some = piece.subarray(at, at + body.byteLength - bodyFilled)
      body.set(some, bodyFilled)
      bodyFilled += some.byteLength
      at += some.byteLength
      if (bodyFilled < body.byteLength) return
      ready.push(body)
      waitingBytes += body.byteLength + FRAME_OVERHEAD_BYTES
      body = null
      headFilled = 0
    }
  }

  stream.addEventListener('message', (event) => {
    if (event.data instanceof Uint8Array) take(event.data)
    else for (const piece of event.data) take(piece)
    if (waitingBytes > bufferBytes && stream.readStatus === 'readable') stream.pause()
    wake?.()
  })
  stream.addEventListener('end', () => finish(refuse('stream-closed')))
  stream.addEventListener('close', () => {
    if (stream.readBufferLength === 0) finish(refuse('stream-closed'))
  })
  if (stream.readableEnded) finish(refuse('stream-closed'))

  const next = async (timeoutMs: number): Promise<Uint8Array | Refusal> => {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const frame = ready.shift()
      if (frame !== undefined) {
        waitingBytes -= frame.byteLength + FRAME_OVERHEAD_BYTES
        if (waitingBytes <= bufferBytes && stream.readStatus === 'paused') stream.resume()
        return frame
      }
      if (end !== null) return end
      const left = deadline - performance.now()
      if (left <= 0) return refuse('too-late')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        wake = () => {
          clearTimeout(timer)
          wake = null
          resolve()
        }
      })
    }
  }
  const recycle = ({ buffer, byteLength }: Uint8Array): void => {
    if (buffer instanceof ArrayBuffer && byteLength >= RECYCLE_FROM_BYTES && spare.length < SPARE_MAX) {
      spare.push(buffer)
    }
  }
  return { next, recycle, overrun: () => end?.code === 'frame-too-large' }
}
