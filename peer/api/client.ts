import type { z } from 'zod'
import { fault } from '../../shared/errors.ts'
import type { Peer } from '../peer.ts'
import { type ApiEvent, eventJson } from './event-json.ts'
import type { BytesOperation, Operation } from './operation.ts'
import { createPlaces } from './places.ts'

/** A device as its programs see it: the command line, the screen, bots; in the same process or another one. */
export type Client = AsyncDisposable & {
  /** @throws LanyardError with the same code wherever the device runs; `input-invalid` for what the operation does not take */
  call<Input extends z.ZodObject, Output extends z.ZodType>(
    operation: Operation<Input, Output>,
    input: z.input<Input>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<z.output<Output>>
  /** @throws LanyardError as `call`, also in the midst of it */
  read<Input extends z.ZodObject>(operation: BytesOperation<Input>, input: z.input<Input>): AsyncIterable<Uint8Array>
  /** What happens from now on. @returns a function that ends the listening */
  on(listener: (event: ApiEvent) => void): () => void
}

/** The client of a device in this process. Disposing of it leaves the device running. */
export const localClient = (peer: Peer): Client => {
  const ends = new Set<() => void>()
  const never = new AbortController().signal
  return {
    call: async (operation, input, { signal = never } = {}) => {
      const given = parsed(operation.input, input)
      return operation.output.parse(await operation.run(peer, given, signal))
    },
    read: async function* (operation, input) {
      yield* operation.read(peer, parsed(operation.input, input))
    },
    on: (listener) => {
      const places = createPlaces(peer)
      const end = peer.on((event) => {
        places.heard(event)
        listener(eventJson(event, places.of))
      })
      ends.add(end)
      return () => {
        ends.delete(end)
        end()
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const end of ends) end()
    },
  }
}

/** @throws LanyardError `input-invalid` */
export const parsed = <Shape extends z.ZodType>(shape: Shape, input: unknown): z.output<Shape> => {
  const result = shape.safeParse(input)
  if (result.success) return result.data
  const [issue] = result.error.issues
  throw fault('input-invalid', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`)
}
