import { encode, type Node, parse, replaceAt } from './der-tree.ts'
import { type Bend, type Dice, everyBend, flipped, someBend } from './mutator.ts'

// Mutants of what a root signs: `SEQUENCE { body, algorithm, signature }`, by whoever has the root's key, and whoever hasn't.

export type Mutant = { readonly name: string; readonly der: Uint8Array }

export type Sign = (body: Uint8Array) => Uint8Array

/** Signed anew where a signature still has a place. */
const signAnew = (tree: Node, sign: Sign): Node => {
  const [body, ...rest] = tree.parts instanceof Uint8Array ? [] : tree.parts
  if (body === undefined || rest.length === 0) return tree
  const bytes = encode(body)
  const signature: Node = { tag: 0x03, parts: Buffer.concat([Buffer.of(0), sign(bytes)]) }
  return { ...tree, parts: [body, ...rest.slice(0, -1), signature] }
}

const treeOf = (der: Uint8Array): Node => {
  const tree = parse(der)
  if (tree === null) throw new Error('that is no DER to begin with')
  return tree
}

const MASKS = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff]

/** Every byte of the whole, each bit of it and all; the signature stays as it is. */
export function* flips(der: Uint8Array): Generator<Mutant> {
  for (const at of der.keys())
    for (const mask of MASKS) yield { name: `byte ${at} ^ ${mask}`, der: flipped(der, at, mask) }
}

/** Every byte of the body, signed anew. */
export function* signedFlips(der: Uint8Array, sign: Sign): Generator<Mutant> {
  const tree = treeOf(der)
  const [body] = tree.parts instanceof Uint8Array ? [] : tree.parts
  const whole = body === undefined ? new Uint8Array() : encode(body)
  for (const { name, der: bytes } of flips(whole)) {
    const bent = replaceAt(tree, [0], () => [{ tag: 0x30, parts: [], raw: bytes }])
    yield { name: `signed ${name}`, der: encode(signAnew(bent, sign)) }
  }
}

/** Every bend at every place: of the body, signed anew; of what is around it; and of the algorithm inside and outside alike. */
export function* bends(der: Uint8Array, sign: Sign): Generator<Mutant> {
  const tree = treeOf(der)
  const inside = everyBend(tree, [0])
  const around = [...everyBend(tree, [1]), ...everyBend(tree, [2])]
  yield* bendsBy(tree, inside, (bent) => signAnew(bent, sign))
  yield* bendsBy(tree, around, (bent) => bent)
  for (const { name, der } of bendsBy(tree, around, (bent) => signAnew(alike(bent), sign)))
    yield { name: `alike: ${name}`, der }
}

function* bendsBy(tree: Node, list: readonly Bend[], after: (tree: Node) => Node): Generator<Mutant> {
  const plain = encode(tree)
  for (const { name, apply } of list) {
    const bent = apply(tree)
    // Some bend nothing: the reversal of one part.
    if (!encode(bent).equals(plain)) yield { name, der: encode(after(bent)) }
  }
}

/** The algorithm outside is the one inside too. */
const alike = (tree: Node): Node => {
  const outside = tree.parts instanceof Uint8Array ? undefined : tree.parts[1]
  const inside = tree.parts instanceof Uint8Array ? undefined : tree.parts[0]
  if (outside === undefined || inside === undefined || inside.parts instanceof Uint8Array) return tree
  // The third of a certificate, the second of a list.
  const at = inside.parts[0]?.tag === 0xa0 ? 2 : 1
  return replaceAt(tree, [0, at], () => [outside])
}

/** So many bends by chance, some of them several at once; signed anew. */
export function* chances(der: Uint8Array, sign: Sign, roll: Dice, count: number): Generator<Mutant> {
  const tree = treeOf(der)
  const some = Array.from({ length: count }, (_, made): Bend => {
    const { name, apply } = someBend(tree, [0], roll)
    return { name: `chance ${made}: ${name}`, apply }
  })
  yield* bendsBy(tree, some, (bent) => signAnew(bent, sign))
}
