import { z } from 'zod'
import { eventShape } from './event-json.ts'
import type { BytesOperation, Operation } from './operation.ts'
import { BYTES_OPERATIONS, OPERATIONS } from './operations.ts'
import { refusalShape } from './refusal-json.ts'

export const API_PREFIX = '/v1'

/** A JSON Schema, as far as we look into one. */
export type JsonSchema = { readonly [keyword: string]: unknown } & {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly type?: string
}

export const schemaOf = (shape: z.ZodType, io: 'input' | 'output'): JsonSchema => {
  const { $schema: _, ...schema } = z.toJSONSchema(shape, { io, unrepresentable: 'any' }) as JsonSchema
  return schema
}

/** The whole of the local API (OpenAPI 3.1.0). */
export const openApiDocument = () => {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const one of [...OPERATIONS, ...BYTES_OPERATIONS]) {
    const path = `${API_PREFIX}${one.path.replace(/:(\w+)/g, '{$1}')}`
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: describe(one) }
  }
  paths[`${API_PREFIX}/events`] = { get: EVENTS }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lanyard: the local API of a device',
      version: '1',
      description:
        'Served on 127.0.0.1 and on a Unix socket in the home, to whoever has the token in its file `api-token`. ' +
        'A place (`room`) is #room, @user, or the beginning of a room id, percent-encoded in a path.',
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'what is in the file api-token' } },
      schemas: { Error: schemaOf(refusalShape, 'output'), Event: schemaOf(eventShape, 'output') },
    },
    paths,
  }
}

const REFUSED = {
  description: 'a refusal, with a code for scripts and words for people',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
}

const EVENTS = {
  operationId: 'events',
  summary: 'A WebSocket: what happens from now on, or from a cursor on, one Event a message.',
  description:
    'Each message is an Event with a `cursor`. The first is `ready`. Whoever comes back gives the cursor of the last one ' +
    'that it has; when that is too old, or of another run, the second is `gap`: what is shown must be read anew.',
  parameters: [{ name: 'cursor', in: 'query', required: false, schema: { type: 'string' } }],
  responses: {
    101: { description: 'the WebSocket' },
    default: REFUSED,
  },
}

const describe = (one: Operation | BytesOperation) => {
  const { properties = {}, required = [] } = schemaOf(one.input, 'input')
  const inPath = [...one.path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  const rest = Object.keys(properties).filter((name) => !inPath.includes(name))
  const asQuery = one.method === 'GET' || one.method === 'DELETE' ? rest : []
  const asBody = asQuery.length > 0 ? [] : rest
  const needed = required.filter((name) => asBody.includes(name))
  return {
    operationId: one.name,
    summary: one.summary,
    tags: [one.name.split('.')[0]],
    parameters: [
      ...inPath.map((name) => ({ name, in: 'path', required: true, schema: properties[name] })),
      ...asQuery.map((name) => ({
        name,
        in: 'query',
        required: required.includes(name),
        schema: properties[name],
      })),
    ],
    ...(asBody.length === 0
      ? {}
      : {
          requestBody: {
            required: needed.length > 0,
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: Object.fromEntries(asBody.map((name) => [name, properties[name]])),
                  ...(needed.length === 0 ? {} : { required: needed }),
                },
              },
            },
          },
        }),
    responses: { 200: answerOf(one), default: REFUSED },
  }
}

const answerOf = (one: Operation | BytesOperation) =>
  'output' in one
    ? { description: 'done', content: { 'application/json': { schema: schemaOf(one.output, 'output') } } }
    : { description: 'the bytes', content: { [one.type]: { schema: { type: 'string', format: 'binary' } } } }
