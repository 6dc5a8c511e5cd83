/** DER as a tree that can be bent: what encodes and encodes back to the same bytes, until somebody changes it. */
export type Node = {
  readonly tag: number
  /** Bytes that stand before the parts: the count of unused bits of a BIT STRING that wraps something. */
  readonly before?: Uint8Array
  readonly parts: Uint8Array | readonly Node[]
  /** Instead of all the rest. */
  readonly raw?: Uint8Array
}

/** Where a node is: the child to take at each step from the root. */
export type Place = readonly number[]

/** @returns null when the bytes are not one element of definite length, to their end */
export const parse = (der: Uint8Array): Node | null => {
  const nodes = parseAll(der)
  return nodes?.length === 1 ? (nodes[0] ?? null) : null
}

const parseAll = (bytes: Uint8Array): readonly Node[] | null => {
  const nodes: Node[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0
    const first = bytes[at + 1] ?? 0x80
    const octets = first < 0x80 ? 0 : first & 0x7f
    if (tag === 0 || (tag & 0x1f) === 0x1f || first === 0x80 || octets > 3) return null
    let length = octets === 0 ? first : 0
    for (let octet = 0; octet < octets; octet++) length = length * 256 + (bytes[at + 2 + octet] ?? 0)
    const from = at + 2 + octets
    if (from + length > bytes.length) return null
    nodes.push(nodeOf(tag, bytes.subarray(from, from + length)))
    at = from + length
  }
  return nodes
}

const nodeOf = (tag: number, content: Uint8Array): Node => {
  if ((tag & 0x20) !== 0) return { tag, parts: parseAll(content) ?? content }
  // What is wrapped in an OCTET STRING or a BIT STRING: the values of extensions, and RSA keys.
  const before = content.subarray(0, tag === 0x03 ? 1 : 0)
  const inner = content.length > 2 && (tag === 0x04 || tag === 0x03) ? parse(content.subarray(before.length)) : null
  return inner === null ? { tag, parts: content } : { tag, before, parts: [inner] }
}

export const encode = (node: Node): Buffer => {
  if (node.raw !== undefined) return Buffer.from(node.raw)
  const content = contentOf(node)
  return Buffer.concat([Buffer.of(node.tag), lengthOf(content.length), content])
}

/** What stands after the length. */
export const contentOf = ({ before = new Uint8Array(), parts }: Node): Buffer =>
  Buffer.concat([before, ...(parts instanceof Uint8Array ? [parts] : parts.map(encode))])

export const lengthOf = (length: number): Buffer =>
  length < 0x80
    ? Buffer.of(length)
    : length < 0x100
      ? Buffer.of(0x81, length)
      : length < 0x10000
        ? Buffer.of(0x82, length >> 8, length & 0xff)
        : Buffer.of(0x83, length >> 16, (length >> 8) & 0xff, length & 0xff)

/** The places of all nodes below one, parents first. */
export const placesIn = (node: Node): readonly Place[] =>
  node.parts instanceof Uint8Array
    ? []
    : node.parts.flatMap((part, at) => [[at], ...placesIn(part).map((place) => [at, ...place])])

export const nodeAt = (node: Node, [at, ...rest]: Place): Node | undefined => {
  if (at === undefined) return node
  const part = node.parts instanceof Uint8Array ? undefined : node.parts[at]
  return part === undefined ? undefined : nodeAt(part, rest)
}

/** The tree with the nodes at a place exchanged for others: none, one or several. */
export const replaceAt = (node: Node, [at, ...rest]: Place, change: (old: Node) => readonly Node[]): Node => {
  if (at === undefined || node.parts instanceof Uint8Array) return node
  const parts = node.parts.flatMap((part, index) =>
    index !== at ? [part] : rest.length === 0 ? change(part) : [replaceAt(part, rest, change)],
  )
  return { ...node, parts }
}
