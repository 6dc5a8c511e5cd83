import { gossipsub, StrictNoSign, type TopicValidatorFn, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Connection, Topology } from '@libp2p/interface'
import type { PeerId } from '../ids.ts'
import { GOSSIP_DATA_MAX_BYTES } from '../limits.ts'
import { peerIdOf } from './peer-id.ts'

/** What a member thinks of a message: `pass` forwards it, `drop` does nothing, `foul` counts against who sent it. */
export type GossipOpinion = 'pass' | 'drop' | 'foul'

type Router = ReturnType<ReturnType<typeof gossipsub>>
type Components = Parameters<ReturnType<typeof gossipsub>>[0]

/** gossipsub, behind a gate: it hears of a connection only once that connection's certificate hello has passed. */
export type Gossip = {
  readonly service: (components: Components) => Router
  /** Lets gossip flow on an admitted connection. */
  connect(connection: Connection): void
  disconnect(connection: Connection): void
  /** Takes part in a topic; `judge` decides about each message that others send. */
  subscribe(topic: string, judge: (data: Uint8Array, from: PeerId) => Promise<GossipOpinion>): void
  /** Takes part no more. */
  unsubscribe(topic: string): void
  publish(topic: string, data: Uint8Array): Promise<void>
}

/** What gossip asks of the house around it. */
export type GossipParts = {
  /** The message id: equal messages have equal ids. */
  readonly idOf: (data: Uint8Array) => Uint8Array
  /** Resolves once the connection's hello has passed, or false when it did not. */
  readonly admitted: (connection: Connection) => Promise<boolean>
}

/** Gossip that is not yet part of a node: `createNode` takes it, and starts its service. */
export const createGossip = (parts: GossipParts): Gossip => {
  const topologies = new Set<Topology>()
  const start = gossipsub({
    globalSignaturePolicy: StrictNoSign, // the records inside are signed by certificate keys
    msgIdFn: (message) => parts.idOf(message.data),
    floodPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    emitSelf: false,
    doPX: false,
    fallbackToFloodsub: false,
    maxInboundDataLength: GOSSIP_DATA_MAX_BYTES,
    // A LAN behind one address, or a demo on one machine, is no attack.
    scoreParams: { IPColocationFactorWeight: 0 },
  })
  let router: Router | null = null

  const service = (components: Components): Router => {
    // gossipsub registers its own handler and topology, outside any guard of ours; so it is given a registrar that waits
    // for admission before a stream reaches it, and that reports a peer as connected only then.
    const { registrar } = components
    const gated: Components['registrar'] = Object.create(registrar)
    gated.handle = (protocol, handler, options) =>
      registrar.handle(
        protocol,
        async (stream, connection) => {
          if (await parts.admitted(connection)) await handler(stream, connection)
          else stream.abort(new Error('not admitted'))
        },
        options,
      )
    gated.register = async (_protocol, topology) => {
      topologies.add(topology)
      return 'gated'
    }
    gated.unregister = () => topologies.clear()
    gated.getTopologies = () => [...topologies]
    const { privateKey, peerId, peerStore, connectionManager, logger } = components
    router = start({ privateKey, peerId, peerStore, connectionManager, logger, registrar: gated })
    return router
  }

  const running = (): Router => {
    if (router === null) throw new Error('the gossip service is not part of a node yet')
    return router
  }

  return {
    service,
    connect: (connection) => {
      for (const topology of topologies) void topology.onConnect?.(connection.remotePeer, connection)
    },
    disconnect: (connection) => {
      for (const topology of topologies) void topology.onDisconnect?.(connection.remotePeer)
    },
    subscribe: (topic, judge) => {
      const validate: TopicValidatorFn = async (from, message) => OPINIONS[await judge(message.data, peerIdOf(from))]
      running().topicValidators.set(topic, validate)
      running().subscribe(topic)
    },
    unsubscribe: (topic) => {
      running().topicValidators.delete(topic)
      running().unsubscribe(topic)
    },
    publish: async (topic, data) => {
      await running().publish(topic, data)
    },
  }
}

const OPINIONS: Record<GossipOpinion, TopicValidatorResult> = {
  pass: TopicValidatorResult.Accept,
  drop: TopicValidatorResult.Ignore,
  foul: TopicValidatorResult.Reject,
}
