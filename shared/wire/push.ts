import type { NetworkId } from '../ids.ts'
import { protocolId } from './protocol.ts'

/**
 * Fresh records of rooms that gossip does not carry: one lasting stream each way a session, on which only its opener
 * speaks. Each frame is what a gossip message is: one to GOSSIP_MAX_RECORDS records of one room, one behind the other. A
 * sender drops what does not flow; sync makes it certain.
 */
export const pushProtocol = (network: NetworkId): string => protocolId(network, 'push')
