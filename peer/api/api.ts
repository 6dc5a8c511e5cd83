import { chmod, rm } from 'node:fs/promises'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { replaceFile } from '../../shared/folder.ts'
import { toHex } from '../../shared/ids.ts'
import { API_CONNECTIONS_MAX, API_REQUEST_MS, API_TOKEN_BYTES } from '../../shared/limits.ts'
import type { Random } from '../../shared/random.ts'
import type { Peer } from '../peer.ts'
import { changeSettings, isFree, readSettings } from '../settings.ts'
import { answerBroken } from './broken-request.ts'
import { watchSockets } from './event-socket.ts'
import { createFeed } from './feed.ts'
import { forgetRunning, noteRunning, socketPath, tokenPath } from './running.ts'
import { createServer } from './server.ts'
import { createTeller } from './teller.ts'

/** The local API of a device that runs. */
export type Api = {
  /** As `http://127.0.0.1:4200`. */
  readonly url: string
  readonly stop: () => Promise<void>
}

export type ApiParts = {
  readonly home: string
  readonly peer: Peer
  /** The command that runs, for whoever comes second. */
  readonly command: string
  readonly random: Random
}

/**
 * Serves the API on 127.0.0.1 and on a socket in the home, with a new token in the home. To be called by whoever has the
 * lock of the home's database: what an earlier process left there is replaced.
 */
export const startApi = async ({ home, peer, command, random }: ApiParts): Promise<Api> => {
  const token = toHex(random.bytes(API_TOKEN_BYTES))
  const feed = createFeed(toHex(random.bytes(RUN_BYTES)))
  const tell = createTeller(peer)
  const bySocket = new WeakSet<IncomingMessage>()
  let port = 0
  const server = await createServer({ peer, feed, token, portOf: (raw) => (bySocket.has(raw) ? null : port) })
  const { apiPort = 0 } = await readSettings(home)
  await server.listen({ host: HOST, port: (await isFree(apiPort, HOST)) ? apiPort : 0 })
  port = (server.server.address() as AddressInfo).port
  server.server.maxConnections = API_CONNECTIONS_MAX
  if (port !== apiPort) await changeSettings(home, { apiPort: port })

  const beside = createHttpServer(
    { headersTimeout: API_REQUEST_MS, requestTimeout: API_REQUEST_MS },
    (raw, response) => {
      bySocket.add(raw)
      server.routing(raw, response)
    },
  )
  beside.on('upgrade', (raw, socket, head) => {
    bySocket.add(raw)
    server.server.emit('upgrade', raw, socket, head)
  })
  beside.on('clientError', answerBroken)
  beside.maxConnections = API_CONNECTIONS_MAX
  const path = await listenAt(beside, socketPath(home))

  await replaceFile(tokenPath(home), token)
  await noteRunning(home, { pid: process.pid, command, port, socket: path })
  const endEvents = peer.on((event) => {
    const told = tell(event)
    if (told !== null) feed.put(told)
  })
  const endWatch = watchSockets(server.websocketServer)
  return {
    url: `http://${HOST}:${port}`,
    stop: async () => {
      endEvents()
      endWatch()
      await forgetRunning(home)
      await rm(tokenPath(home), { force: true })
      beside.close()
      await server.close()
      beside.closeAllConnections()
      if (path !== null) await rm(path, { force: true })
    },
  }
}

const HOST = '127.0.0.1'
const RUN_BYTES = 8

/** @returns the path; null where there can be no such socket, as of a path of more than some 100 bytes */
const listenAt = async (server: ReturnType<typeof createHttpServer>, path: string): Promise<string | null> => {
  await rm(path, { force: true }) // of a process that was killed: the home is ours
  const { promise, resolve } = Promise.withResolvers<boolean>()
  server.once('error', () => resolve(false))
  server.listen(path, () => resolve(true))
  if (!(await promise)) return null
  await chmod(path, 0o600) // the home itself is its owner's alone
  return path
}
