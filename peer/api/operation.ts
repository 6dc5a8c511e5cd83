import type { z } from 'zod'
import type { Peer } from '../peer.ts'

/**
 * One thing that may be asked of a device. From the same declaration come its route, its part of the OpenAPI document, and
 * both clients. A refusal is thrown, as a LanyardError. What the output does not name is left out: no secret gets away.
 */
export type Operation<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodType = z.ZodType> = {
  /** `noun.verb` */
  readonly name: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Under `/v1`; `:name` takes the input of that name. The rest of the input is the query of a GET, or the body. */
  readonly path: string
  /** One sentence. */
  readonly summary: string
  readonly input: Input
  readonly output: Output
  run(peer: Peer, input: z.output<Input>, signal: AbortSignal): z.input<Output> | Promise<z.input<Output>>
}

/** One thing that is answered in bytes, piece by piece as they are taken. */
export type BytesOperation<Input extends z.ZodObject = z.ZodObject> = Omit<Operation<Input>, 'run' | 'output'> & {
  readonly method: 'GET'
  /** The media type. */
  readonly type: string
  read(peer: Peer, input: z.output<Input>): AsyncIterable<Uint8Array>
}

export const operation = <Input extends z.ZodObject, Output extends z.ZodType>(
  one: Operation<Input, Output>,
): Operation<Input, Output> => one

export const bytesOperation = <Input extends z.ZodObject>(one: BytesOperation<Input>): BytesOperation<Input> => one
