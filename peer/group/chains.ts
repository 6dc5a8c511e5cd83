import { firstWhere } from './bisect.ts'
import type { Fact } from './fact.ts'
import { nameOf, type Past } from './knowledge.ts'

/**
 * Facts by the log that they stand in, each log in its order. Who knows one of a log knows all before it, and what knows of
 * something is followed by what knows of it too: so a look at each log tells what would take a look at each fact.
 */
export type Chains<F extends Fact = Fact> = ReadonlyMap<string, readonly F[]>

/** In its place, whenever it comes. */
export const addTo = <F extends Fact>(chains: Map<string, F[]>, fact: F): void => {
  const name = nameOf(fact.log)
  const chain = chains.get(name) ?? []
  if (chain.length === 0) chains.set(name, chain)
  const place = firstWhere(chain, ({ seq }) => seq > fact.seq)
  chain.splice(place, 0, fact)
}

/** All of them, log by log. */
export const allOf = <F extends Fact>(chains: Chains<F>): readonly F[] => [...chains.values()].flat()

/** Of each log the first fact. */
export const firstOf = (chains: Chains): readonly Fact[] => each(chains, (chain) => chain[0])

/** Of each log the last fact. */
export const lastOf = (chains: Chains): readonly Fact[] => each(chains, (chain) => chain.at(-1))

/** Of each log the last fact that is known. */
export const lastKnown = (chains: Chains, past: Past): readonly Fact[] =>
  each(chains, (chain) => chain[firstWhere(chain, ({ hash }) => !past.has(hash)) - 1])

/** Of each log the first fact that is not known. */
export const firstUnknown = (chains: Chains, past: Past): readonly Fact[] =>
  each(chains, (chain) => chain[firstWhere(chain, ({ hash }) => !past.has(hash))])

/** Of each log the first fact whose author knew this one. */
export const firstKnowing = (chains: Chains, fact: Fact): readonly Fact[] =>
  each(chains, (chain) => chain[firstWhere(chain, ({ past }) => past.has(fact.hash))])

const each = (chains: Chains, pick: (chain: readonly Fact[]) => Fact | undefined): readonly Fact[] =>
  [...chains.values()].map(pick).filter((fact) => fact !== undefined)
