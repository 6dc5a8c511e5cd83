import type { Chance } from './chance.ts'
import type { Places } from './deeds.ts'
import type { Journal } from './journal.ts'
import type { Network } from './network.ts'
import type { Office } from './people.ts'
import type { Doing, Mischief } from './plan.ts'
import type { SeatOfDevice } from './seat.ts'
import type { Timers } from './timers.ts'

export type MischiefParts = {
  readonly office: Office
  readonly seats: readonly SeatOfDevice[]
  readonly places: Places
  readonly journal: Journal
  readonly network: Network
  readonly timers: Timers
  readonly chance: Chance
}

const KINDS: ReadonlySet<string> = new Set<Mischief['kind']>([
  'equivocate',
  'replay',
  'forge',
  'wrong-boxes',
  'lie-about-keys',
  'write-on',
  'pry',
  'flood',
])

export const isMischief = (doing: Doing): doing is Mischief => KINDS.has(doing.kind)

/** What an evil device does; it has an honest one's parts, a true certificate, and its own key. */
export const createMischief =
  (_parts: MischiefParts) =>
  async (_seat: SeatOfDevice, _what: Mischief): Promise<void> => {}
