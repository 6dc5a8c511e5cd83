import type { Connection, Stream } from '../shared/network/node.ts'

type Handler = (stream: Stream, connection: Connection) => Promise<void>

/**
 * The conversations under way. When the CA stops, nobody is left half enrolled: who can still be told of a certificate is,
 * and for anybody else none is made.
 */
export type Talks = {
  /** Notes a conversation as long as it lasts; once `end` was called none begins. */
  lead(handler: Handler): Handler
  /** Asked before a certificate is written down: whether there is time to hand it over in this conversation. */
  mayIssue(stream: Stream): boolean
  /**
   * Gives all conversations `graceMs` milliseconds to come to their end, then lets no more certificates be made, and gives
   * those that were as long again to reach their owners.
   */
  end(graceMs: number): Promise<void>
}

export const createTalks = (): Talks => {
  const running = new Map<Stream, Promise<void>>()
  const issuing = new Set<Stream>()
  let state: 'open' | 'ending' | 'over' = 'open'
  return {
    lead: (handler) => (stream, connection) => {
      if (state !== 'open') {
        stream.abort(new Error('stopping'))
        return Promise.resolve()
      }
      const talk = handler(stream, connection).finally(() => {
        running.delete(stream)
        issuing.delete(stream)
      })
      running.set(stream, talk)
      return talk
    },
    mayIssue: (stream) => {
      if (state !== 'over') issuing.add(stream)
      return state !== 'over'
    },
    end: async (graceMs) => {
      state = 'ending'
      await within(graceMs, [...running.values()])
      state = 'over'
      await within(
        graceMs,
        [...issuing].map((stream) => running.get(stream)),
      )
    },
  }
}

/** Resolves once all have settled, or after `ms` milliseconds. */
const within = async (ms: number, all: readonly (Promise<void> | undefined)[]): Promise<void> => {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, ms)
  await Promise.race([Promise.allSettled(all), late.promise])
  clearTimeout(timer)
}
