import { describe, expect, test } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { OID } from '../../shared/certificate/extensions.ts'
import { openLineage, type Succession, succeed, trustLineage } from '../../shared/certificate/lineage.ts'
import { createSuccession } from '../../shared/certificate/new-succession.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { createNextRoot, crossExtensions, keyIdOf, rootUri } from '../../shared/certificate/profile.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyCa, verifyDevice } from '../../shared/certificate/verify.ts'
import { encode, sequence } from '../../shared/certificate/x509.ts'
import { isRefusal, orThrow, refuse } from '../../shared/errors.ts'
import { fromHex, sha256 } from '../../shared/ids.ts'
import { DAY_MS, ROOT_LIFETIME_MS, ROOT_OVERLAP_MS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Changes, newKey, rollOver, type TestNetwork, testNetwork, unsafeSigned } from '../support/certificates.ts'
import { manualClock } from '../support/enrolment.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

const clock = manualClock()
const now = clock.now()
const network = testNetwork({ clock })
const second = rollOver(network)
const third = rollOver(second)
const lineage = { first: network.root, successions: [second.succession, third.succession] }
const pinOf = ({ anchor }: TestNetwork) => sha256(anchor.spki)

const codeOf = (verdict: unknown): string => (isRefusal(verdict) ? verdict.code : 'taken')

describe('a root that follows another', () => {
  test('is the newest; the network, its name and its id stay, and certificates of both are taken', () => {
    const { anchor } = second
    expect(anchor).toMatchObject({ network: network.network, name: 'test', generation: 2 })
    for (const issuer of [network, second]) {
      expect(verifyDevice(issuer.issue({ user: 'alice' }), { anchor, now })).toMatchObject({
        user: 'alice',
        network: network.network,
      })
      expect(verifyCa(issuer.issueCa(newKey()), { anchor, now })).toMatchObject({ user: '~ca' })
    }
  })

  test('is unknown to who has not heard of it', () => {
    expect(verifyDevice(second.issue({ user: 'alice' }), { anchor: network.anchor, now })).toEqual(
      refuse('certificate-wrong-root', "the issuer's key is another one"),
    )
  })

  test('counts alone once the overlap is over, save for what is older', () => {
    const key = newKey()
    const old = network.issue({ user: 'alice', key, lifetimeMs: ROOT_OVERLAP_MS + 30 * DAY_MS })
    const checks = { anchor: second.anchor, remoteSpki: spkiOf(key) }
    expect(codeOf(verifyDevice(old, { ...checks, now: now + ROOT_OVERLAP_MS }))).toBe('taken')
    expect(codeOf(verifyDevice(old, { ...checks, now: now + ROOT_OVERLAP_MS + DAY_MS }))).toBe('root-ended')
    expect(codeOf(verifyDevice(old, { ...checks, now: now + ROOT_OVERLAP_MS + DAY_MS, at: 'any-time' }))).toBe('taken')
  })

  test('ends the old one by revoking what it says of it', () => {
    const [voucher] = second.anchor.elders[0]?.vouchers ?? []
    expect(voucher).toBe(orThrow(readCertificate(second.succession.back)).serial)
    const revoked = (serial: string) => serial === voucher
    const verdict = (issuer: TestNetwork, anchor = second.anchor) =>
      codeOf(verifyDevice(issuer.issue({ user: 'alice' }), { anchor, now, revoked }))
    expect(verdict(network)).toBe('root-ended')
    expect(verdict(second)).toBe('taken')
    // The second one spoke for the first, and nobody else does.
    expect(verdict(network, third.anchor)).toBe('root-ended')
    expect(verdict(second, third.anchor)).toBe('taken')
  })

  test('is followed by a third, under which certificates of all three are taken', () => {
    for (const issuer of [network, second, third]) {
      expect(codeOf(verifyDevice(issuer.issue({ user: 'alice' }), { anchor: third.anchor, now }))).toBe('taken')
    }
  })
})

const stranger = testNetwork({ clock, name: 'test' })
const device = newKey()
const caKey = newKey()
const evilKey = newKey()
const order = { subject: network.anchor.subject, now, random: systemRandom }
const evilRoot = createNextRoot({ ...order, key: evilKey, network: network.network, generation: 2 })
/** As if the first root had been followed by the stranger's. */
const claimed = createSuccession({
  old: { certificate: network.root, key: newKey() },
  ...{ network: network.network, generation: 2, key: evilKey, overlapMs: DAY_MS, now, random: systemRandom },
})

/** The good succession with some fields of its cross certificate exchanged. */
const cross = (changes: Changes): Succession => ({
  ...second.succession,
  cross: unsafeSigned(second.succession.cross, { signedBy: network.rootKey, ...changes }),
})
const extensions = [...orThrow(readCertificate(second.succession.cross)).extensions.values()]
const withExtension = (type: string, value: Uint8Array | null) =>
  extensions.flatMap((one) => (one.oid !== type ? [one] : value === null ? [] : [{ ...one, value }]))
const root = (changes: Partial<Parameters<typeof createNextRoot>[0]>, from = network): Succession => {
  const key = newKey()
  const made = createNextRoot({ ...order, key, network: network.network, generation: 2, ...changes })
  const { subject, notBefore, notAfter } = orThrow(readCertificate(second.succession.cross))
  const uri = rootUri(changes.network ?? network.network, changes.generation ?? 2)
  const fields = { subject, notBefore, notAfter, spki: spkiOf(key), signedBy: from.rootKey }
  const crossed = crossExtensions({ uri, spki: spkiOf(key), issuerKeyId: keyIdOf(spkiOf(from.rootKey)) })
  return {
    ...second.succession,
    root: made,
    cross: unsafeSigned(second.succession.cross, { ...fields, extensions: crossed }),
  }
}
const CA_FALSE = encode(sequence())
const SIGNATURE_ONLY = fromHex('03020780')

const HOSTILE: readonly (readonly [title: string, code: string, succession: Succession])[] = [
  ['whose cross certificate a device has signed', 'certificate-bad-signature', cross({ signedBy: device })],
  ['whose cross certificate the CA node has signed', 'certificate-bad-signature', cross({ signedBy: caKey })],
  ['whose cross certificate the new root has signed', 'certificate-self-signed', cross({ signedBy: second.rootKey })],
  [
    'with the new root in the place of its cross certificate',
    'certificate-self-signed',
    { ...second.succession, cross: second.root },
  ],
  [
    'with a device certificate in the place of the cross certificate',
    'certificate-wrong-key',
    { ...second.succession, cross: network.issue({ user: 'mallory' }) },
  ],
  [
    'with a device certificate in the place of the root',
    'certificate-wrong-root',
    { ...second.succession, root: network.issue({ user: 'mallory' }) },
  ],
  [
    'whose cross certificate has expired',
    'certificate-expired',
    cross({ notBefore: now - 3 * DAY_MS, notAfter: now - DAY_MS }),
  ],
  ['whose cross certificate is of tomorrow', 'certificate-not-yet-valid', cross({ notBefore: now + DAY_MS })],
  [
    'whose cross certificate outlives the old root',
    'certificate-wrong-profile',
    cross({ notAfter: now + ROOT_LIFETIME_MS + DAY_MS }),
  ],
  [
    'whose cross certificate says CA:false',
    'certificate-wrong-usage',
    cross({ extensions: withExtension(OID.basicConstraints, CA_FALSE) }),
  ],
  [
    'whose cross certificate has no constraints',
    'certificate-wrong-usage',
    cross({ extensions: withExtension(OID.basicConstraints, null) }),
  ],
  [
    'whose cross certificate may not sign certificates',
    'certificate-wrong-usage',
    cross({ extensions: withExtension(OID.keyUsage, SIGNATURE_ONLY) }),
  ],
  [
    'whose cross certificate has no number',
    'certificate-wrong-profile',
    cross({ extensions: withExtension(OID.subjectAlternativeName, null) }),
  ],
  [
    'whose cross certificate is for another key',
    'certificate-wrong-key',
    { ...second.succession, cross: rollOver(network).succession.cross },
  ],
  ['of a root that has expired', 'certificate-expired', root({ now: now - ROOT_LIFETIME_MS - 2 * DAY_MS })],
  [
    'of a root that is not of the first root\u2019s name',
    'certificate-wrong-profile',
    root({ subject: testNetwork({ clock, name: 'elsewhere' }).anchor.subject }),
  ],
  ['of another network of the same name', 'root-foreign', rollOver(stranger).succession],
  ['that the root signed for another network', 'root-foreign', root({ network: stranger.network })],
  ['that another network signed for this one', 'certificate-wrong-root', root({}, stranger)],
  ['two numbers on', 'root-gap', third.succession],
  [
    'whose old root is not certified by the new one',
    'certificate-bad-signature',
    { ...second.succession, back: unsafeSigned(second.succession.back, { signedBy: evilKey }) },
  ],
  [
    'with the cross certificate in both places',
    'certificate-wrong-root',
    { ...second.succession, back: second.succession.cross },
  ],
  ['with a root for its cross certificate', 'certificate-self-signed', { ...second.succession, cross: network.root }],
  ['that is no certificate', 'certificate-malformed', { ...second.succession, cross: new Uint8Array(9) }],
]

describe('a succession', () => {
  test.each(HOSTILE)('%s is refused: %s', (_title, code, succession) => {
    expect(codeOf(succeed(network.anchor, succession, now))).toBe(code)
  })

  test('with a lower number, or the same, changes nothing: never back', () => {
    expect(codeOf(succeed(third.anchor, second.succession, now))).toBe('root-older')
    expect(codeOf(succeed(third.anchor, third.succession, now))).toBe('root-older')
  })

  test('to another root of the same number is told apart from a mere claim', () => {
    const rival = rollOver(network)
    expect(codeOf(succeed(second.anchor, rival.succession, now))).toBe('root-forked')
    const claim = { ...rival.succession, cross: unsafeSigned(rival.succession.cross, { signedBy: device }) }
    expect(codeOf(succeed(second.anchor, claim, now))).toBe('certificate-bad-signature')
  })
})

describe('a lineage', () => {
  test.each([
    ['first', network],
    ['second', second],
    ['newest', third],
  ])('is trusted by the pin of its %s root', (_title, pinned) => {
    const anchor = orThrow(trustLineage(lineage, pinOf(pinned), now))
    expect(anchor).toMatchObject({ network: network.network, generation: 3 })
    expect(codeOf(verifyDevice(network.issue({ user: 'alice' }), { anchor, now }))).toBe('taken')
  })

  test('is none of somebody else’s, and none that is broken or shortened at its start', () => {
    expect(codeOf(trustLineage(lineage, pinOf(stranger), now))).toBe('pin-mismatch')
    const successions = [third.succession]
    expect(codeOf(trustLineage({ first: network.root, successions }, pinOf(third), now))).toBe('root-gap')
    expect(codeOf(trustLineage({ first: second.root, successions }, pinOf(third), now))).toBe('root-gap')
    // Whoever claims to follow a root that did not certify it.
    const claim = { first: network.root, successions: [claimed] }
    expect(codeOf(trustLineage(claim, sha256(spkiOf(evilKey)), now))).toBe('certificate-bad-signature')
    expect(codeOf(trustLineage({ first: evilRoot, successions: [] }, sha256(spkiOf(evilKey)), now))).toBe('root-gap')
  })

  test('leads from a first root that has expired only who pinned a later one, or stored it in its time', () => {
    const clock = manualClock()
    const first = testNetwork({ clock })
    clock.advance(ROOT_LIFETIME_MS - 30 * DAY_MS)
    const next = rollOver(first)
    const both = { first: first.root, successions: [next.succession] }
    clock.advance(40 * DAY_MS)
    const now = clock.now()
    expect(codeOf(trustLineage(both, pinOf(first), now))).toBe('certificate-expired')
    expect(codeOf(trustLineage(both, pinOf(next), now))).toBe('taken')
    expect(codeOf(openLineage(both, now))).toBe('taken')
    expect(codeOf(openLineage({ ...both, successions: [] }, now))).toBe('certificate-expired')
  })
})

describe('openssl', () => {
  const leaf = second.issue({ user: 'alice' })
  const files = {
    'old.pem': toPem('CERTIFICATE', network.root),
    'new.pem': toPem('CERTIFICATE', second.root),
    'cross.pem': toPem('CERTIFICATE', second.succession.cross),
    'back.pem': toPem('CERTIFICATE', second.succession.back),
    'leaf.pem': toPem('CERTIFICATE', leaf),
    'older.pem': toPem('CERTIFICATE', network.issue({ user: 'bob' })),
  }
  testWithOpenssl.each([
    ['new', 'old', 'cross', 'leaf'],
    ['old', 'new', 'back', 'older'],
  ])(
    'takes a certificate of the %s root with -trusted the %s one and -untrusted what goes between',
    (_of, trusted, between, leaf) => {
      const args = ['verify', '-x509_strict', '-trusted', `${trusted}.pem`]
      expect(openssl([...args, '-untrusted', `${between}.pem`, `${leaf}.pem`], files)).toContain('OK')
      expect(() => openssl([...args, `${leaf}.pem`], files)).toThrow()
    },
  )
})

test('a root that follows another can stand alone where only its own certificates are looked at', () => {
  const anchor = orThrow(trustAnchor(second.root, now))
  expect(anchor).toMatchObject({ network: network.network, generation: 2 })
  expect(codeOf(verifyDevice(second.issue({ user: 'alice' }), { anchor, now }))).toBe('taken')
})
