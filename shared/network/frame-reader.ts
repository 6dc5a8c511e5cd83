import { type Refusal, refuse } from '../errors.ts'
import { KIB } from '../limits.ts'

/** Bytes of the length before each frame, big-endian. */
export const PREFIX_BYTES = 4

/** Cuts incoming bytes into frames, whatever carries them. */
export type FrameReader = {
  /** The next bytes; copied, so that their memory may be used again. */
  take(piece: Uint8Array): void
  /** Nothing more comes, and why. The first reason counts. */
  finish(reason: Refusal): void
  /** The next frame, or why there is none: `frame-malformed`, `frame-too-large`, `too-late`, or what `finish` was told. */
  next(timeoutMs: number): Promise<Uint8Array | Refusal>
  /** Gives the memory of a frame back, for one to come. */
  recycle(frame: Uint8Array): void
  /** Whether a frame over the limit has been announced: nothing after it is readable. */
  overrun(): boolean
}

export type FrameReaderParts = {
  readonly maxFrameBytes: number
  /** Bytes that may wait to be read: past that the carrier is paused. */
  readonly bufferBytes: number
  readonly pause: () => void
  readonly resume: () => void
}

const FRAME_OVERHEAD_BYTES = 256 // of memory: a million frames of one byte are no megabyte
const RECYCLE_FROM_BYTES = 256 * KIB // below this the allocator's own memory is as good
const SPARE_MAX = 8 // frames a stream: as many as are on their way

export const createFrameReader = (parts: FrameReaderParts): FrameReader => {
  const { maxFrameBytes, bufferBytes } = parts
  const ready: Uint8Array[] = []
  /** Memory for large frames: fresh memory costs the system as much as filling it, and the collector more. */
  const spare: ArrayBuffer[] = []
  const head = new Uint8Array(PREFIX_BYTES)
  let headFilled = 0
  let body: Uint8Array | null = null
  let bodyFilled = 0
  let waitingBytes = 0
  let paused = false
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
  const cut = (piece: Uint8Array): void => {
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
  const next = async (timeoutMs: number): Promise<Uint8Array | Refusal> => {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const frame = ready.shift()
      if (frame !== undefined) {
        waitingBytes -= frame.byteLength + FRAME_OVERHEAD_BYTES
        if (paused && waitingBytes <= bufferBytes) {
          paused = false
          parts.resume()
        }
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
  return {
    take: (piece) => {
      cut(piece)
      if (!paused && waitingBytes > bufferBytes) {
        paused = true
        parts.pause()
      }
      if (ready.length > 0 || end !== null) wake?.()
    },
    finish,
    next,
    recycle: ({ buffer, byteLength }) => {
      if (buffer instanceof ArrayBuffer && byteLength >= RECYCLE_FROM_BYTES && spare.length < SPARE_MAX) {
        spare.push(buffer)
      }
    },
    overrun: () => end?.code === 'frame-too-large',
  }
}
