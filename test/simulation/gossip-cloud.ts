import { gossipIdOf } from '../../peer/log/gossip.ts'
import { type PeerId, toHex } from '../../shared/ids.ts'
import type { Gossip, GossipOpinion } from '../../shared/network/gossip.ts'
import type { Network, SimulatedConnection } from './network.ts'

type Judge = (data: Uint8Array, from: PeerId) => Promise<GossipOpinion>

const PASSED_ON = 3 // neighbours; gossipsub has 6, and tells the others what it has

/** gossipsub as the house knows it: all neighbours get what is published, or not, and pass on to some what they find good. */
export type SimulatedGossip = Pick<Gossip, 'subscribe' | 'unsubscribe' | 'publish'> & {
  connect(connection: SimulatedConnection): void
  disconnect(connection: SimulatedConnection): void
  /** Sends to one neighbour what an honest member would not. */
  whisper(connection: SimulatedConnection, topic: string, data: Uint8Array): void
}

export const createGossipCloud = (network: Network) => {
  const members = new WeakMap<object, (topic: string, data: Uint8Array, at: SimulatedConnection) => void>()
  const knows = new WeakMap<object, ReadonlySet<string>>()

  return (owner: object, busy: (work: Promise<unknown>) => void): SimulatedGossip => {
    const neighbours = new Set<SimulatedConnection>()
    const topics = new Map<string, Judge>()
    const seen = new Set<string>()

    const send = (connection: SimulatedConnection, topic: string, data: Uint8Array): void =>
      network.fling(connection, `gossip ${data.byteLength}`, (at) => members.get(at.host.owner)?.(topic, data, at))
    knows.set(owner, seen)
    const spread = (topic: string, data: Uint8Array, atMost: number): void => {
      const id = toHex(gossipIdOf(data))
      seen.add(id)
      const without = [...neighbours].filter(({ other }) => knows.get(other.host.owner)?.has(id) !== true)
      for (const connection of without.slice(0, atMost)) send(connection, topic, data)
    }
    members.set(owner, (topic, data, at) => {
      const judge = topics.get(topic)
      if (judge === undefined || !neighbours.has(at) || seen.has(toHex(gossipIdOf(data)))) return
      seen.add(toHex(gossipIdOf(data)))
      busy(
        judge(data, at.remotePeer.toString() as PeerId).then((opinion) => {
          if (opinion === 'pass') spread(topic, data, PASSED_ON)
        }),
      )
    })
    return {
      connect: (connection) => void neighbours.add(connection),
      disconnect: (connection) => void neighbours.delete(connection),
      subscribe: (topic, judge) => void topics.set(topic, judge),
      unsubscribe: (topic) => void topics.delete(topic),
      publish: async (topic, data) => spread(topic, data, Number.POSITIVE_INFINITY),
      whisper: send,
    }
  }
}
