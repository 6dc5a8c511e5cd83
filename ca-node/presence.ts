import type { Clock } from '../shared/clock.ts'
import { refusalOf } from '../shared/errors.ts'
import { PRESENCE_MS } from '../shared/limits.ts'
import type { Log } from './enrolment-handler.ts'
import type { Registry } from './registry.ts'

export type PresenceParts = {
  readonly registry: Pick<Registry, 'setAddresses'>
  /** Names this process among those that serve one database. */
  readonly process: string
  readonly addresses: () => readonly string[]
  readonly clock: Clock
  readonly log: Log
}

/** Writes down where this process listens, for invites, now and again and again: one that is gone for good is forgotten. */
export const startPresence = async (parts: PresenceParts): Promise<{ stop(): Promise<void> }> => {
  const { registry, process, addresses, clock, log } = parts
  const tell = () => registry.setAddresses(process, addresses(), clock.now())
  await tell()
  let telling: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    telling = tell().catch((error: unknown) => log('presence-failed', { reason: refusalOf(error).code }))
  }, PRESENCE_MS)
  return {
    stop: async () => {
      clearInterval(timer)
      await telling
    },
  }
}
