import type { Capture } from './tap.ts'

/**
 * Which of the secrets stand in a capture, and in which form: as they are, in UTF-16, hex, or base64 of either alphabet
 * and at any place within a longer text.
 * @param secrets what it is → its text or bytes
 */
export const leaksIn = (capture: Capture, secrets: Readonly<Record<string, string | Uint8Array>>): string[] =>
  Object.entries(secrets).flatMap(([what, secret]) =>
    formsOf(Buffer.from(secret))
      .filter(([, form]) =>
        capture.some((run) => Buffer.from(run.buffer, run.byteOffset, run.byteLength).includes(form)),
      )
      .map(([form]) => `${what}, ${form}`),
  )

const formsOf = (secret: Buffer): (readonly [form: string, bytes: Buffer])[] => [
  ['plain', secret],
  ['UTF-16', Buffer.from(secret.toString('utf8'), 'utf16le')],
  ['hex', Buffer.from(secret.toString('hex'))],
  ...[0, 1, 2].flatMap((offset) =>
    (['base64', 'base64url'] as const).map(
      (alphabet) => [`${alphabet} at ${offset}`, Buffer.from(withinBase64(secret, offset, alphabet))] as const,
    ),
  ),
]

/** The characters of base64 that the secret alone decides when `offset` bytes (mod 3) stand before it. */
const withinBase64 = (secret: Buffer, offset: number, alphabet: 'base64' | 'base64url'): string => {
  const text = Buffer.concat([Buffer.alloc(offset), secret])
    .toString(alphabet)
    .replaceAll('=', '')
  const bits = (offset + secret.length) * 8
  return text.slice(Math.ceil((offset * 8) / 6), Math.floor(bits / 6))
}
