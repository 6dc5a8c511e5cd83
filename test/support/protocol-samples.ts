import type { Field } from './protocol-text.ts'

// Values for the types that the field tables of PROTOCOL.md name: one that a reader must take, others that it must take
// because they lie at the end of what is allowed, and some that it must refuse.

export type Samples = { readonly good: unknown; readonly extreme: readonly unknown[]; readonly bad: readonly unknown[] }
export type Tables = ReadonlyMap<string, readonly Field[]>

/** @throws on a type that the text's notation does not have */
export const samplesOf = (type: string, tables: Tables): Samples => {
  const choices = type.split(' or ')
  if (choices.length > 1) return anyOf(choices.map((choice) => samplesOf(choice, tables)))
  const list = /^list (?:≤ (\d+) )?of (.+)$/.exec(type)
  if (list !== null) return listOf(samplesOf(list[2] ?? '', tables), list[1] === undefined ? null : Number(list[1]))
  const map = /^`([a-z.-]+)`$/.exec(type)
  if (map !== null) return mapOf(map[1] ?? '', tables)
  return plain(type)
}

const plain = (type: string): Samples => {
  const [, word] = /^`?"(.+)"`?$/.exec(type) ?? []
  if (word !== undefined) return { good: word, extreme: [], bad: [`${word}s`, null, 1] }
  if (type === 'null') return { good: null, extreme: [], bad: [] }
  if (/^\d+$/.test(type)) return { good: Number(type), extreme: [], bad: [Number(type) + 1, String(type)] }
  if (type === 'uint') return { good: 5, extreme: [0, Number.MAX_SAFE_INTEGER], bad: [-1, 1.5, 'five', null] }
  if (type === '[uint, uint]') return { good: [1, 2], extreme: [[0, 0]], bad: [[1], [1, 2, 3], [-1, 0], 1] }
  const [, low, high] = /^uint (\d+)–(\d+)$/.exec(type) ?? []
  if (low !== undefined) {
    return { good: Number(low), extreme: [Number(high)], bad: [Number(low) - 1, Number(high) + 1, 0.5] }
  }
  if (type === 'bool') return { good: true, extreme: [false], bad: [0, 'true', null] }
  const [, least, longest] = /^text (\d+)–(\d+)$/.exec(type) ?? []
  if (least !== undefined) {
    const [from, to] = [Number(least), Number(longest)]
    return {
      good: 'x'.repeat(from),
      extreme: ['x'.repeat(to)],
      bad: ['x'.repeat(from - 1), 'x'.repeat(to + 1), new Uint8Array(from)],
    }
  }
  const [, kind, most, size = ''] = /^(bytes|text) (≤ )?(\d+)$/.exec(type) ?? []
  if (kind === undefined) throw new Error(`PROTOCOL.md has a type that is none: ${type}`)
  const make = (length: number): unknown => (kind === 'bytes' ? new Uint8Array(length) : 'x'.repeat(length))
  const length = Number(size)
  const other = kind === 'bytes' ? 'x'.repeat(length) : new Uint8Array(1)
  return most === undefined
    ? { good: make(length), extreme: [], bad: [make(length - 1), make(length + 1), other] }
    : { good: make(Math.min(length, 20)), extreme: [make(0), make(length)], bad: [make(length + 1), other] }
}

const anyOf = (choices: readonly Samples[]): Samples => ({
  good: choices[0]?.good,
  extreme: choices.flatMap(({ good, extreme }) => [good, ...extreme]),
  bad: [...(choices[0]?.bad ?? [])].filter((value) => value !== null),
})

const listOf = ({ good, extreme, bad }: Samples, max: number | null): Samples => ({
  good: [good],
  extreme: [[], ...extreme.map((value) => [value]), ...(max === null ? [] : [new Array(max).fill(good)])],
  bad: [good, ...bad.map((value) => [value]), ...(max === null ? [] : [new Array(max + 1).fill(good)])],
})

const mapOf = (name: string, tables: Tables): Samples => {
  const fields = tables.get(name)
  if (fields === undefined) throw new Error(`PROTOCOL.md has no table ${name}`)
  const parts = fields.map((field) => ({ ...field, ...samplesOf(field.type, tables) }))
  const good = Object.fromEntries(parts.map((part) => [part.name, part.good]))
  const without = (name: string) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))
  const each = (pick: 'extreme' | 'bad') =>
    parts.flatMap((part) => part[pick].map((value) => ({ ...good, [part.name]: value })))
  return {
    good,
    extreme: [...each('extreme'), ...parts.filter(({ optional }) => optional).map((part) => without(part.name))],
    bad: [
      ...each('bad'),
      ...parts.filter(({ optional }) => !optional).map((part) => without(part.name)),
      { ...good, another: 1 },
    ],
  }
}
