import type { TLSSocket } from 'node:tls'
import { fault, refuse } from '../../../shared/errors.ts'
import { CHANNEL_BUFFER_BYTES, KIB, REPLY_TIMEOUT_MS } from '../../../shared/limits.ts'
import { createFrameReader } from '../../../shared/network/frame-reader.ts'
import { type FrameLimits, type Frames, prefix } from '../../../shared/network/frames.ts'

export type TlsFramesParts = FrameLimits & {
  /** Where incoming bytes come out, if not as `data` events: set here to what takes them. */
  readonly inlet?: { take: (piece: Uint8Array) => void }
  /** The connection is gone, and it was not we who closed it in good order. */
  readonly onCut?: () => void
}

/** Frames on a TLS connection whose handshake is done; it takes the connection over. */
export const openTlsFrames = (socket: TLSSocket, parts: TlsFramesParts): Frames => {
  const timeoutMs = parts.timeoutMs ?? REPLY_TIMEOUT_MS
  const reader = createFrameReader({
    maxFrameBytes: parts.maxFrameBytes,
    bufferBytes: parts.bufferBytes ?? CHANNEL_BUFFER_BYTES,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  })
  let ours = false
  /** Small frames of one moment leave together, in front of the large one that follows them if there is one. */
  let held: Uint8Array[] = []

  if (parts.inlet === undefined) socket.on('data', reader.take)
  else parts.inlet.take = reader.take
  socket.on('error', () => undefined) // `close` follows
  socket.on('end', () => reader.finish(refuse('stream-closed')))
  socket.on('close', () => {
    reader.finish(refuse('stream-closed'))
    if (!ours) parts.onCut?.()
  })
  if (socket.destroyed) reader.finish(refuse('stream-closed'))
  const drop = (): void => {
    ours = true
    socket.destroy()
  }
  parts.signal?.addEventListener('abort', drop, { once: true })
  socket.once('close', () => parts.signal?.removeEventListener('abort', drop))

  const takeHeld = (): Uint8Array => {
    const bytes = Buffer.concat(held)
    held = []
    return bytes
  }
  const flush = (): void => {
    if (held.length > 0 && !socket.destroyed) socket.write(takeHeld())
  }
  const write = (bytes: Uint8Array): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => reject(fault('too-late', 'the other side does not read')), timeoutMs)
    socket.write(bytes, (error) => {
      if (error === null || error === undefined) resolve()
      else reject(fault('stream-closed', undefined, error))
    })
    return promise.finally(() => clearTimeout(timer))
  }

  return {
    send: async (...pieces) => {
      const length = pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
      if (length > (parts.maxSendBytes ?? parts.maxFrameBytes))
        throw fault('frame-too-large', `${length} bytes to send`)
      if (socket.destroyed || socket.writableEnded) throw fault('stream-closed')
      held.push(prefix(length))
      if (length < COPY_BELOW_BYTES) {
        if (held.length === 1) process.nextTick(flush)
        held.push(...pieces.map((piece) => piece.slice()))
        if (socket.writableNeedDrain) await write(takeHeld())
        return
      }
      flush()
      await Promise.all(pieces.map(write))
    },
    receive: (wait = timeoutMs) => reader.next(wait),
    handsBack: true,
    recycle: reader.recycle,
    close: async () => {
      flush()
      ours = true
      if (socket.destroyed) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, timeoutMs)
      socket.once('close', resolve)
      socket.end(resolve)
      await promise
      clearTimeout(timer)
      // What was sent still arrives, if the other side reads it soon.
      setTimeout(() => socket.destroy(), LINGER_MS).unref()
    },
    abort: (reason) => {
      // Whoever drops it because nothing came may be quicker than the news that it is gone.
      if (CUT.has(reason)) parts.onCut?.()
      drop()
    },
  }
}

/** A road that stalls is no better than one that is cut: the stream may do. */
const CUT: ReadonlySet<string> = new Set(['too-late', 'stream-closed', 'file-holder-slow'])
const COPY_BELOW_BYTES = 16 * KIB // below this a copy is cheaper than a TLS record of its own
const LINGER_MS = 2_000
