import { Readable } from 'node:stream'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import websocket from '@fastify/websocket'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { fault, LanyardError, type Refusal, refusalOf, refuse } from '../../shared/errors.ts'
import { API_BODY_MAX_BYTES, API_REQUEST_MS, API_SOCKETS_MAX } from '../../shared/limits.ts'
import type { Code } from '../../shared/words.ts'
import type { Peer } from '../peer.ts'
import { answerBroken } from './broken-request.ts'
import { parsed } from './client.ts'
import { checkToken, knock } from './doorkeeper.ts'
import type { ApiEvent } from './event-json.ts'
import { serveEvents } from './event-socket.ts'
import type { Feed } from './feed.ts'
import { API_PREFIX, openApiDocument } from './openapi.ts'
import { BYTES_OPERATIONS, OPERATIONS } from './operations.ts'
import { refusalJson } from './refusal-json.ts'
import { createReading } from './request-input.ts'

export type ServerParts = {
  readonly peer: Peer
  readonly feed: Feed
  readonly token: string
  /** The port that a request came to; null for the Unix socket. */
  readonly portOf: (request: FastifyRequest['raw']) => number | null
}

/** The local API, which listens nowhere yet. Every way in passes the same hook first, also to what there is not. */
export const createServer = async ({ peer, feed, token, portOf }: ServerParts): Promise<FastifyInstance> => {
  const server = Fastify({
    bodyLimit: API_BODY_MAX_BYTES,
    requestTimeout: API_REQUEST_MS,
    http: { headersTimeout: API_REQUEST_MS },
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_MAX },
    exposeHeadRoutes: false,
    clientErrorHandler: answerBroken,
    // What never comes to a route or a hook: a path that is no path.
    frameworkErrors: (error, _request, reply) => void answer(reply, refuse('input-invalid', error.message)),
  })
  server.setErrorHandler((error, _request, reply) => answer(reply, refusalIn(error)))
  server.setNotFoundHandler((request, reply) => answer(reply, refuse('api-unknown', request.url)))
  // Before our hook: what that turns away of an upgrade, this one closes.
  await server.register(websocket, { options: { maxPayload: SAID_MAX }, preClose: endSockets })
  server.addHook('onRequest', async ({ raw, headers: { host, origin, authorization }, url }, reply) => {
    reply.headers(HEADERS)
    const refusal =
      knock({ port: portOf(raw), host, origin, authorization }) ??
      (OPEN.test(url) ? null : checkToken({ authorization }, token))
    if (refusal !== null) throw new LanyardError(refusal)
  })
  await server.register(swagger, { mode: 'static', specification: { document: openApiDocument() as never } })
  await server.register(swaggerUi, { routePrefix: DOCS, staticCSP: true, uiConfig: { persistAuthorization: false } })

  server.get(`${API_PREFIX}/openapi.json`, () => server.swagger())
  server.route<{ Querystring: { cursor?: string } }>({
    method: 'GET',
    url: `${API_PREFIX}/events`,
    preHandler: async () => {
      if (server.websocketServer.clients.size >= API_SOCKETS_MAX) throw fault('api-busy')
    },
    handler: () => {
      throw fault('input-invalid', 'this is a WebSocket')
    },
    wsHandler: (socket, request) => {
      const { cursor } = request.query as { readonly cursor?: unknown }
      serveEvents(socket, { feed, ready: readyOf(peer), cursor: typeof cursor === 'string' ? cursor : undefined })
    },
  })
  for (const one of OPERATIONS) {
    const read = createReading(one)
    server.route({
      method: one.method,
      url: API_PREFIX + one.path,
      handler: async (request, reply) => {
        const input = parsed(one.input, read(request))
        return one.output.parse(await one.run(peer, input, signalOf(reply)))
      },
    })
  }
  for (const one of BYTES_OPERATIONS) {
    const read = createReading(one)
    server.route({
      method: one.method,
      url: API_PREFIX + one.path,
      handler: async (request, reply) => {
        const pieces = one.read(peer, parsed(one.input, read(request)))[Symbol.asyncIterator]()
        const first = await pieces.next() // what is refused is refused in words, not by half a file
        return reply.type(one.type).send(Readable.from(inTurn(first, pieces)))
      },
    })
  }
  return server
}

const DOCS = `${API_PREFIX}/docs`
/** What says nothing of this device: the description of the API, and the page that shows it. */
const OPEN = new RegExp(`^${API_PREFIX}/(openapi\\.json$|docs(/|$))`)
const PARAMETER_MAX = 1_024 // characters: a room's name of 64, percent-encoded
const SAID_MAX = 1_024 // bytes: a program that listens has nothing to say
const HEADERS = {
  'cache-control': 'no-store',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

const STATUS: Partial<Readonly<Record<Code, number>>> = {
  'input-invalid': 400,
  'address-malformed': 400,
  'api-token-wrong': 401,
  'api-host-foreign': 403,
  'api-origin-foreign': 403,
  'api-unknown': 404,
  'room-unknown': 404,
  'user-unknown': 404,
  'message-unknown': 404,
  'file-not-held': 404,
  'api-too-large': 413,
  'message-too-long': 413,
  fault: 500,
  'storage-failed': 500,
  'api-busy': 503,
}
const REFUSED = 409 // it was understood, and can not be done as things are

const answer = (reply: FastifyReply, refusal: Refusal) =>
  reply
    .code(STATUS[refusal.code] ?? REFUSED)
    .type('application/json')
    .send(refusalJson(refusal))

const refusalIn = (error: unknown): Refusal => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return refuse('api-too-large')
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 0
  if (status >= 400 && status < 500 && error instanceof Error) return refuse('input-invalid', error.message)
  return refusalOf(error)
}

const readyOf = (peer: Peer): ApiEvent => ({
  event: 'ready',
  user: peer.self.user,
  device: peer.self.peerId,
  network: peer.network.id,
  addresses: peer.addresses(),
})

/** Aborted when whoever asked has gone. */
const signalOf = ({ raw }: FastifyReply): AbortSignal => {
  const controller = new AbortController()
  raw.once('close', () => controller.abort())
  return controller.signal
}

const inTurn = async function* (first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>) {
  try {
    for (let piece = first; piece.done !== true; piece = await rest.next()) yield piece.value
  } finally {
    await rest.return?.()
  }
}

const GOODBYE_MS = 200 // for those who listen to read that this device stops

/** Says goodbye, and does not wait for who does not answer. */
function endSockets(this: FastifyInstance, done: () => void): void {
  const { clients } = this.websocketServer
  for (const client of clients) client.close(1001, 'stopped')
  if (clients.size === 0) {
    done()
    return
  }
  setTimeout(() => {
    for (const client of clients) client.terminate()
    done()
  }, GOODBYE_MS)
}
