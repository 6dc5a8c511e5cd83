import type { NetworkId } from '../../shared/ids.ts'
import { exchangeLists, type ListHolder } from '../../shared/network/list-exchange.ts'
import type { Connection, Node } from '../../shared/network/node.ts'
import { revocationProtocol } from '../../shared/wire/revocation.ts'
import { membersOnly } from './guard.ts'
import type { Sessions } from './sessions.ts'

export type RevocationParts = {
  readonly node: Node
  readonly network: NetworkId
  readonly sessions: Sessions
  readonly lists: ListHolder
}

export type RevocationExchange = {
  /** Keeps this connection's two ends at one list, as long as it lasts. For the side that dialed. */
  begin(connection: Connection): Promise<void>
}

/** Passes revocation lists on, both ways, on one lasting stream a session. */
export const startRevocationExchange = async (parts: RevocationParts): Promise<RevocationExchange> => {
  const protocol = revocationProtocol(parts.network)
  await parts.node.handle(
    protocol,
    membersOnly(parts.sessions, async (stream) => {
      await exchangeLists(stream, parts.lists)
    }),
  )
  return {
    begin: async (connection) => {
      await exchangeLists(await parts.node.open(connection, protocol), parts.lists)
    },
  }
}
