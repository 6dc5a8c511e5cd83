import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type Extension, readCertificate } from '../../shared/certificate/certificate.ts'
import { OID } from '../../shared/certificate/extensions.ts'
import { type Succession, succeed } from '../../shared/certificate/lineage.ts'
import { createSuccession } from '../../shared/certificate/new-succession.ts'
import {
  certificateUri,
  createRoot,
  deviceExtensions,
  issueCa,
  issueDevice,
  keyIdOf,
} from '../../shared/certificate/profile.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { type TrustAnchor, trustAnchor } from '../../shared/certificate/verify.ts'
import {
  buildCertificate,
  type CertificateFields,
  commonName,
  encode,
  oid,
  sequence,
} from '../../shared/certificate/x509.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { orThrow } from '../../shared/errors.ts'
import { fromHex, type NetworkId, type UserName } from '../../shared/ids.ts'
import { DAY_MS, ROOT_OVERLAP_MS } from '../../shared/limits.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { systemRandom } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'
import { readyKey } from './ready-keys.ts'

/** Whom a certificate is for: a user, and the key of their device. */
export type Subject = { readonly user: string; readonly key?: KeyObject }

export type TestNetwork = {
  readonly rootKey: KeyObject
  /** DER. */
  readonly root: Uint8Array
  readonly anchor: TrustAnchor
  readonly network: NetworkId
  readonly clock: Clock
  /** An honest certificate, DER. */
  issue(subject: Subject & { readonly lifetimeMs?: number; readonly now?: number }): Uint8Array
  /** An honest certificate of the CA node, DER. */
  issueCa(key: KeyObject): Uint8Array
}

/** An RSA key that nobody else has in this test; 0.1 s where it is not one of those that are ready. */
export const newKey = (modulusLength = 2048, publicExponent = 65_537): KeyObject => {
  const ready = modulusLength === 2048 && publicExponent === 65_537 ? readyKey() : null
  return ready ?? generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey
}

export const user = (name: string): UserName => orThrow(userNameOf(name))

/** A root of its own; 2048 bits rather than a real root's 4096, to be quick. */
export const testNetwork = (options: { readonly clock?: Clock; readonly name?: string } = {}): TestNetwork => {
  const { clock = systemClock, name: networkName = 'test' } = options
  const rootKey = newKey()
  const now = clock.now()
  const root = createRoot({ key: rootKey, networkName, now, random: systemRandom })
  return networkUnder({ rootKey, anchor: orThrow(trustAnchor(root, now)), clock })
}

type Successor = TestNetwork & { readonly succession: Succession }

/** The same network after its root has been rolled over. */
export const rollOver = (
  { rootKey: oldKey, root: before, anchor: old, clock }: TestNetwork,
  overlapMs: number = ROOT_OVERLAP_MS,
): Successor => {
  const rootKey = newKey()
  const now = clock.now()
  const { network, generation } = old
  const shared = { network, generation: generation + 1, overlapMs, now, random: systemRandom }
  const succession = createSuccession({ old: { certificate: before, key: oldKey }, key: rootKey, ...shared })
  return { ...networkUnder({ rootKey, anchor: orThrow(succeed(old, succession, now)), clock }), succession }
}

const networkUnder = ({ rootKey, anchor, clock }: Pick<TestNetwork, 'rootKey' | 'anchor' | 'clock'>): TestNetwork => {
  const root = anchor.certificate
  const order = { issuer: { certificate: root, key: rootKey }, network: anchor.network, random: systemRandom }
  return {
    rootKey,
    root,
    anchor,
    network: anchor.network,
    clock,
    issue: ({ user: name, key = newKey(), now = clock.now(), ...rest }) =>
      issueDevice({ ...order, ...rest, user: user(name), spki: spkiOf(key), now }),
    issueCa: (key) => issueCa({ ...order, spki: spkiOf(key), now: clock.now() }),
  }
}

export type Changes = Partial<CertificateFields> & { readonly signedBy?: KeyObject }

/** The subject's honest certificate with some fields exchanged for any others, signed (by the root) as if all were well. */
export const unsafeCertificate = (network: TestNetwork, subject: Subject, changes: Changes): Uint8Array =>
  unsafeSigned(network.issue(subject), { signedBy: network.rootKey, ...changes })

/** A certificate with some fields exchanged for any others. */
export const unsafeSigned = (der: Uint8Array, changes: Changes & { readonly signedBy: KeyObject }): Uint8Array => {
  const { signedBy, ...fields } = changes
  const honest = orThrow(readCertificate(der))
  const { serial, issuer, subject: name, notBefore, notAfter, spki, extensions } = honest
  return buildCertificate(
    {
      serial: fromHex(serial),
      issuer,
      subject: name,
      notBefore,
      notAfter,
      spki,
      extensions: [...extensions.values()],
      ...fields,
    },
    (tbs) => new Uint8Array(sign('sha256', tbs, signedBy)),
  )
}

/** The subject's honest extensions, with one exchanged, dropped (null) or added. */
export const unsafeExtensions = (
  network: TestNetwork,
  subject: Subject,
  changes: Readonly<Record<string, Partial<Extension> | null>>,
): readonly Extension[] => {
  const extensions = new Map(orThrow(readCertificate(network.issue(subject))).extensions)
  for (const [type, change] of Object.entries(changes)) {
    const before = extensions.get(type) ?? { oid: type, critical: false, value: new Uint8Array() }
    if (change === null) extensions.delete(type)
    else extensions.set(type, { ...before, ...change })
  }
  return [...extensions.values()]
}

/** Hostile certificates for a key of the attacker's choice, each with the one fault that it is named for. */
export const hostile = {
  /** `certificate-self-signed`: a stranger's own, who knows the network's id and our profile. */
  selfSigned: (network: TestNetwork, subject: Required<Subject>): Uint8Array => {
    const spki = spkiOf(subject.key)
    const uri = certificateUri(network.network, user(subject.user), peerIdOfSpki(spki))
    return unsafeCertificate(network, subject, {
      issuer: commonName(subject.user),
      extensions: deviceExtensions({ uri, spki, issuerKeyId: keyIdOf(spki) }),
      signedBy: subject.key,
    })
  },
  /** `certificate-expired` */
  expired: (network: TestNetwork, subject: Subject): Uint8Array =>
    network.issue({ ...subject, now: network.clock.now() - 2 * DAY_MS, lifetimeMs: DAY_MS }),
  /** `certificate-not-yet-valid` */
  notYetValid: (network: TestNetwork, subject: Subject): Uint8Array =>
    network.issue({ ...subject, now: network.clock.now() + DAY_MS }),
  /** `certificate-wrong-root`: from another network, honestly. */
  otherRoot: (network: TestNetwork, subject: Subject): Uint8Array =>
    testNetwork({ clock: network.clock, name: 'elsewhere' }).issue(subject),
  /** `certificate-wrong-key`: the user's honest certificate in the hands of somebody without its key. */
  otherKey: (network: TestNetwork, { user: name }: Subject): Uint8Array => network.issue({ user: name }),
  /** `certificate-wrong-usage`: issued by the root, but to sign code. */
  wrongUsage: (network: TestNetwork, subject: Required<Subject>): Uint8Array =>
    unsafeCertificate(network, subject, {
      extensions: unsafeExtensions(network, subject, {
        [OID.extendedKeyUsage]: { value: encode(sequence(oid('1.3.6.1.5.5.7.3.3'))) },
      }),
    }),
  /** `certificate-bad-signature`: one bit of the user's name is another. */
  alteredByte: (network: TestNetwork, subject: Subject): Uint8Array => {
    const der = Buffer.from(network.issue(subject))
    const at = der.lastIndexOf(encodedCommonName(subject.user)) + 2
    der[at] = (der[at] ?? 0) ^ 1
    return new Uint8Array(der)
  },
} as const

// UTF8String: tag, length, text.
const encodedCommonName = (text: string): Buffer =>
  Buffer.concat([Buffer.of(0x0c, Buffer.byteLength(text)), Buffer.from(text)])
