import type { KeyObject } from 'node:crypto'
import { type Refusal, refuse } from '../errors.ts'
import { SHA256_WITH_RSA } from './algorithm.ts'
import type { Certificate, Extension } from './certificate.ts'
import { children, content, readDer, TAG } from './der.ts'
import { OID } from './extensions.ts'

// What a certificate must be to be one of ours, compared byte by byte with what we would have written.

/** RSA keys and sha256WithRSAEncryption, of all that a path may have. */
export const compareKind = ({ algorithm }: Certificate, key: KeyObject): Refusal | null =>
  algorithm === SHA256_WITH_RSA && key.asymmetricKeyType === 'rsa'
    ? null
    : refuse('certificate-wrong-profile', 'its key is not RSA, or its signature by another algorithm')

/** Exactly the expected extensions: none missing, none more, each byte for byte. */
export const compareExtensions = (certificate: Certificate, expected: readonly Extension[]): Refusal | null => {
  for (const { oid, critical, value } of expected) {
    const found = certificate.extensions.get(oid)
    if (found === undefined) return refuse(codeFor(oid), `extension ${oid} is missing`)
    if (found.critical !== critical || !equal(found.value, value)) {
      return refuse(codeFor(oid), `extension ${oid} is not what it must be`)
    }
  }
  if (certificate.extensions.size === expected.length) return null
  const strange = [...certificate.extensions.keys()].filter((oid) => expected.every((one) => one.oid !== oid))
  return refuse('certificate-wrong-profile', `unknown extension ${strange.join(', ')}`)
}

/** The one URI that the certificate has for an alternative name. */
export const readUri = ({ extensions }: Certificate): string | Refusal => {
  const names = extensions.get(OID.subjectAlternativeName)
  if (names === undefined) return refuse('certificate-wrong-profile', 'no subject alternative name')
  return readDer(names.value, 'certificate-wrong-profile', (root) => {
    const [name] = children(root, TAG.sequence, 1)
    return Buffer.from(content(name, TAG.implicit(6))).toString('latin1')
  })
}

export const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

const USAGE: readonly string[] = [OID.basicConstraints, OID.keyUsage, OID.extendedKeyUsage]
const codeFor = (oid: string) => (USAGE.includes(oid) ? 'certificate-wrong-usage' : 'certificate-wrong-profile')
