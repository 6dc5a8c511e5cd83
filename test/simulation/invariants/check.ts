import type { createRack } from '../disk.ts'
import { gather } from '../evidence.ts'
import { referencesOf } from '../reference.ts'
import type { World } from '../world.ts'
import { allRead, sameRooms } from './agreement.ts'
import { chainsAndForks, noIndexTwice, nothingAfterRemoval } from './chains.ts'
import { fewRotations, oneSecret } from './keys.ts'
import { anyOrder } from './order.ts'
import { nothingForTheRemoved } from './secrecy.ts'
import { stolenState } from './theft.ts'

const gathered = async (details: AsyncIterable<string>): Promise<string[]> => {
  const all: string[] = []
  for await (const detail of details) all.push(detail)
  return all
}

/** What must be true at the end of every run, by the numbers of the issue that asked for it; and that it ends at all. */
export const INVARIANTS = {
  rest: 'it comes to rest, and nothing is thrown that nobody catches',
  1: 'equal members and equal visible history at all members',
  2: 'every member reads what its history policy grants: none lost, none twice, in one order',
  3: 'a removed or revoked device opens nothing whose author knew, and nobody serves it',
  4: 'nothing by a removed author is taken that the removal does not cover',
  5: 'numbers without a gap, an intact chain, each equivocation known to all',
  6: 'any order of delivery gives the same state',
  7: 'all recipients of an epoch open the same secret',
  8: 'stolen state opens nothing past the prekey window, and nothing after the next rotations',
  9: 'no send waits for a peer',
  10: 'rotations are bounded',
  11: 'no number, and no index of an epoch, is used twice',
} as const

export type Violation = { readonly invariant: keyof typeof INVARIANTS; readonly detail: string }

export const check = async (world: World, rack: ReturnType<typeof createRack>): Promise<readonly Violation[]> => {
  const found: Violation[] = []
  const note = (invariant: Violation['invariant'], details: Iterable<string>): void => {
    for (const detail of details) found.push({ invariant, detail })
  }
  const { journal } = world
  note('rest', world.calm ? journal.faults : [...journal.faults, 'after a quarter of an hour it still changes'])
  note(9, journal.waited)
  const evidence = gather(world)
  const references = referencesOf(evidence)
  note(11, noIndexTwice(evidence))
  for (const reference of references) {
    const { room } = reference
    const at = (details: Iterable<string>): string[] =>
      [...details].map((detail) => `${reference.kind} room ${room.slice(0, 6)}: ${detail}`)
    note(1, at(sameRooms(evidence, reference)))
    note(2, at(allRead(evidence, reference)))
    note(4, at(nothingAfterRemoval(evidence, reference)))
    note(5, at(chainsAndForks(evidence, reference)))
    note(7, at(oneSecret(evidence, reference)))
    note(10, at(fewRotations(evidence, reference)))
    note(3, at(await gathered(nothingForTheRemoved(evidence, reference))))
  }
  note(8, await gathered(stolenState(evidence, references, rack)))
  note(6, await gathered(anyOrder(evidence, references)))
  return found
}
