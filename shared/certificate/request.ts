import { type KeyObject, sign } from 'node:crypto'
import { isRefusal, type Refusal, refuse } from '../errors.ts'
import { toHex, type UserName } from '../ids.ts'
import { isSignedBy, SHA256_WITH_RSA, signatureAlgorithmOf } from './algorithm.ts'
import { readSigned } from './certificate.ts'
import { children, content, malformed, readDer, TAG } from './der.ts'
import { readCommonName } from './name.ts'
import { rsaKeyOf, spkiOf } from './rsa-key.ts'
import { buildSigned, commonName, embed, explicit, integer, sequence } from './x509.ts'

/** A PKCS#10 request (RFC 2986) that its own key has signed. The user's name is as asked for: no policy has seen it yet. */
export type CertificateRequest = {
  readonly user: string
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  readonly publicKey: KeyObject
  readonly der: Uint8Array
}

/** A request for the key's certificate in the user's name: DER, sha256WithRSAEncryption, no attributes. */
export const createRequest = ({ key, user }: { readonly key: KeyObject; readonly user: UserName }): Uint8Array =>
  buildSigned(
    sequence(integer(0), embed(commonName(user)), embed(spkiOf(key)), explicit(0)),
    (body) => new Uint8Array(sign('sha256', body, key)),
  )

/** The request, or `request-malformed`, `key-too-weak`, `request-bad-signature`; never throws. */
export const readRequest = (der: Uint8Array): CertificateRequest | Refusal => {
  const request = parse(der)
  if (isRefusal(request)) return request
  const publicKey = rsaKeyOf(request.spki)
  if (isRefusal(publicKey)) return publicKey
  const { body: bytes, signature } = request
  if (!isSignedBy(publicKey, { algorithm: SHA256_WITH_RSA, bytes, signature })) return refuse('request-bad-signature')
  return { user: request.user, spki: request.spki, publicKey, der }
}

const parse = (der: Uint8Array) =>
  readDer(der, 'request-malformed', (root) => {
    const { body, algorithm, signature } = readSigned(root)
    if (signatureAlgorithmOf(algorithm.der) !== SHA256_WITH_RSA) {
      return malformed('signed with another algorithm than sha256WithRSAEncryption')
    }
    const [version, subject, spki, attributes] = children(body, TAG.sequence, 4)
    if (toHex(content(version, TAG.integer)) !== '00') return malformed('not version 1')
    children(attributes, TAG.explicit(0), 0)
    const user = subject === undefined ? null : readCommonName(subject.der)
    if (user === null || spki === undefined) return malformed('the subject is not one common name')
    return { user, spki: spki.der, body: body.der, signature }
  })
