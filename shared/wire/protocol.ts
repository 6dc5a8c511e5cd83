import { type NetworkId, networkPrefix } from '../ids.ts'

/** The one version of the protocol that this code speaks; it is part of each protocol id, and of the hello. */
export const PROTOCOL_VERSION = 1

/** `/lanyard/<10 characters of the network id>/<name>/1`: two networks on one LAN never mix. */
export const protocolId = (network: NetworkId, name: string): string =>
  `/lanyard/${networkPrefix(network)}/${name}/${PROTOCOL_VERSION}`

/** The mDNS service of a network's peers; a service label has at most 15 characters (RFC 6763 §7.2). */
export const serviceTag = (network: NetworkId): string => `_ly-${networkPrefix(network)}._udp.local`
