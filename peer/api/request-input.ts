import { type JsonSchema, schemaOf } from './openapi.ts'
import type { BytesOperation, Operation } from './operation.ts'

/** Where the input of an operation travels: in the path, the query, or the body. */
export type Carried = { readonly path: string; readonly query: string; readonly body: string | null }

const inQuery = ({ method }: Pick<Operation, 'method'>): boolean => method === 'GET' || method === 'DELETE'

/** The request that asks for this. */
export const carry = (one: Operation | BytesOperation, input: Readonly<Record<string, unknown>>): Carried => {
  const rest = new Map(Object.entries(input).filter(([, value]) => value !== undefined))
  const path = one.path.replace(/:(\w+)/g, (_, name: string) => {
    const value = rest.get(name)
    rest.delete(name)
    return encodeURIComponent(String(value))
  })
  if (!inQuery(one)) return { path, query: '', body: JSON.stringify(Object.fromEntries(rest)) }
  return {
    path,
    query: String(new URLSearchParams([...rest].map(([name, value]) => [name, String(value)]))),
    body: null,
  }
}

/** What came in a request, as the operation's input, not yet parsed: words of a query become what its schema says. */
export const createReading = (one: Operation | BytesOperation) => {
  const { properties = {} } = schemaOf(one.input, 'input')
  return ({ params, query, body }: { readonly params: unknown; readonly query: unknown; readonly body: unknown }) => ({
    ...(inQuery(one) ? fromWords(query, properties) : isObject(body) ? body : {}),
    ...(isObject(params) ? params : {}),
  })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const fromWords = (query: unknown, properties: Readonly<Record<string, JsonSchema>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(isObject(query) ? query : {}).map(([name, word]) => [name, fromWord(word, properties[name])]),
  )

const fromWord = (word: unknown, schema: JsonSchema | undefined): unknown => {
  if (typeof word !== 'string') return word
  if (schema?.type === 'boolean') return word === 'true' ? true : word === 'false' ? false : word
  if (schema?.type === 'integer' || schema?.type === 'number') return word.trim() === '' ? word : Number(word)
  return word
}
