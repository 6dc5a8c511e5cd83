import type { KeyObject } from 'node:crypto'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { tcp } from '@libp2p/tcp'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { fault } from '../errors.ts'
import type { PeerId } from '../ids.ts'
import {
  CONNECTIONS_MAX,
  DIAL_ADDRESS_MS,
  DIAL_MS,
  INBOUND_CONNECTIONS_PER_SECOND,
  MDNS_INTERVAL_MS,
  READ_BUFFER_BYTES,
  STREAM_WINDOW_BYTES,
  STREAM_WINDOW_MAX_BYTES,
  STREAMS_PER_PROTOCOL,
} from '../limits.ts'
import { firstQuestions } from './first-questions.ts'
import type { Gossip } from './gossip.ts'
import { fastNoise } from './noise.ts'
import { libp2pKeyOf, peerIdOf } from './peer-id.ts'

export type { Connection, Stream } from '@libp2p/interface'

/** What of libp2p the rest of the house uses, in our own words. */
export type Node = {
  readonly peerId: PeerId
  /** Multiaddrs that we listen on, each with our PeerId. */
  addresses(): string[]
  /**
   * Connects to one peer at whichever of its addresses answers.
   * @param addresses multiaddrs of one peer, ending in `/p2p/<PeerId>`; Noise then proves that PeerId
   * @throws LanyardError `unreachable`, `wrong-peer` or `address-malformed`
   */
  dial(addresses: readonly string[], options?: { signal?: AbortSignal }): Promise<Connection>
  /** Opens a stream for a conversation on a live connection. @throws LanyardError `stream-closed` */
  open(connection: Connection, protocol: string, options?: { signal?: AbortSignal }): Promise<Stream>
  /** Answers a conversation. A handler that throws ends its stream, and nothing else. */
  handle(protocol: string, handler: (stream: Stream, connection: Connection) => Promise<void>): Promise<void>
  connections(peer?: PeerId): Connection[]
  /** Each returns a function that ends the listening. */
  onConnection(listener: (connection: Connection) => void): () => void
  onDisconnection(listener: (connection: Connection) => void): () => void
  onDiscovered(listener: (peer: PeerId, addresses: string[]) => void): () => void
  stop(): Promise<void>
}

/** What a node is made of. */
export type NodeParts = {
  /** The device's RSA private key: its certificate's key, and its libp2p identity. */
  readonly key: KeyObject
  /** Multiaddrs to listen on, such as `/ip4/0.0.0.0/tcp/0`. */
  readonly listen: readonly string[]
  /** The mDNS service tag to announce and look for; left out, nothing is sent by multicast. */
  readonly serviceTag?: string
  readonly gossip?: Gossip
}

/** A node that listens. @throws LanyardError `address-in-use` or `address-malformed` */
export const createNode = async (parts: NodeParts): Promise<Node> => {
  const node = await prepareNode(parts)
  await node.start()
  return node
}

/** A node that nobody can reach yet. */
export type PreparedNode = Node & {
  /** Listens, and looks for others: once all that answers them is in its place. @throws LanyardError `address-in-use` */
  start(): Promise<void>
}

/** @throws LanyardError `address-malformed` */
export const prepareNode = async (parts: NodeParts): Promise<PreparedNode> => {
  const listen = parts.listen.map((text) => parseAddress(text).toString())
  const libp2p = await createLibp2p({
    start: false,
    privateKey: libp2pKeyOf(parts.key),
    addresses: { listen },
    transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
    connectionEncrypters: [fastNoise()],
    streamMuxers: [
      yamux({
        streamOptions: {
          initialStreamWindowSize: STREAM_WINDOW_BYTES,
          maxStreamWindowSize: STREAM_WINDOW_MAX_BYTES,
          maxReadBufferLength: READ_BUFFER_BYTES,
        },
      }),
    ],
    peerDiscovery:
      parts.serviceTag === undefined ? [] : [mdns({ serviceTag: parts.serviceTag, interval: MDNS_INTERVAL_MS })],
    connectionManager: {
      maxConnections: CONNECTIONS_MAX,
      addressDialTimeout: DIAL_ADDRESS_MS,
      dialTimeout: DIAL_MS,
      inboundConnectionThreshold: INBOUND_CONNECTIONS_PER_SECOND,
      maxIncomingPendingConnections: INBOUND_CONNECTIONS_PER_SECOND,
    },
    services: {
      identify: identify(),
      ...(parts.gossip === undefined ? {} : { gossip: parts.gossip.service }),
      ...(parts.serviceTag === undefined ? {} : { firstQuestions: firstQuestions(parts.serviceTag) }),
    },
  })
  const start = async (): Promise<void> => {
    try {
      await libp2p.start()
    } catch (cause) {
      throw fault(addressTaken(cause) ? 'address-in-use' : 'fault', listen.join(', '), cause)
    }
  }
  return { ...wrap(libp2p), start }
}

/** libp2p reports one error a transport, with the system's inside. */
const addressTaken = (cause: unknown): boolean =>
  cause instanceof Error &&
  (/EADDRINUSE|EADDRNOTAVAIL|EACCES/.test(cause.message) || cause.name === 'UnsupportedListenAddressesError')

const wrap = (libp2p: Libp2p): Node => ({
  peerId: peerIdOf(libp2p.peerId),
  addresses: () => libp2p.getMultiaddrs().map(String),
  dial: async (addresses, options) => {
    const targets = addresses.map(parseAddress)
    let connection: Connection
    try {
      connection = await libp2p.dial(targets, options)
    } catch (cause) {
      throw fault('unreachable', addresses.join(', ') || 'no address known', cause)
    }
    const reached = peerIdOf(connection.remotePeer)
    if (addresses.every((address) => address.endsWith(`/p2p/${reached}`))) return connection
    connection.abort(new Error('another peer than the address names'))
    throw fault('wrong-peer', addresses.join(', '))
  },
  open: async (connection, protocol, options) => {
    try {
      return await connection.newStream(protocol, { maxOutboundStreams: STREAMS_PER_PROTOCOL, ...options })
    } catch (cause) {
      throw fault('stream-closed', protocol, cause)
    }
  },
  handle: (protocol, handler) =>
    libp2p.handle(
      protocol,
      async (stream, connection) => {
        try {
          await handler(stream, connection)
        } catch (error) {
          stream.abort(error instanceof Error ? error : new Error(String(error)))
        }
      },
      { maxInboundStreams: STREAMS_PER_PROTOCOL, maxOutboundStreams: STREAMS_PER_PROTOCOL },
    ),
  connections: (peer) =>
    libp2p.getConnections().filter((one) => peer === undefined || peerIdOf(one.remotePeer) === peer),
  onConnection: (listener) =>
    listen(libp2p, 'connection:open', ({ detail }) => {
      if (isWhoWasDialed(detail)) listener(detail)
    }),
  onDisconnection: (listener) => listen(libp2p, 'connection:close', (event) => listener(event.detail)),
  onDiscovered: (listener) =>
    listen(libp2p, 'peer:discovery', (event) =>
      listener(
        peerIdOf(event.detail.id),
        event.detail.multiaddrs.map((address) => withPeer(address, event.detail.id.toString())),
      ),
    ),
  stop: async () => {
    await libp2p.stop()
  },
})

/**
 * Whether it leads to the peer that its address names; an address may have passed to another, and `dial` then ends the
 * connection. libp2p compares the PeerId only where it can read the key out of it, which of an RSA PeerId it can't.
 */
const isWhoWasDialed = ({ direction, remoteAddr, remotePeer }: Connection): boolean => {
  const address = remoteAddr.toString()
  return direction === 'inbound' || !address.includes('/p2p/') || address.endsWith(`/p2p/${peerIdOf(remotePeer)}`)
}

const listen = <Name extends 'connection:open' | 'connection:close' | 'peer:discovery'>(
  libp2p: Libp2p,
  name: Name,
  listener: Parameters<typeof libp2p.addEventListener<Name>>[1],
): (() => void) => {
  libp2p.addEventListener(name, listener)
  return () => libp2p.removeEventListener(name, listener)
}

const parseAddress = (text: string): Multiaddr => {
  try {
    return multiaddr(text)
  } catch (cause) {
    throw fault('address-malformed', text, cause)
  }
}

const withPeer = (address: Multiaddr, peer: string): string => {
  const text = address.toString()
  return text.includes('/p2p/') ? text : `${text}/p2p/${peer}`
}
