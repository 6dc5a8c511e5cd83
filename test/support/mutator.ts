import { contentOf, lengthOf, type Node, nodeAt, type Place, placesIn, replaceAt } from './der-tree.ts'

// Bends DER in every way that a reader could fall for. Each way has a name, so that a finding can be made again.

/** One way to bend a tree; the name says what, and where. */
export type Bend = { readonly name: string; readonly apply: (tree: Node) => Node }

/** Numbers from 0 to below the bound, the same ones again for the same seed (mulberry32). */
export type Dice = (bound: number) => number

export const dice = (seed: number): Dice => {
  let state = seed >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

type Change = readonly [name: string, to: (node: Node) => readonly Node[]]

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'))
const text = (latin1: string): Uint8Array => new Uint8Array(Buffer.from(latin1, 'latin1'))
const raw = (...bytes: readonly Uint8Array[]): Node => ({ tag: 0, parts: [], raw: Buffer.concat(bytes) })
const primitive = (node: Node, parts: Uint8Array): Node => ({ tag: node.tag, parts })

const extension = (oid: string, value: string, critical = false): Node => {
  const body = Buffer.from(
    `06${(oid.length / 2).toString(16).padStart(2, '0')}${oid}${critical ? '0101ff' : ''}${value}`,
    'hex',
  )
  return raw(Buffer.of(0x30, body.length), body)
}

/** What stands where it should not. */
const STRANGERS: Readonly<Record<string, Node>> = {
  TRUE: raw(hex('0101ff')),
  'TRUE as 01': raw(hex('010101')),
  FALSE: raw(hex('010100')),
  NULL: raw(hex('0500')),
  'an empty SEQUENCE': raw(hex('3000')),
  'an empty SET': raw(hex('3100')),
  'a zero': raw(hex('020100')),
  'end of contents': raw(hex('0000')),
  'a tag of two octets': raw(hex('3f81010102')),
  'an unknown extension': extension('2a0304', '04020500'),
  'an unknown critical extension': extension('2a0304', '04020500', true),
  'name constraints': extension('551d1e', '04023000'),
  'inhibited any-policy, critical': extension('551d36', '0403020100', true),
  'a proxy': extension('2b0601050507010e', '040e300c300a06082b06010505071501'),
  'a reason': extension('551d15', '04030a0101'),
  'a scope': extension('551d1c', '040530038401ff', true),
  'a delta': extension('551d1b', '0403020101', true),
  'an issuer of an entry': extension('551d1d', '04023000', true),
}

const TIMES = [
  ...['260503120000Z', '2605031200Z', '260503120000+0000', '260503120000', '260503120000z', '260503120060Z'],
  ...['260231100000Z', '260503240000Z', '261303100000Z', '260500100000Z', '500101000000Z', '491231235959Z'],
  ...[
    '20260503120000Z',
    '20490101000000Z',
    '20500101000000Z',
    '20510101000000Z',
    '20510101000000.0Z',
    '99991231235959Z',
  ],
  ...['00000101000000Z', '205101010000Z', '20510101000000+0100', '2051 101000000Z', '-26050310000Z', '9'.repeat(40)],
]

/** Contents of identifiers: algorithms, kinds of keys, curves, extensions, purposes, and some that are none. */
const IDENTIFIERS = [
  ...['2a864886f70d010105', '2a864886f70d010104', '2a864886f70d01010b', '2a864886f70d01010c', '2a864886f70d01010a'],
  ...['2a8648ce3d0401', '2a8648ce3d040302', '2a8648ce3d040303', '2b6570', '2a864886f70d010101', '2a8648ce3d0201'],
  ...['2a8648ce3d030107', '2b81040022', '2b8104000a', '551d0e', '551d0f', '551d11', '551d13', '551d14', '551d15'],
  ...['551d1e', '551d1f', '551d20', '551d23', '551d25', '551d2500', '2b06010505070301', '2b06010505070302', '550403'],
  ...['80551d13', '55801d13', '551d93', '', '8f', 'ffffffffffffffffffff7f'],
]

const INTEGERS = [
  '',
  '00',
  '01',
  '02',
  '03',
  '7f',
  '80',
  'ff',
  '0001',
  '0080',
  'ff80',
  '01'.repeat(20),
  '01'.repeat(21),
]
const INTEGERS_TOO = [`00${'ff'.repeat(20)}`, 'ff'.repeat(20), '7fffffffffffffff', '0100000000000000', '20000000000000']
const BOOLEANS = ['', '00', '01', '7f', 'fe', 'ff', 'ffff', '00ff']
const BITS = [
  '',
  '00',
  '01',
  '08',
  '0080',
  '0780',
  '0680',
  '07ff',
  '0500',
  '0106',
  '0204',
  '020780',
  '070080',
  '00'.repeat(66),
]
const TEXTS = ['', '\0', 'a\0b', '\xff\xfe', '\xc0\x80', '*', '..', 'any_one', '192.0.2.7', ' ', 'a'.repeat(300)]

const contents = (byHex: readonly string[]): readonly Change[] =>
  byHex.map((one) => [`as ${one.slice(0, 24) || 'nothing'}`, (node) => [primitive(node, hex(one))]])
const texts = (list: readonly string[]): readonly Change[] =>
  list.map((one) => [`as ${JSON.stringify(one.slice(0, 24))}`, (node) => [primitive(node, text(one))]])

const BY_TAG: Readonly<Record<number, readonly Change[]>> = {
  1: contents(BOOLEANS),
  2: contents([...INTEGERS, ...INTEGERS_TOO]),
  3: contents(BITS),
  5: contents(['00', '0500']),
  6: contents(IDENTIFIERS),
  10: contents(['', '00', '01', '07', '08', '0a', '0b', 'ff', '0001']),
  12: texts(TEXTS),
  19: texts(TEXTS),
  23: [...texts(TIMES), ...TIMES.map((one): Change => [`as later ${one}`, () => [{ tag: 0x18, parts: text(one) }]])],
  24: [...texts(TIMES), ...TIMES.map((one): Change => [`as UTC ${one}`, () => [{ tag: 0x17, parts: text(one) }]])],
  130: texts(TEXTS),
  134: texts(TEXTS),
}

const TAGS = [
  0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x80, 0xa0, 0xa3,
]

const withLength =
  (length: (content: Buffer) => Uint8Array, end = '') =>
  (node: Node): readonly Node[] => {
    const content = contentOf(node)
    return [raw(Buffer.of(node.tag), length(content), content, hex(end))]
  }
/** The length in one octet more than it needs. */
const longer = ({ length }: Buffer): Uint8Array => {
  const plain = lengthOf(length)
  return plain.length === 1
    ? Buffer.of(0x81, length)
    : Buffer.concat([Buffer.of((plain[0] ?? 0) + 1, 0), plain.subarray(1)])
}
const bent =
  (bend: (content: Buffer) => Uint8Array) =>
  (node: Node): readonly Node[] => [primitive(node, bend(contentOf(node)))]

const EVERYWHERE: readonly Change[] = [
  ['removed', () => []],
  ['doubled', (node) => [node, node]],
  ['in a SEQUENCE', (node) => [{ tag: 0x30, parts: [node] }]],
  ['without what is around its parts', (node) => (node.parts instanceof Uint8Array ? [] : node.parts)],
  ['reversed', (node) => (node.parts instanceof Uint8Array ? [node] : [{ ...node, parts: [...node.parts].reverse() }])],
  ...Object.entries(STRANGERS).flatMap(([name, stranger]): Change[] => [
    [`exchanged for ${name}`, () => [stranger]],
    [`behind ${name}`, (node) => [stranger, node]],
    [`before ${name}`, (node) => [node, stranger]],
    [
      `with ${name} at its end`,
      (node) => (node.parts instanceof Uint8Array ? [] : [{ ...node, parts: [...node.parts, stranger] }]),
    ],
  ]),
  ...TAGS.map((tag): Change => [`of tag ${tag.toString(16)}`, (node) => [{ ...node, tag }]]),
  ...[0x20, 0x40, 0x80].map(
    (bit): Change => [`of tag ^ ${bit.toString(16)}`, (node) => [{ ...node, tag: node.tag ^ bit }]],
  ),
  ['with a length in more octets', withLength(longer)],
  ['of indefinite length', withLength(() => hex('80'), '0000')],
  ['with a length of 4 GiB', withLength(() => hex('84ffffffff'))],
  ['with a length of 9 octets', withLength(() => hex('89010000000000000000'))],
  ['one longer', withLength(({ length }) => lengthOf(length + 1))],
  ['one shorter', withLength(({ length }) => lengthOf(Math.max(length - 1, 0)))],
  ['empty', bent(() => new Uint8Array())],
  ['after a 00', bent((content) => Buffer.concat([Buffer.of(0), content]))],
  ['after an ff', bent((content) => Buffer.concat([Buffer.of(0xff), content]))],
  ['before a 00', bent((content) => Buffer.concat([content, Buffer.of(0)]))],
  ['without its first byte', bent((content) => content.subarray(1))],
  ['without its last byte', bent((content) => content.subarray(0, -1))],
]

const changesOf = (node: Node): readonly Change[] => [...EVERYWHERE, ...(BY_TAG[node.tag] ?? [])]

const bendAt = (place: Place, [name, to]: Change): Bend => ({
  name: `${place.join('.')} ${name}`,
  apply: (tree) => replaceAt(tree, place, to),
})

const swapAt = (place: Place): Bend => {
  const [at = 0] = place.slice(-1)
  return {
    name: `${place.join('.')} before its elder`,
    apply: (tree) => {
      const elder = nodeAt(tree, [...place.slice(0, -1), at - 1])
      const own = nodeAt(tree, place)
      if (at === 0 || elder === undefined || own === undefined) return tree
      const moved = replaceAt(tree, place, () => [elder])
      return replaceAt(moved, [...place.slice(0, -1), at - 1], () => [own])
    },
  }
}

/** Every change at every place below `within`, once. */
export const everyBend = (tree: Node, within: Place): readonly Bend[] =>
  placesIn(tree)
    .filter((place) => within.every((step, at) => place[at] === step))
    .flatMap((place) => {
      const node = nodeAt(tree, place)
      return node === undefined ? [] : [swapAt(place), ...changesOf(node).map((change) => bendAt(place, change))]
    })

/** One of those, or a bit that flips, or another part of the tree in place of a part; seldom several at once. */
export const someBend = (tree: Node, within: Place, roll: Dice): Bend => {
  const places = placesIn(tree).filter((place) => within.every((step, at) => place[at] === step))
  const some = <T>(list: readonly T[]): T | undefined => list[roll(list.length)]
  const place = some(places) ?? within
  const node = nodeAt(tree, place) ?? tree
  const bend = ((): Bend => {
    switch (roll(4)) {
      case 0: {
        const at = roll(256)
        const flip = bent((content) => flipped(content, at % (content.length || 1), 1 << roll(8)))
        return bendAt(place, [`with a bit at ${at} flipped`, flip])
      }
      case 1: {
        const from = some(places) ?? within
        const other = nodeAt(tree, from) ?? node
        return bendAt(place, [`exchanged for ${from.join('.')}`, () => [other]])
      }
      default:
        return bendAt(place, some(changesOf(node)) ?? ['as it is', (one) => [one]])
    }
  })()
  if (roll(3) > 0) return bend
  const more = someBend(tree, within, roll)
  return { name: `${bend.name}; ${more.name}`, apply: (one) => more.apply(bend.apply(one)) }
}

export const flipped = (bytes: Uint8Array, at: number, mask: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  if (at < copy.length) copy[at] = (copy[at] ?? 0) ^ mask
  return copy
}
