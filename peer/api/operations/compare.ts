import { z } from 'zod'
import { LanyardError, orThrow } from '../../../shared/errors.ts'
import type { Peer } from '../../peer.ts'
import { operation } from '../operation.ts'
import { findUser } from '../places.ts'

const stateShape = z.enum(['no', 'yes', 'changed'])

/** What two people hold side by side, and whether they did before. */
export const comparisonShape = z.object({
  user: z.string(),
  number: z.array(z.string()).readonly().describe('12 groups of 5 digits: the same on both screens'),
  link: z.string().describe('for a QR code; the same on both screens'),
  ours: z.array(z.string()).readonly().describe('devices of ours that it covers'),
  theirs: z.array(z.string()).readonly().describe('… and of theirs'),
  state: stateShape.describe('whether they were compared before; changed: devices have come since'),
})
export type ComparisonJson = z.output<typeof comparisonShape>

const user = z.string().describe('with or without @')

const comparisonOf = (peer: Peer, word: string): ComparisonJson => {
  const name = orThrow(findUser(peer, word))
  return { ...peer.comparisons.with(name), state: peer.comparisons.stateOf(name) }
}

export const compare = operation({
  name: 'users.compare',
  method: 'GET',
  path: '/users/:user/comparison',
  summary: "A number and a link of all our and all a user's keys, to be held side by side in person.",
  input: z.object({ user }),
  output: comparisonShape,
  run: (peer, { user }) => comparisonOf(peer, user),
})

export const checkScanned = operation({
  name: 'users.check',
  method: 'POST',
  path: '/users/:user/comparison/check',
  summary: 'Whether a link that was scanned from the screen of a user says what ours says; refused where it does not.',
  input: z.object({ user, link: z.string() }),
  output: comparisonShape,
  run: (peer, { user, link }) => {
    const refusal = peer.comparisons.check(orThrow(findUser(peer, user)), link)
    if (refusal !== null) throw new LanyardError(refusal)
    return comparisonOf(peer, user)
  },
})

export const markCompared = operation({
  name: 'users.mark',
  method: 'PUT',
  path: '/users/:user/comparison',
  summary: 'Notes that both screens showed this number; refused when a device has come since.',
  input: z.object({ user, number: z.array(z.string()).readonly() }),
  output: comparisonShape,
  run: (peer, { user, number }) => {
    peer.comparisons.mark(orThrow(findUser(peer, user)), number)
    return comparisonOf(peer, user)
  },
})

export const unmarkCompared = operation({
  name: 'users.unmark',
  method: 'DELETE',
  path: '/users/:user/comparison',
  summary: 'Takes the note back that a user was compared.',
  input: z.object({ user }),
  output: z.object({ user: z.string(), state: stateShape }),
  run: (peer, { user }) => {
    const name = orThrow(findUser(peer, user))
    peer.comparisons.unmark(name)
    return { user: name, state: peer.comparisons.stateOf(name) }
  },
})
