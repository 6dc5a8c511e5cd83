import type { KeyObject } from 'node:crypto'
import { isRefusal, type Refusal } from '../../shared/errors.ts'
import type { NetworkId, PeerId } from '../../shared/ids.ts'
import { FRAME_MAX_BYTES } from '../../shared/limits.ts'
import { type Frames, openFrames } from '../../shared/network/frames.ts'
import type { Gossip } from '../../shared/network/gossip.ts'
import { type Connection, createNode, type Node, type Stream } from '../../shared/network/node.ts'
import { type Hello, type HelloMessage, helloCodec, helloProtocol } from '../../shared/wire/hello.ts'
import { PROTOCOL_VERSION } from '../../shared/wire/protocol.ts'
import { newKey } from './certificates.ts'

/** Somebody with a libp2p node, who says hello by hand and may say anything else. */
export type Stranger = AsyncDisposable & {
  readonly key: KeyObject
  readonly node: Node
  /** What an honest device with this certificate would say first. */
  hello(certificate: Uint8Array, changes?: Partial<Hello>): Hello
  dial(peer: Someone): Promise<Connection>
  /** Dials, and opens the stream on which the dialer speaks first. */
  callUp(peer: Someone): Promise<HelloLine>
  /** The stream on which the next peer that dials us says hello. */
  calledBy(): Promise<HelloLine>
}

/** Whoever can be dialed. */
export type Someone = { readonly self: { readonly peerId: PeerId }; addresses(): string[] }

/** A hello's stream in the stranger's hands. */
export type HelloLine = {
  readonly connection: Connection
  readonly stream: Stream
  readonly frames: Frames
  say(message: HelloMessage): Promise<void>
  /** The bytes of one frame, whatever they are. */
  blurt(bytes: Uint8Array): Promise<void>
  hear(): Promise<HelloMessage | Refusal>
  /** Resolves once the connection has closed. */
  readonly hungUp: Promise<void>
}

export const createStranger = async (
  network: NetworkId,
  options: { readonly key?: KeyObject; readonly gossip?: Gossip } = {},
): Promise<Stranger> => {
  const { key = newKey(), gossip } = options
  const node = await createNode({ key, listen: ['/ip4/127.0.0.1/tcp/0'], ...(gossip === undefined ? {} : { gossip }) })
  const calls: HelloLine[] = []
  const waiting: ((line: HelloLine) => void)[] = []
  await node.handle(helloProtocol(network), async (stream, connection) => {
    const line = lineOn(stream, connection)
    const wake = waiting.shift()
    if (wake === undefined) calls.push(line)
    else wake(line)
    await line.hungUp
  })
  const dial = (peer: Someone): Promise<Connection> => node.dial(peer.addresses())
  return {
    key,
    node,
    hello: (certificate, changes) => ({
      kind: 'hello',
      version: PROTOCOL_VERSION,
      network,
      certificate,
      crl: 0,
      device: new Uint8Array(),
      addresses: node.addresses(),
      ...changes,
    }),
    dial,
    callUp: async (peer) => {
      const connection = await dial(peer)
      return lineOn(await node.open(connection, helloProtocol(network)), connection)
    },
    calledBy: () => {
      const call = calls.shift()
      return call === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(call)
    },
    [Symbol.asyncDispose]: () => node.stop(),
  }
}

const lineOn = (stream: Stream, connection: Connection): HelloLine => {
  const frames = openFrames(stream, { maxFrameBytes: FRAME_MAX_BYTES })
  return {
    connection,
    stream,
    frames,
    say: (message) => frames.send(helloCodec.encode(message)),
    blurt: (bytes) => frames.send(bytes),
    hear: async () => {
      const frame = await frames.receive()
      return isRefusal(frame) ? frame : helloCodec.decode(frame)
    },
    hungUp: closed(connection),
  }
}

export const closed = (connection: Connection): Promise<void> =>
  connection.status === 'open'
    ? new Promise((resolve) => connection.addEventListener('close', () => resolve()))
    : Promise.resolve()
