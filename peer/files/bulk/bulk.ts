import type { KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { SecureContext, TLSSocket } from 'node:tls'
import type { VerifiedDevice } from '../../../shared/certificate/verify.ts'
import type { Clock } from '../../../shared/clock.ts'
import { isRefusal, type Refusal, refusalOf, refuse, refusedThere } from '../../../shared/errors.ts'
import type { NetworkId, PeerId } from '../../../shared/ids.ts'
import { BULK_HANDSHAKE_MS, BULK_MESSAGE_MAX_BYTES, BULK_ROADS_MAX, FRAME_MAX_BYTES } from '../../../shared/limits.ts'
import { type Channel, openChannel } from '../../../shared/network/channel.ts'
import type { Frames } from '../../../shared/network/frames.ts'
import type { Connection, Node } from '../../../shared/network/node.ts'
import type { Random } from '../../../shared/random.ts'
import {
  type BulkReply,
  type BulkRequest,
  bulkProtocol,
  bulkReplyCodec,
  bulkRequestCodec,
} from '../../../shared/wire/bulk.ts'
import { membersOnly, openMemberStream } from '../../network/guard.ts'
import type { Session, Sessions } from '../../network/sessions.ts'
import { dialRoad } from './dial.ts'
import { createDoors, type Door } from './doors.ts'
import { createListener } from './listener.ts'
import { checkOtherSide, contextOf } from './tls.ts'
import { openTlsFrames } from './tls-frames.ts'

/** The TLS road for files: as fast as the machine's TCP, between two who have a session. */
export type Bulk = {
  /** A road to the session's device, or why there is none. @param onCut it broke on its way */
  open(session: Session, signal: AbortSignal, onCut: () => void): Promise<Frames | Refusal>
  stop(): Promise<void>
}

export type BulkParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly key: KeyObject
  /** Our certificate as the other side of this connection was shown it. */
  readonly shown: (connection: Connection) => Uint8Array
  /** Puts a certificate to the verifier as it stands now: the roots, the time, the revocation list. */
  readonly verify: (certificate: Uint8Array, spki: Uint8Array) => VerifiedDevice | Refusal
  /** Answers on a road that somebody has come in by. */
  readonly converse: (frames: Frames, session: Session) => Promise<void>
  /** Somebody was turned away at the door. */
  readonly onTurnedAway: (refusal: Refusal, peer: PeerId | null) => void
  /** One that is never set back. */
  readonly monotonic: Clock
  readonly random: Random
  /** Milliseconds that somebody has from the TCP connection to the ticket; BULK_HANDSHAKE_MS unless told otherwise. */
  readonly handshakeMs?: number
}

export const startBulk = async (parts: BulkParts): Promise<Bulk> => {
  const { node, network, sessions, handshakeMs = BULK_HANDSHAKE_MS } = parts
  const doors = createDoors(parts.monotonic, parts.random)
  const roads = new Map<TLSSocket, PeerId>()
  const contexts = new WeakMap<Uint8Array, SecureContext>()
  const contextFor = ({ connection }: Session): SecureContext => {
    const certificate = parts.shown(connection)
    const known = contexts.get(certificate) ?? contextOf(parts.key, certificate)
    contexts.set(certificate, known)
    return known
  }
  const check = (socket: TLSSocket, session: Session): Refusal | null =>
    sessions.of(session.device.peerId) === undefined
      ? refuse('unreachable', 'the session has ended')
      : checkOtherSide(socket, session, parts.verify)
  const keep = (socket: TLSSocket, { device }: Session): void => {
    roads.set(socket, device.peerId)
    socket.once('close', () => roads.delete(socket))
    if (socket.destroyed) roads.delete(socket)
  }
  const countOf = (peer: PeerId): number => [...roads.values()].filter((other) => other === peer).length

  /** The holder's side of TLS: certificate, ticket, and then the same conversation as on a stream. */
  const receive = async (socket: TLSSocket, door: Door, done: () => void): Promise<void> => {
    const { session } = door
    const wrong = check(socket, session)
    if (wrong !== null) {
      parts.onTurnedAway(wrong, session.device.peerId)
      socket.destroy()
      return
    }
    const frames = openTlsFrames(socket, { maxFrameBytes: FRAME_MAX_BYTES, timeoutMs: IDLE_MS })
    const frame = await frames.receive(handshakeMs)
    const request = isRefusal(frame) ? frame : bulkRequestCodec.decode(frame)
    const refusal = isRefusal(request)
      ? request
      : request.kind === 'enter'
        ? doors.enter(door, request.ticket)
        : refuse('wrong-order', request.kind)
    if (refusal !== null) {
      parts.onTurnedAway(refusal, session.device.peerId)
      if (!socket.destroyed) await frames.send(bulkReplyCodec.encode({ kind: 'refused', code: refusal.code }))
      await frames.close()
      return
    }
    keep(socket, session)
    done()
    await frames.send(bulkReplyCodec.encode({ kind: 'open' }))
    await parts.converse(frames, session)
    await frames.close()
  }
  const listener = createListener({
    doors,
    handshakeMs,
    contextFor: ({ session }) => contextFor(session),
    onSecure: (socket, door) =>
      new Promise((done) => {
        receive(socket, door, done)
          .catch(() => socket.destroy())
          .finally(done)
      }),
    onTurnedAway: (refusal) => parts.onTurnedAway(refusal, null),
  })

  /** The holder's side of the question: a door at that address, if it is ours and the session's. */
  const makeDoor = async (session: Session, address: string): Promise<BulkReply> => {
    const from = hostOf(session.connection)
    if (from === null || isIP(address) === 0 || !isOwn(address)) return { kind: 'refused', code: 'road-not-here' }
    if (countOf(session.device.peerId) >= BULK_ROADS_MAX) return { kind: 'refused', code: 'busy' }
    const door = doors.make(session, from)
    if (isRefusal(door)) return { kind: 'refused', code: door.code }
    const port = await listener.open(address)
    if (isRefusal(port)) return { kind: 'refused', code: port.code }
    return { kind: 'door', port, door: door.name, ticket: door.ticket }
  }
  await node.handle(
    bulkProtocol(network),
    membersOnly(sessions, async (stream, session) => {
      const channel = openChannel(stream, { incoming: bulkRequestCodec, outgoing: bulkReplyCodec }, LIMITS)
      const request = await channel.receive()
      if (!isRefusal(request)) {
        const reply: BulkReply =
          request.kind === 'ask' ? await makeDoor(session, request.address) : { kind: 'refused', code: 'wrong-order' }
        await channel.send(reply)
      }
      await channel.close()
    }),
  )

  const open: Bulk['open'] = async (session, signal, onCut) => {
    try {
      const address = hostOf(session.connection)
      if (address === null) return refuse('road-not-here', 'no IP address')
      const stream = await openMemberStream(node, sessions, session.device.peerId, bulkProtocol(network))
      const channel = openChannel(stream, { incoming: bulkReplyCodec, outgoing: bulkRequestCodec }, LIMITS)
      const door = await askFor(channel, address)
      if (isRefusal(door)) return door
      const context = contextFor(session)
      const road = await dialRoad({ address, door, context, check: (socket) => check(socket, session), onCut, signal })
      if (isRefusal(road)) return road
      keep(road.socket, session)
      return road.frames
    } catch (error) {
      return refusalOf(error)
    }
  }
  const endOnSession = sessions.onChange(({ kind, session: { device } }) => {
    if (kind !== 'ended') return
    doors.forget(device.peerId)
    for (const [socket, peer] of [...roads]) if (peer === device.peerId) socket.destroy()
  })
  return {
    open,
    stop: async () => {
      endOnSession()
      await listener.stop()
      for (const socket of [...roads.keys()]) socket.destroy()
    },
  }
}

const IDLE_MS = 60_000 // as on a stream: a fetcher whose disk is slow may pause
const LIMITS = { maxFrameBytes: BULK_MESSAGE_MAX_BYTES } as const

const askFor = async (
  channel: Channel<BulkReply, BulkRequest>,
  address: string,
): Promise<Extract<BulkReply, { kind: 'door' }> | Refusal> => {
  await channel.send({ kind: 'ask', address })
  const reply = await channel.receive()
  await channel.close()
  if (isRefusal(reply)) return reply
  if (reply.kind === 'refused') return refusedThere(reply.code)
  return reply.kind === 'door' ? reply : refuse('wrong-order', reply.kind)
}

/** The other side's IP address, where the connection is plain TCP over one. */
const hostOf = ({ remoteAddr }: Connection): string | null => {
  const [, family, host] = remoteAddr.toString().split('/')
  return (family === 'ip4' || family === 'ip6') && host !== undefined ? host : null
}

/** Whether it is an address of this machine: nobody makes us listen elsewhere, or everywhere. */
const isOwn = (address: string): boolean =>
  Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address))
