import { hash } from 'node:crypto'
import { fromHex, sha256 } from './ids.ts'

// The Merkle tree of RFC 6962 §2.1, over leaves that are hashes already.

const HASH_BYTES = 32
const leafHash = (leaf: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(1 + leaf.byteLength) // 0 ‖ leaf
  bytes.set(leaf, 1)
  return sha256(bytes)
}
// A reader of a full batch makes six of these a record: they share the place in which they are put together.
const node = Buffer.alloc(1 + 2 * HASH_BYTES) // 1 ‖ left ‖ right
node[0] = 1
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  node.set(left, 1)
  node.set(right, 1 + HASH_BYTES)
  return fromHex(hash('sha256', node, 'hex'))
}

/** Where one leaf stands: its number, how many there are, and the hashes beside its way to the root, lowest first. */
export type MerkleProof = { readonly index: number; readonly size: number; readonly path: readonly Uint8Array[] }

/** The root and one proof a leaf. @param leaves at least one */
export const merkleTree = (leaves: readonly Uint8Array[]): { root: Uint8Array; proofs: MerkleProof[] } => {
  const paths: Uint8Array[][] = leaves.map(() => [])
  const build = (from: number, to: number): Uint8Array => {
    if (to - from === 1) return leafHash(leaves[from] ?? new Uint8Array())
    const split = from + largestPowerOfTwoBelow(to - from)
    const left = build(from, split)
    const right = build(split, to)
    for (let at = from; at < to; at++) paths[at]?.push(at < split ? right : left)
    return nodeHash(left, right)
  }
  const root = build(0, leaves.length)
  return { root, proofs: paths.map((path, index) => ({ index, size: leaves.length, path })) }
}

/** The root that a leaf with this proof leads to, or null when the proof has another length than its numbers ask for. */
export const merkleRoot = (leaf: Uint8Array, proof: MerkleProof): Uint8Array | null => {
  if (proof.index >= proof.size) return null
  const climb = (index: number, size: number, depth: number): Uint8Array | null => {
    if (size === 1) return depth === 0 ? leafHash(leaf) : null
    const beside = proof.path[depth - 1]
    if (beside === undefined) return null
    const split = largestPowerOfTwoBelow(size)
    const below = index < split ? climb(index, split, depth - 1) : climb(index - split, size - split, depth - 1)
    if (below === null) return null
    return index < split ? nodeHash(below, beside) : nodeHash(beside, below)
  }
  return climb(proof.index, proof.size, proof.path.length)
}

/** The root of a tree that grows leaf by leaf, in the memory of its height. Of no leaf it is SHA-256 of nothing. */
export const growingMerkleTree = (): { add(leaf: Uint8Array): void; root(): Uint8Array; size(): number } => {
  // Whole trees of 2^n leaves, the largest first: as many as the size has ones in binary.
  const whole: { readonly leaves: number; readonly root: Uint8Array }[] = []
  let size = 0
  return {
    add: (leaf) => {
      let tree = { leaves: 1, root: leafHash(leaf) }
      for (let left = whole.at(-1); left?.leaves === tree.leaves; left = whole.at(-1)) {
        whole.pop()
        tree = { leaves: tree.leaves * 2, root: nodeHash(left.root, tree.root) }
      }
      whole.push(tree)
      size++
    },
    root: () => {
      const roots = whole.map(({ root }) => root)
      const last = roots.pop()
      return last === undefined
        ? sha256(new Uint8Array())
        : roots.reduceRight((right, left) => nodeHash(left, right), last)
    },
    size: () => size,
  }
}

const largestPowerOfTwoBelow = (size: number): number => 2 ** Math.floor(Math.log2(size - 1))
