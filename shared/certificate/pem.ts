/** RFC 7468: `-----BEGIN label-----`, base64 in lines of 64, `-----END label-----`. */
export const toPem = (label: string, der: Uint8Array): string => {
  const lines =
    Buffer.from(der.buffer, der.byteOffset, der.byteLength)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** The bytes of the first block with that label, or null when there is none or its base64 is not whole. */
export const fromPem = (label: string, text: string): Uint8Array | null => {
  const [, rest] = text.split(`-----BEGIN ${label}-----`, 2)
  const [body, end] = rest?.split(`-----END ${label}-----`, 2) ?? []
  if (body === undefined || end === undefined) return null
  const base64 = body.replace(/\s+/g, '')
  const der = Buffer.from(base64, 'base64')
  return der.byteLength > 0 && der.toString('base64') === base64 ? new Uint8Array(der) : null
}

/** The bytes of all blocks with that label, one behind the other, or null when there is anything else. */
export const allFromPem = (label: string, text: string): readonly Uint8Array[] | null => {
  const end = `-----END ${label}-----`
  const blocks = text.split(end).map((block) => block.trim())
  if (blocks.pop() !== '') return null
  const ders = blocks.flatMap((block) => fromPem(label, block + end) ?? [])
  return ders.length === blocks.length && blocks.every((block) => block.startsWith('-----BEGIN')) ? ders : null
}

/** What holds a certificate or a list: DER, or the text or bytes of a PEM. */
export type Encoded = Uint8Array | string

/** The DER, or null when it is neither DER nor a PEM of exactly one block with that label. */
export const derOf = (label: string, encoded: Encoded): Uint8Array | null => {
  // All DER of ours is a SEQUENCE, and no PEM begins with its tag, which is the digit 0.
  if (typeof encoded !== 'string' && encoded[0] === 0x30) return encoded
  const text = typeof encoded === 'string' ? encoded : Buffer.from(encoded).toString('latin1')
  return text.split(`-----BEGIN ${label}-----`).length === 2 ? fromPem(label, text) : null
}
