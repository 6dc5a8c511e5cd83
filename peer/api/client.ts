import type { z } from 'zod'
import { fault } from '../../shared/errors.ts'
import { API_EVENTS_KEPT } from '../../shared/limits.ts'
import type { Peer } from '../peer.ts'
import type { ApiEvent } from './event-json.ts'
import type { BytesOperation, Operation } from './operation.ts'
import { createTeller } from './teller.ts'

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
      const tell = createTeller(peer)
      const end = peer.on((event) => {
        const told = tell(event)
        if (told !== null) listener(told)
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

/**
 * The client of a device that has just started: what happens before anybody listens waits for the first who does, since
 * sessions begin, and messages come, while the rest of the program still loads.
 */
export const listeningClient = (client: Client): Client => {
  let early: ApiEvent[] | null = []
  const endEarly = client.on((event) => {
    if (early !== null && early.length < API_EVENTS_KEPT) early.push(event)
  })
  return {
    ...client,
    on: (listener) => {
      const waiting = early ?? []
      early = null
      endEarly()
      let ended = false
      queueMicrotask(() => {
        for (const event of waiting) if (!ended) listener(event)
      })
      const end = client.on(listener)
      return () => {
        ended = true
        end()
      }
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
