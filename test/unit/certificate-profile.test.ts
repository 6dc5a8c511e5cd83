import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { CA_NAME, certificateUri, createRoot } from '../../shared/certificate/profile.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, type VerifiedDevice, verifyCa, verifyDevice } from '../../shared/certificate/verify.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { certificateHashOf, networkIdOf } from '../../shared/ids.ts'
import {
  CERTIFICATE_BACKDATE_MS,
  CERTIFICATE_LIFETIME_MS,
  DAY_MS,
  HOUR_MS,
  ROOT_LIFETIME_MS,
} from '../../shared/limits.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { systemRandom } from '../../shared/random.ts'
import { userNameOf } from '../../shared/user-name.ts'
import { newKey, testNetwork, user } from '../support/certificates.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

const now = Date.UTC(2026, 4, 3, 10, 0, 0)
const clock = { now: () => now }
const network = testNetwork({ clock, name: 'Küche' })
const { anchor } = network
const key = newKey()

test('an issued certificate verifies, and says who, with which key, in which network, and for how long', () => {
  const der = network.issue({ user: 'alice', key })
  const device = orThrow(verifyDevice(der, { anchor, now, remoteSpki: spkiOf(key) }))
  expect(device.user).toBe('alice')
  expect(device.peerId).toBe(peerIdOfSpki(spkiOf(key)))
  expect(device.network).toBe(networkIdOf(spkiOf(network.rootKey)))
  expect(device.spki).toEqual(spkiOf(key))
  expect(spkiOf(device.publicKey)).toEqual(spkiOf(key))
  expect(device.certificate).toBe(der)
  expect(device.hash).toBe(certificateHashOf(der))
  expect(device.serial).toBe(new X509Certificate(der).serialNumber.toLowerCase())
  expect(device.notBefore).toBe(now - CERTIFICATE_BACKDATE_MS)
  expect(device.notAfter).toBe(now + CERTIFICATE_LIFETIME_MS)
})

test('the root names the network and is valid for ten years', () => {
  expect(anchor.name).toBe('Küche')
  expect(anchor.certificate).toBe(network.root)
  expect(anchor.notAfter).toBe(now + ROOT_LIFETIME_MS)
})

test("the CA's own certificate verifies as the CA's, and is valid as long as the root", () => {
  const ca = orThrow(verifyCa(network.issueCa(key), { anchor, now, remoteSpki: spkiOf(key) }))
  expect(ca.user).toBe(CA_NAME)
  expect(ca.peerId).toBe(peerIdOfSpki(spkiOf(key)))
  expect(ca.notAfter).toBe(anchor.notAfter)
})

test('the one alternative name is the URI of network, user and device', () => {
  const uri = certificateUri(network.network, user('alice'), peerIdOfSpki(spkiOf(key)))
  expect(uri).toMatch(/^lanyard:\/\/[a-z2-7]{52}\/alice\/Qm\w{44}$/)
  expect(new X509Certificate(network.issue({ user: 'alice', key })).subjectAltName).toBe(`URI:${uri}`)
})

test('two certificates for one device differ in their serial numbers', () => {
  const serials = [1, 2].map(() => orThrow(readCertificate(network.issue({ user: 'alice', key }))).serial)
  expect(new Set(serials).size).toBe(2)
})

test('no certificate outlives its root', () => {
  const late = now + ROOT_LIFETIME_MS - HOUR_MS
  const device = orThrow(verifyDevice(network.issue({ user: 'alice', key, now: late }), { anchor, now: late }))
  expect(device.notAfter).toBe(anchor.notAfter)
})

test('a root that ends after 2049 keeps its dates', () => {
  const later = Date.UTC(2045, 0, 1)
  const root = createRoot({ key: network.rootKey, networkName: 'late', now: later, random: systemRandom })
  expect(orThrow(trustAnchor(root, later)).notAfter).toBe(later + ROOT_LIFETIME_MS)
})

test('a copy of a verified device is not a verified device', () => {
  const device = orThrow(verifyDevice(network.issue({ user: 'alice', key }), { anchor, now }))
  // @ts-expect-error only verify.ts makes one
  const copy: VerifiedDevice = { ...device, user: user('bob') }
  expect(copy).not.toBeInstanceOf(device.constructor)
})

test('any allowed user name and lifetime round-trips', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,31}$/)
  fc.assert(
    fc.property(name, fc.integer({ min: HOUR_MS, max: 90 * DAY_MS }), (text, lifetimeMs) => {
      const device = orThrow(verifyDevice(network.issue({ user: text, key, lifetimeMs }), { anchor, now }))
      expect(device.user).toBe(text)
      expect(device.notAfter).toBe(Math.floor((now + lifetimeMs) / 1000) * 1000)
    }),
    { numRuns: 30 },
  )
})

test.each(['', '.alice', '-rf', '_a', 'Alice', 'al ice', 'ali/ce', '~ca', 'ålice', 'alice\n', 'a'.repeat(33)])(
  'the user name %j is refused',
  (text) => {
    const refused = userNameOf(text)
    expect(isRefusal(refused) && refused.code).toBe('name-invalid')
  },
)

test.each(['a', '0', 'alice', 'a.b_c-d', 'a'.repeat(32)])('the user name %j is taken', (text) => {
  expect(userNameOf(text)).toBe(text)
})

testWithOpenssl('openssl verifies the chain strictly, for both purposes of a device', () => {
  const files = {
    'root.pem': toPem('CERTIFICATE', network.root),
    'leaf.pem': toPem('CERTIFICATE', network.issue({ user: 'alice', key })),
  }
  const at = ['-attime', String(now / 1000)]
  for (const purpose of ['sslclient', 'sslserver']) {
    const said = openssl(
      ['verify', '-x509_strict', ...at, '-purpose', purpose, '-CAfile', 'root.pem', 'leaf.pem'],
      files,
    )
    expect(said).toContain('leaf.pem: OK')
  }
})

testWithOpenssl('openssl reads the profile that the design asks for', () => {
  const leaf = toPem('CERTIFICATE', network.issue({ user: 'alice', key }))
  const text = openssl(['x509', '-noout', '-text', '-in', 'leaf.pem'], { 'leaf.pem': leaf }).replace(/\s+/g, ' ')
  expect(text).toContain('Version: 3')
  expect(text).toContain('Signature Algorithm: sha256WithRSAEncryption')
  expect(text).toContain('Not Before: May 3 09:00:00 2026 GMT Not After : May 17 10:00:00 2026 GMT')
  expect(text).toContain('X509v3 Basic Constraints: critical CA:FALSE')
  expect(text).toContain('X509v3 Key Usage: critical Digital Signature, Key Encipherment')
  expect(text).toContain('TLS Web Client Authentication, TLS Web Server Authentication')
  const root = openssl(['x509', '-noout', '-text', '-in', 'r.pem'], { 'r.pem': toPem('CERTIFICATE', network.root) })
  expect(root.replace(/\s+/g, ' ')).toContain('X509v3 Basic Constraints: critical CA:TRUE, pathlen:0')
  expect(root.replace(/\s+/g, ' ')).toContain('X509v3 Key Usage: critical Certificate Sign, CRL Sign')
})
