import type { SocketConstructorOpts } from 'node:net'
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls'
import { isRefusal, type Refusal, refuse, refusedThere } from '../../../shared/errors.ts'
import { toHex } from '../../../shared/ids.ts'
import { BULK_CONNECT_MS, BULK_HANDSHAKE_MS, FRAME_MAX_BYTES, KIB } from '../../../shared/limits.ts'
import type { Frames } from '../../../shared/network/frames.ts'
import { type BulkReply, bulkReplyCodec, bulkRequestCodec } from '../../../shared/wire/bulk.ts'
import { TLS } from './tls.ts'
import { openTlsFrames } from './tls-frames.ts'

export type DialParts = {
  /** IP address of the other side. */
  readonly address: string
  readonly door: Extract<BulkReply, { kind: 'door' }>
  readonly context: SecureContext
  /** Why the other end is not whom we expect, or null. */
  readonly check: (socket: TLSSocket) => Refusal | null
  readonly onCut: () => void
  readonly signal: AbortSignal
}

/** Connects to a door and enters with its ticket; frames of the file protocol come next. */
export const dialRoad = async (parts: DialParts): Promise<{ frames: Frames; socket: TLSSocket } | Refusal> => {
  const inlet = { take: (_piece: Uint8Array): void => undefined }
  const options: ConnectionOptions & Pick<SocketConstructorOpts, 'onread'> = {
    ...TLS,
    ALPNProtocols: [...TLS.ALPNProtocols],
    host: parts.address,
    port: parts.door.port,
    servername: toHex(parts.door.door),
    secureContext: parts.context,
    // One buffer for all that comes: what is read is copied into its frame, and nothing is allocated a packet.
    onread: {
      buffer: new Uint8Array(READ_BYTES),
      callback: (length, buffer) => {
        inlet.take(buffer.subarray(0, length))
        return true
      },
    },
  }
  const socket = connect(options)
  socket.setNoDelay(true)
  const failed = await secured(socket, parts.signal)
  const wrong = failed ?? parts.check(socket)
  if (wrong !== null) {
    socket.destroy()
    return wrong
  }
  let entered = false
  const frames = openTlsFrames(socket, {
    maxFrameBytes: FRAME_MAX_BYTES,
    signal: parts.signal,
    inlet,
    onCut: () => entered && parts.onCut(),
  })
  const refusal = await enter(frames, parts.door.ticket)
  if (refusal !== null) {
    frames.abort(refusal.code)
    return refusal
  }
  entered = true
  return { frames, socket }
}

const READ_BYTES = 64 * KIB // what TLS has ready at a time

const secured = async (socket: TLSSocket, signal: AbortSignal): Promise<Refusal | null> => {
  const { promise, resolve } = Promise.withResolvers<Refusal | null>()
  const slow = (): void => resolve(refuse('road-blocked', 'no answer'))
  let timer = setTimeout(slow, BULK_CONNECT_MS)
  const onAbort = (): void => resolve(refuse('stream-closed', 'stopped'))
  signal.addEventListener('abort', onAbort)
  socket.once('connect', () => {
    clearTimeout(timer)
    timer = setTimeout(slow, BULK_HANDSHAKE_MS)
  })
  socket.once('secureConnect', () => resolve(null))
  socket.on('error', (error) => resolve(refuse('road-blocked', error.message)))
  socket.once('close', () => resolve(refuse('road-blocked', 'closed')))
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
  })
}

const enter = async (frames: Frames, ticket: Uint8Array): Promise<Refusal | null> => {
  await frames.send(bulkRequestCodec.encode({ kind: 'enter', ticket }))
  const frame = await frames.receive(BULK_HANDSHAKE_MS)
  const reply = isRefusal(frame) ? frame : bulkReplyCodec.decode(frame)
  if (isRefusal(reply)) return reply
  if (reply.kind === 'refused') return refusedThere(reply.code)
  return reply.kind === 'open' ? null : refuse('wrong-order', reply.kind)
}
