import { isRefusal, type Refusal, refuse } from '../errors.ts'
import type { Certificate, Extension } from './certificate.ts'
import { children, content, type Element, malformed, readDer, TAG } from './der.ts'
import { readNamedBits, readNatural, readOid, readTrue } from './der-value.ts'
import { checkGeneralName, checkGeneralNames } from './name.ts'

export const OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  nameConstraints: '2.5.29.30',
  distributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  authorityInformation: '1.3.6.1.5.5.7.1.1',
} as const

/** Bits of a key usage (RFC 5280 §4.2.1.3): its bit 0 is 1, its bit 1 is 2, and so on. */
export const KEY_USAGE = {
  digitalSignature: 1 << 0,
  keyEncipherment: 1 << 2,
  keyAgreement: 1 << 4,
  keyCertSign: 1 << 5,
  cRLSign: 1 << 6,
} as const

/** What the extensions of RFC 5280 §4.2.1 say that we understand. */
export type Understood = {
  readonly constraints?: { readonly ca: boolean; readonly pathLength: boolean; readonly critical: boolean }
  /** Bits of KEY_USAGE. */
  readonly keyUsage?: number
  /** OIDs. */
  readonly purposes?: readonly string[]
  readonly subjectKeyId?: Uint8Array
  readonly authorityKeyId?: Uint8Array
  readonly alternativeNames?: { readonly critical: boolean }
}

/**
 * What the extensions say, or `certificate-wrong-extension` (one is not as RFC 5280 makes it) or
 * `certificate-unknown-extension` (one is critical, or narrows what the certificate is good for, and is not understood).
 */
export const understand = ({ extensions }: Certificate): Understood | Refusal => {
  const understood: Understood = {}
  for (const extension of extensions.values()) {
    const { oid, critical, value } = extension
    const read = READERS[oid]
    if (read === undefined) {
      // RFC 5280 §4.2: what is not critical may be passed over …
      if (critical) return refuse('certificate-unknown-extension', `${oid}, critical`)
      if (NARROWING.includes(oid)) return refuse('certificate-unknown-extension', oid)
      continue
    }
    const said = readDer(value, 'certificate-wrong-extension', (root) => read(root, extension))
    if (isRefusal(said)) return refuse(said.code, `extension ${oid}: ${said.detail}`)
    Object.assign(understood, said)
  }
  return understood
}

// … but not these, which take rights away, critical or not: to pass them over would give the rights back.
const NARROWING: readonly string[] = [
  OID.nameConstraints,
  '1.3.6.1.5.5.7.1.7', // RFC 3779: IP addresses …
  '1.3.6.1.5.5.7.1.8', // … and numbers of autonomous systems
  '1.3.6.1.5.5.7.1.14', // RFC 3820: a proxy certificate
  '2.16.840.1.113730.1.1', // Netscape's certificate type, which OpenSSL still heeds
]

const READERS: Readonly<Record<string, (root: Element, extension: Extension) => Understood>> = {
  // §4.2.1.9
  [OID.basicConstraints]: (root, { critical }) => {
    const [first, ...more] = children(root, TAG.sequence)
    if (first === undefined) return { constraints: { ca: false, pathLength: false, critical } }
    readTrue(first)
    if (more.length > 1) return malformed('too many parts')
    for (const length of more) readNatural(length)
    return { constraints: { ca: true, pathLength: more.length > 0, critical } }
  },
  // §4.2.1.3
  [OID.keyUsage]: (root) => ({ keyUsage: readNamedBits(root) }),
  // §4.2.1.12
  [OID.extendedKeyUsage]: (root) => {
    const purposes = children(root, TAG.sequence).map(readOid)
    return purposes.length > 0 ? { purposes } : malformed('no purpose')
  },
  // §4.2.1.2
  [OID.subjectKeyIdentifier]: (root, { critical }) => {
    const subjectKeyId = content(root, TAG.octets)
    return critical || subjectKeyId.byteLength === 0 ? malformed('critical, or empty') : { subjectKeyId }
  },
  // §4.2.1.1; the issuer's name and serial number, which may come instead or as well, are for CAs that share a key.
  [OID.authorityKeyIdentifier]: (root, { critical }) => {
    const [keyId] = children(root, TAG.sequence, 1)
    const authorityKeyId = content(keyId, TAG.implicit(0))
    return critical || authorityKeyId.byteLength === 0 ? malformed('critical, or empty') : { authorityKeyId }
  },
  // §4.2.1.6
  [OID.subjectAlternativeName]: (root, { critical }) => {
    checkGeneralNames(children(root, TAG.sequence))
    return { alternativeNames: { critical } }
  },
  // §4.2.1.13: where lists are, for all reasons and from the issuer itself; who asks brings the list along.
  [OID.distributionPoints]: (root, { critical }) => {
    const points = children(root, TAG.sequence)
    if (critical || points.length === 0) return malformed('critical, or empty')
    for (const point of points) {
      const [place] = children(point, TAG.sequence, 1)
      const [fullName] = children(place, TAG.explicit(0), 1)
      checkGeneralNames(children(fullName, TAG.explicit(0)))
    }
    return {}
  },
  // §4.2.2.1: where the issuer's certificate is, which whoever asks brings along as well.
  [OID.authorityInformation]: (root, { critical }) => {
    const places = children(root, TAG.sequence)
    if (critical || places.length === 0) return malformed('critical, or empty')
    for (const place of places) {
      const [method, location] = children(place, TAG.sequence, 2)
      readOid(method)
      checkGeneralName(location)
    }
    return {}
  },
}
