import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sha256, toHex } from '../../shared/ids.ts'
import { growingMerkleTree, merkleRoot, merkleTree } from '../../shared/merkle.ts'

// RFC 6962 §2.1, written down once more, as it stands there.
const mth = (leaves: readonly Uint8Array[]): Uint8Array => {
  const [only] = leaves
  if (only !== undefined && leaves.length === 1) return sha256(Uint8Array.of(0), only)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return sha256(Uint8Array.of(1), mth(leaves.slice(0, k)), mth(leaves.slice(k)))
}
// §2.1.1: PATH(m, D[n])
const path = (m: number, leaves: readonly Uint8Array[]): Uint8Array[] => {
  if (leaves.length === 1) return []
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return m < k
    ? [...path(m, leaves.slice(0, k)), mth(leaves.slice(k))]
    : [...path(m - k, leaves.slice(k)), mth(leaves.slice(0, k))]
}
const leavesOf = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, at) => sha256(Uint8Array.of(at, size)))
const SIZES = Array.from({ length: 64 }, (_, at) => at + 1)

test('root and paths are those of RFC 6962, for every size up to 64', () => {
  for (const leaves of SIZES.map(leavesOf)) {
    const { root, proofs } = merkleTree(leaves)
    expect(toHex(root)).toBe(toHex(mth(leaves)))
    expect(proofs).toEqual(leaves.map((_, index) => ({ index, size: leaves.length, path: path(index, leaves) })))
  }
})

test('every leaf leads to the root', () => {
  for (const leaves of [...SIZES, 255, 256].map(leavesOf)) {
    const { root, proofs } = merkleTree(leaves)
    for (const [at, proof] of proofs.entries()) expect(merkleRoot(leaves[at] ?? new Uint8Array(), proof)).toEqual(root)
  }
})

test('another leaf, place, path or length of path leads to another root, or to none', () => {
  const changes = ['leaf', 'index', 'flip', 'drop', 'add', 'swap'] as const
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 64 }),
      fc.nat(),
      fc.constantFrom(...changes),
      fc.nat(),
      (size, a, change, b) => {
        const leaves = leavesOf(size)
        const { root, proofs } = merkleTree(leaves)
        const index = a % size
        const proof = proofs[index]
        const leaf = leaves[index]
        if (proof === undefined || leaf === undefined) throw new Error('there is a proof for each leaf')
        const at = proof.path.length === 0 ? 0 : b % proof.path.length
        const some = proof.path[at]
        const changed = {
          leaf: () => merkleRoot(sha256(leaf), proof),
          index: () => merkleRoot(leaf, { ...proof, index: (index + 1 + (b % size)) % (size + 1) }),
          flip: () =>
            some === undefined
              ? null
              : merkleRoot(leaf, {
                  ...proof,
                  path: proof.path.with(
                    at,
                    some.map((byte) => byte ^ 1),
                  ),
                }),
          drop: () =>
            proof.path.length === 0 ? null : merkleRoot(leaf, { ...proof, path: proof.path.toSpliced(at, 1) }),
          add: () => merkleRoot(leaf, { ...proof, path: proof.path.toSpliced(at, 0, sha256(leaf)) }),
          swap: () => (proof.path.length < 2 ? null : merkleRoot(leaf, { ...proof, path: [...proof.path].reverse() })),
        }[change]()
        if (change === 'index' && (index + 1 + (b % size)) % (size + 1) === index) return
        expect(changed === null ? null : toHex(changed)).not.toBe(toHex(root))
      },
    ),
  )
})

// The size is not tested: a larger tree can have a leaf with the very same path, and then it is the same root, the same
// leaf and the same place, which is all that a signature says.

test('a leaf is no node: two hashes that are joined to a leaf do not stand for the tree above them', () => {
  const [one, two] = leavesOf(2)
  if (one === undefined || two === undefined) throw new Error('two leaves')
  const { root } = merkleTree([one, two])
  const inner = [sha256(Uint8Array.of(0), one), sha256(Uint8Array.of(0), two)]
  expect(merkleTree([Buffer.concat(inner)]).root).not.toEqual(root)
})

test('numbers that do not fit each other lead nowhere, and end', () => {
  const leaf = sha256()
  for (const [index, size] of [
    [1, 1],
    [5, 2],
    [0, 0],
    [-1, 4],
    [0, -1],
  ] as const) {
    expect(merkleRoot(leaf, { index, size, path: [] })).toBeNull()
  }
  expect(merkleRoot(leaf, { index: 0, size: 256, path: [] })).toBeNull()
})

test('a tree that grows leaf by leaf has the same root at each size; of nothing, that of RFC 6962', () => {
  expect(growingMerkleTree().root()).toEqual(sha256(new Uint8Array()))
  const leaves = leavesOf(300)
  const tree = growingMerkleTree()
  for (const [at, leaf] of leaves.entries()) {
    tree.add(leaf)
    expect(toHex(tree.root())).toBe(toHex(mth(leaves.slice(0, at + 1))))
  }
  expect(tree.size()).toBe(300)
})
