import { readFile } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { fault, LanyardError, refuse } from '../../shared/errors.ts'
import { type Client, parsed } from './client.ts'
import type { ApiEvent } from './event-json.ts'
import { API_PREFIX } from './openapi.ts'
import type { BytesOperation, Operation } from './operation.ts'
import { refusalIn, refusalShape } from './refusal-json.ts'
import { listenToEvents } from './remote-events.ts'
import { carry } from './request-input.ts'
import { type Door, readRunning, tokenPath } from './running.ts'

/** The device that runs in a home. @throws LanyardError `api-not-running` */
export const connect = async ({ home }: { readonly home: string }): Promise<Client> => {
  const client = await connectIfRunning(home)
  if (client === null) throw fault('api-not-running', home)
  return client
}

/** As `connect`; null when no device runs there, or one that does its own thing and leaves. */
export const connectIfRunning = async (home: string): Promise<Client | null> => {
  const running = await readRunning(home)
  if (running === null || (running.port === null && running.socket === null)) return null
  const token = await readFile(tokenPath(home), 'utf8').catch(() => null)
  return token === null ? null : remoteClient({ ...running, token: token.trim() })
}

const remoteClient = (door: Door): Client => {
  const agent = new Agent({ keepAlive: true })
  let events: ReturnType<typeof listenToEvents> | null = null
  const listeners = new Set<(event: ApiEvent) => void>()

  const ask = async (
    one: Operation | BytesOperation,
    input: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> => {
    await events?.opened // what a call leads to must not be missed by who listened before it
    const { path, query, body } = carry(one, input)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const asking = request({
      ...placeOf(door),
      agent,
      method: one.method,
      path: `${API_PREFIX}${path}${query === '' ? '' : `?${query}`}`,
      headers: {
        authorization: `Bearer ${door.token}`,
        ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
      ...(signal === undefined ? {} : { signal }),
    })
    asking.once('response', resolve)
    asking.once('error', (cause) =>
      reject(
        signal?.aborted === true ? fault('given-up', one.name, cause) : fault('api-not-running', cause.message, cause),
      ),
    )
    asking.end(body ?? undefined)
    const response = await promise
    if (response.statusCode === 200) return response
    const refused = refusalShape.safeParse(JSON.parse(await textOf(response)))
    throw new LanyardError(refused.success ? refusalIn(refused.data) : refuse('fault', `status ${response.statusCode}`))
  }

  return {
    call: async (operation, input, { signal } = {}) => {
      parsed(operation.input, input) // refused here as there
      const response = await ask(operation, input, signal)
      return operation.output.parse(JSON.parse(await textOf(response)))
    },
    read: async function* (operation, input) {
      parsed(operation.input, input)
      const response = await ask(operation, input)
      try {
        yield* response
      } catch (cause) {
        throw fault('stream-closed', operation.name, cause)
      }
    },
    on: (listener) => {
      listeners.add(listener)
      events ??= listenToEvents(door, (event) => {
        for (const one of listeners) one(event)
      })
      return () => listeners.delete(listener)
    },
    [Symbol.asyncDispose]: async () => {
      listeners.clear()
      events?.stop()
      agent.destroy()
    },
  }
}

/** The socket where there is one: whatever else listens on the port after a crash, nobody else is in our home. */
const placeOf = ({ socket, port }: Door) =>
  socket === null ? { host: '127.0.0.1', port: port ?? undefined } : { socketPath: socket }

const textOf = async (response: IncomingMessage): Promise<string> => {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of response) pieces.push(piece as Uint8Array)
  } catch (cause) {
    throw fault('api-not-running', 'it stopped in the middle of an answer', cause)
  }
  return Buffer.concat(pieces).toString()
}
