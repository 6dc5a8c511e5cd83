import { sign } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { children, onlyElement, TAG } from '../../shared/certificate/der.ts'
import { OID } from '../../shared/certificate/extensions.ts'
import { authorityKeyIdentifier, createRoot, keyIdOf } from '../../shared/certificate/profile.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { type DeviceChecks, trustAnchor, verifyCa, verifyDevice } from '../../shared/certificate/verify.ts'
import {
  bits,
  boolean,
  commonName,
  embed,
  encode,
  implicit,
  nothing,
  octets,
  oid,
  sequence,
} from '../../shared/certificate/x509.ts'
import { type Code, isRefusal, orThrow, type Refusal } from '../../shared/errors.ts'
import { CLOCK_SKEW_MS, DAY_MS, HOUR_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { signed } from '../support/any-certificate.ts'
import {
  type Changes,
  hostile,
  newKey,
  testNetwork,
  unsafeCertificate,
  unsafeExtensions,
} from '../support/certificates.ts'

const now = Date.UTC(2026, 4, 3, 10, 0, 0)
const clock = { now: () => now }
const network = testNetwork({ clock })
const { anchor } = network
const key = newKey()
const subject = { user: 'alice', key }
const checks: DeviceChecks = { anchor, now, remoteSpki: spkiOf(key) }

const refusalOf = (verdict: unknown): Refusal => {
  if (!isRefusal(verdict)) throw new Error('it was taken')
  return verdict
}
const codeOf = (verdict: unknown): Code => refusalOf(verdict).code
const verdictOn = (changes: Changes): Code => codeOf(verifyDevice(unsafeCertificate(network, subject, changes), checks))
const verdictOnExtensions = (changes: Parameters<typeof unsafeExtensions>[2]): Code =>
  verdictOn({ extensions: unsafeExtensions(network, subject, changes) })
const alternativeNames = (...uris: readonly string[]) => ({
  [OID.subjectAlternativeName]: { value: encode(sequence(...uris.map((uri) => implicit(6, Buffer.from(uri))))) },
})

test('the free-form maker with no change makes a certificate that is taken', () => {
  expect(isRefusal(verifyDevice(unsafeCertificate(network, subject, {}), checks))).toBe(false)
})

describe('each fault has its code', () => {
  test.each([
    ['selfSigned', 'certificate-self-signed'],
    ['expired', 'certificate-expired'],
    ['notYetValid', 'certificate-not-yet-valid'],
    ['otherRoot', 'certificate-wrong-root'],
    ['otherKey', 'certificate-wrong-key'],
    ['wrongUsage', 'certificate-wrong-usage'],
    ['alteredByte', 'certificate-bad-signature'],
  ] as const)('%s is %s', (name, code) => {
    expect(codeOf(verifyDevice(hostile[name](network, subject), checks))).toBe(code)
  })

  test('a revoked serial is certificate-revoked, and only that one', () => {
    const der = network.issue(subject)
    const { serial } = orThrow(readCertificate(der))
    expect(codeOf(verifyDevice(der, { ...checks, revoked: (one) => one === serial }))).toBe('certificate-revoked')
    expect(isRefusal(verifyDevice(der, { ...checks, revoked: (one) => one !== serial }))).toBe(false)
  })

  test("the root shown as a device's is self-signed", () => {
    expect(codeOf(verifyDevice(network.root, checks))).toBe('certificate-self-signed')
  })

  test('another root of the same name is another root', () => {
    expect(codeOf(verifyDevice(testNetwork({ clock }).issue(subject), checks))).toBe('certificate-wrong-root')
  })

  test("a stranger who copies the root's name and key identifier fails at the signature", () => {
    expect(verdictOn({ signedBy: newKey() })).toBe('certificate-bad-signature')
    expect(verdictOn({ signedBy: key })).toBe('certificate-self-signed')
  })

  test('names and key identifier of the issuer count even under the right signature', () => {
    expect(verdictOn({ issuer: commonName('elsewhere') })).toBe('certificate-wrong-root')
    const other = authorityKeyIdentifier(keyIdOf(spkiOf(key)))
    expect(verdictOnExtensions({ [OID.authorityKeyIdentifier]: { value: other } })).toBe('certificate-wrong-root')
    expect(verdictOnExtensions({ [OID.authorityKeyIdentifier]: null })).toBe('certificate-wrong-root')
  })

  test('a certificate for another use is wrong-usage', () => {
    const certSign = encode(bits(Uint8Array.of(0b1010_0100), 2))
    const authority = encode(sequence(boolean(true)))
    expect(verdictOnExtensions({ [OID.keyUsage]: { value: certSign } })).toBe('certificate-wrong-usage')
    expect(verdictOnExtensions({ [OID.keyUsage]: { critical: false } })).toBe('certificate-wrong-usage')
    expect(verdictOnExtensions({ [OID.keyUsage]: null })).toBe('certificate-wrong-usage')
    expect(verdictOnExtensions({ [OID.extendedKeyUsage]: null })).toBe('certificate-wrong-usage')
    expect(verdictOnExtensions({ [OID.basicConstraints]: { value: authority } })).toBe('certificate-wrong-usage')
    expect(verdictOnExtensions({ [OID.basicConstraints]: null })).toBe('certificate-wrong-usage')
  })

  test("the CA's certificate is not a device's, nor a device's the CA's", () => {
    expect(codeOf(verifyDevice(network.issueCa(key), checks))).toBe('certificate-wrong-usage')
    expect(codeOf(verifyCa(network.issue(subject), checks))).toBe('certificate-wrong-usage')
  })

  test('an extension that is not of the profile is refused, critical or not', () => {
    const nameConstraints = { value: encode(sequence()), critical: true }
    expect(verdictOnExtensions({ '2.5.29.30': nameConstraints })).toBe('certificate-unknown-extension')
    expect(verdictOnExtensions({ '1.2.3.4': { value: encode(octets(Uint8Array.of(1))) } })).toBe(
      'certificate-wrong-profile',
    )
  })

  test('exactly one name of our form, for this network, this user and this key', () => {
    const honest = orThrow(verifyDevice(network.issue(subject), checks))
    const uri = `lanyard://${honest.network}/alice/${honest.peerId}`
    const others = testNetwork({ clock })
    expect(verdictOnExtensions(alternativeNames())).toBe('certificate-wrong-extension')
    expect(verdictOnExtensions(alternativeNames(`${uri}\0`))).toBe('certificate-wrong-extension')
    const bad = [
      [uri, uri],
      [uri.replace('alice', 'bob')],
      [uri.replace(honest.network, others.network)],
      [
        uri.replace(
          honest.peerId,
          orThrow(verifyDevice(others.issue({ user: 'bob' }), { anchor: others.anchor, now })).peerId,
        ),
      ],
      [uri.replace('lanyard:', 'https:')],
      [`${uri}/`],
      [uri.toUpperCase()],
    ]
    for (const uris of bad) expect(verdictOnExtensions(alternativeNames(...uris))).toBe('certificate-wrong-profile')
    expect(verdictOnExtensions({ [OID.subjectAlternativeName]: null })).toBe('certificate-wrong-profile')
    expect(verdictOnExtensions({ [OID.subjectAlternativeName]: { critical: true } })).toBe('certificate-wrong-profile')
    expect(verdictOn({ subject: commonName('bob') })).toBe('certificate-wrong-profile')
  })

  test('a user name that breaks the rule is refused even when the root has signed it', () => {
    const { peerId } = orThrow(verifyDevice(network.issue(subject), checks))
    const names = alternativeNames(`lanyard://${network.network}/Al ice/${peerId}`)
    const extensions = unsafeExtensions(network, subject, names)
    expect(verdictOn({ subject: commonName('Al ice'), extensions })).toBe('certificate-wrong-profile')
  })

  test('a subject key identifier of another key is refused', () => {
    const other = encode(octets(keyIdOf(spkiOf(network.rootKey))))
    expect(verdictOnExtensions({ [OID.subjectKeyIdentifier]: { value: other } })).toBe('certificate-wrong-profile')
  })

  test.each([
    ['1024 bits', newKey(1024)],
    ['exponent 3', newKey(2048, 3)],
  ])('a key of %s is refused', (_, weak) => {
    expect(verdictOn({ spki: spkiOf(weak) })).toBe('certificate-weak-key')
  })

  test('a signature that is good, but by another algorithm than ours, is refused', () => {
    const { tbs } = orThrow(readCertificate(network.issue(subject)))
    const algorithm = sequence(oid('1.2.840.113549.1.1.12'), nothing())
    const parts = children(onlyElement(tbs), TAG.sequence).map(({ der }, at) => (at === 2 ? algorithm : embed(der)))
    const der = signed(sequence(...parts), { key: network.rootKey, hash: 'sha384', algorithm })
    expect(codeOf(verifyDevice(der, checks))).toBe('certificate-wrong-profile')
  })

  test('a certificate that outlives its root is refused', () => {
    expect(verdictOn({ notAfter: anchor.notAfter + 1000 })).toBe('certificate-wrong-profile')
  })
})

describe('times', () => {
  const der = network.issue(subject)
  const device = orThrow(verifyDevice(der, checks))

  test('a clock may be off by the skew, and by no more', () => {
    const verdictAt = (at: number) => verifyDevice(der, { ...checks, now: at })
    expect(isRefusal(verdictAt(device.notBefore - CLOCK_SKEW_MS))).toBe(false)
    expect(codeOf(verdictAt(device.notBefore - CLOCK_SKEW_MS - 1))).toBe('certificate-not-yet-valid')
    expect(isRefusal(verdictAt(device.notAfter + CLOCK_SKEW_MS))).toBe(false)
    expect(codeOf(verdictAt(device.notAfter + CLOCK_SKEW_MS + 1))).toBe('certificate-expired')
  })

  test('a refusal says when', () => {
    const late = refusalOf(verifyDevice(der, { ...checks, now: now + 30 * DAY_MS }))
    expect(late.detail).toBe('expired on 17 May 2026 10:00 UTC')
    const early = refusalOf(verifyDevice(der, { ...checks, now: now - DAY_MS }))
    expect(early.detail).toBe('valid from 3 May 2026 09:00 UTC')
  })

  test('for a record, expiry is forgiven and nothing else', () => {
    const records = { ...checks, now: now + 30 * DAY_MS, at: 'any-time' } as const
    expect(isRefusal(verifyDevice(der, records))).toBe(false)
    expect(codeOf(verifyDevice(hostile.alteredByte(network, subject), records))).toBe('certificate-bad-signature')
    expect(codeOf(verifyDevice(der, { ...records, revoked: () => true }))).toBe('certificate-revoked')
  })
})

describe('the root', () => {
  const root = createRoot({ key: network.rootKey, networkName: 'test', now, random: systemRandom })
  const codeAt = (der: Uint8Array, at = now): Code => codeOf(trustAnchor(der, at))

  test('is refused outside its time', () => {
    expect(codeAt(root, now - DAY_MS)).toBe('certificate-not-yet-valid')
    expect(codeAt(root, anchor.notAfter + HOUR_MS)).toBe('certificate-expired')
  })

  test('is refused when altered', () => {
    const altered = Uint8Array.from(root)
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1
    expect(codeAt(altered)).toBe('certificate-bad-signature')
  })

  test("must be a root: a device's certificate is none, even a self-signed one", () => {
    expect(codeAt(network.issue(subject))).toBe('certificate-wrong-root')
    const name = commonName('alice')
    const own = unsafeCertificate(network, subject, { issuer: name, subject: name, signedBy: key })
    expect(codeAt(own)).toBe('certificate-wrong-usage')
  })
})

describe('hostile bytes', () => {
  const leaf = network.issue(subject)
  let flipped: Uint8Array

  beforeAll(() => {
    flipped = Uint8Array.from(leaf)
  })

  test('no single flipped byte of a certificate is taken, and none throws', () => {
    const { length } = leaf
    const taken: number[] = []
    for (let at = 0; at < length; at++) {
      for (const mask of [0x01, 0x80, 0xff]) {
        const before = flipped[at] ?? 0
        flipped[at] = before ^ mask
        if (!isRefusal(verifyDevice(flipped, checks))) taken.push(at)
        flipped[at] = before
      }
    }
    expect(taken).toEqual([])
    expect(isRefusal(verifyDevice(flipped, checks))).toBe(false)
  })

  test('no truncation is taken, and none throws', () => {
    for (let length = 0; length < leaf.length; length++) {
      expect(codeOf(verifyDevice(leaf.subarray(0, length), checks))).toBe('certificate-malformed')
    }
  })

  test('a signature by another hash or padding is malformed or bad', () => {
    const { tbs } = orThrow(readCertificate(leaf))
    const sha512 = sign('sha512', tbs, network.rootKey)
    const forged = Uint8Array.from(leaf)
    forged.set(sha512, leaf.length - sha512.length)
    expect(codeOf(verifyDevice(forged, checks))).toBe('certificate-bad-signature')
  })
})
