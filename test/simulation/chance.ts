import { sha256 } from '../../shared/ids.ts'
import type { Random } from '../../shared/random.ts'

/** Chance that a seed decides: the same name, the same sequence. It is no source of secrets. */
export type Chance = Random & {
  /** 0 … below − 1 */
  below(below: number): number
  /** Both ends included. */
  between(from: number, to: number): number
  /** True with this probability. */
  odds(probability: number): boolean
  /** @throws RangeError when there is nothing to pick from */
  pick<T>(items: readonly T[]): T
  /** One of the names, each as likely as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name
  shuffled<T>(items: readonly T[]): T[]
  /** Another sequence, of its own: what is drawn from it changes nothing here. */
  fork(name: string): Chance
}

export const createChance = (name: string): Chance => {
  const next = sfc32(sha256(new TextEncoder().encode(name)))
  const unit = (): number => next() / 2 ** 32
  const below = (limit: number): number => Math.floor(unit() * limit)

  const chance: Chance = {
    below,
    between: (from, to) => from + below(to - from + 1),
    odds: (probability) => unit() < probability,
    pick: (items) => {
      const item = items[below(items.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
    weighted: (weights) => {
      const names = Object.keys(weights) as (keyof typeof weights)[]
      let left = unit() * names.reduce((sum, one) => sum + weights[one], 0)
      for (const one of names) {
        left -= weights[one]
        if (left < 0) return one
      }
      return chance.pick(names)
    },
    shuffled: (items) => {
      const left = [...items]
      return items.flatMap(() => left.splice(below(left.length), 1))
    },
    bytes: (length) => {
      const bytes = new Uint8Array(length)
      for (let at = 0; at < length; at += 4) {
        const word = next()
        for (let shift = 0; shift < 4 && at + shift < length; shift++) bytes[at + shift] = word >>> (8 * shift)
      }
      return bytes
    },
    fork: (other) => createChance(`${name}/${other}`),
  }
  return chance
}

/** Chris Doty-Humphrey's sfc32 (PractRand): 32 bits at a time. */
const sfc32 = (seed: Uint8Array): (() => number) => {
  const words = new DataView(seed.buffer, seed.byteOffset)
  let a = words.getUint32(0)
  let b = words.getUint32(4)
  let c = words.getUint32(8)
  let counter = 1
  const next = (): number => {
    const result = (a + b + counter++) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = (((c << 21) | (c >>> 11)) + result) >>> 0
    return result
  }
  for (let round = 0; round < 12; round++) next()
  return next
}
