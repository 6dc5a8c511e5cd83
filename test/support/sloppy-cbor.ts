/** One way in which CBOR can say the same, or nearly the same, and which our decoder must refuse. */
export type Sloppiness =
  | 'long lengths'
  | 'indefinite maps'
  | 'indefinite texts'
  | 'duplicate keys'
  | 'tags'
  | 'floats'
  | 'number keys'
  | 'undefined added'
  | '__proto__ added'

/** Encodes maps, arrays, texts, bytes, whole numbers and null as RFC 8949 says, but for one thing. */
export const sloppy = (value: unknown, fault: Sloppiness | null = null): Uint8Array =>
  Buffer.concat(parts(value, fault))

const parts = (value: unknown, fault: Sloppiness | null): Buffer[] => {
  if (value === null) return [Buffer.of(0xf6)]
  if (value === undefined) return [Buffer.of(0xf7)]
  if (typeof value === 'boolean') return [Buffer.of(value ? 0xf5 : 0xf4)]
  if (typeof value === 'number') return [fault === 'floats' ? float(value) : head(0, value, fault)]
  if (typeof value === 'string') return textParts(value, fault)
  if (value instanceof Uint8Array) return [head(2, value.byteLength, fault), Buffer.from(value)]
  if (Array.isArray(value)) return [head(4, value.length, fault), ...value.flatMap((item) => parts(item, fault))]
  return mapParts(Object.entries(value as object), fault)
}

const mapParts = (entries: readonly (readonly [string, unknown])[], fault: Sloppiness | null): Buffer[] => {
  const [first] = entries
  const names = entries.map(([name]) => name)
  const all = [
    ...entries.filter(([, value]) => value !== undefined),
    ...(fault === 'duplicate keys' && first !== undefined ? [first] : []),
    // `key` is the one field of the wire that may be left out.
    ...(fault === 'undefined added' ? [[names.includes('key') ? 'more' : 'key', undefined] as const] : []),
    ...(fault === '__proto__ added' ? [['__proto__', { more: 1 }] as const] : []),
  ]
  // RFC 8949 §4.2.1: keys in the order of their encodings, of which the shorter come first here
  const sorted = all.toSorted(([a], [b]) => a.length - b.length || (a < b ? -1 : 1))
  const inside = sorted.flatMap(([key, value], at) => [
    ...(fault === 'number keys' && at === 0 ? [head(0, 1, fault)] : textParts(key, fault)),
    ...parts(value, key === '__proto__' ? null : fault),
  ])
  if (fault === 'indefinite maps') return [Buffer.of(0xbf), ...inside, Buffer.of(0xff)]
  return [...(fault === 'tags' ? [Buffer.of(0xd9, 0xd9, 0xf7)] : []), head(5, all.length, fault), ...inside]
}

const textParts = (value: string, fault: Sloppiness | null): Buffer[] => {
  const bytes = Buffer.from(value)
  const whole = [head(3, bytes.byteLength, fault), bytes]
  return fault === 'indefinite texts' ? [Buffer.of(0x7f), ...whole, Buffer.of(0xff)] : whole
}

/** Major type and argument (RFC 8949 §3): as short as it goes, or a size longer. */
const head = (major: number, argument: number, fault: Sloppiness | null): Buffer => {
  const sizes = [argument < 24, argument < 2 ** 8, argument < 2 ** 16, argument < 2 ** 32, true]
  const shortest = sizes.indexOf(true)
  const size = Math.min(4, shortest + (fault === 'long lengths' ? 1 : 0))
  const first = major << 5
  const bytes = Buffer.alloc(9)
  bytes.writeBigUInt64BE(BigInt(argument), 1)
  if (size === 0) return Buffer.of(first | argument)
  const width = 2 ** (size - 1)
  return Buffer.concat([Buffer.of(first | (23 + size)), bytes.subarray(9 - width)])
}

const float = (value: number): Buffer => {
  const bytes = Buffer.alloc(9, 0xfb)
  bytes.writeDoubleBE(value, 1)
  return bytes
}
