import { describe, expect, test } from 'vitest'
import { OID } from '../../shared/certificate/extensions.ts'
import type { Usage } from '../../shared/certificate/link.ts'
import { type PathOrder, verifyPath } from '../../shared/certificate/path.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import {
  boolean,
  commonName,
  encode,
  implicit,
  integer,
  octets,
  oid,
  sequence,
  set,
  utf8,
} from '../../shared/certificate/x509.ts'
import { isRefusal } from '../../shared/errors.ts'
import { fromHex } from '../../shared/ids.ts'
import { DAY_MS, HOUR_MS } from '../../shared/limits.ts'
import {
  anyAuthority,
  CLIENT_AUTH,
  ext,
  extensions,
  keyIdOf,
  leafExtensions,
  type Order,
  SERVER_AUTH,
  signers,
} from '../support/any-certificate.ts'
import { newKey } from '../support/certificates.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

const now = Date.UTC(2026, 4, 3, 10, 0, 0)
const authority = anyAuthority(now)
const leafKey = signers.p256().key
const honest = leafExtensions(authority.keyId, keyIdOf(leafKey))

type Case = readonly [title: string, code: string, order: Partial<PathOrder>]

const verdictOn = (order: Partial<PathOrder>): string => {
  const verdict = verifyPath({ leaf: authority.leaf(), anchors: [authority.root], at: now, usage: 'any', ...order })
  return isRefusal(verdict) ? verdict.code : 'taken'
}

const leaf = (changes: Partial<Order>): Partial<PathOrder> => ({ leaf: authority.leaf(changes) })
/** The honest leaf's extensions with those of the same type exchanged, and others added. */
const leafWith = (...changed: Order['extensions']): Partial<PathOrder> =>
  leaf({ extensions: [...honest.filter(({ oid: type }) => changed.every((one) => one.oid !== type)), ...changed] })
const leafWithout = (type: string): Partial<PathOrder> =>
  leaf({ extensions: honest.filter(({ oid: one }) => one !== type) })
const critical = (extension: Order['extensions'][number]) => ({ ...extension, critical: true })
/** Another root under which an honest leaf stands. */
const root = (changes: Partial<Order>, signer = signers.p256()): Partial<PathOrder> => {
  const { root: own, leaf: issue } = anyAuthority(now, signer, changes)
  return { anchors: [own], leaf: issue() }
}
const rootWith = (change: (keyId: Uint8Array) => Order['extensions']): Partial<PathOrder> => {
  const signer = signers.p256()
  return root({ extensions: change(keyIdOf(signer.key)) }, signer)
}
const rootUsage = extensions.usage(0b0000_0110, 1)
const usedFor = (usage: Usage, order: Partial<PathOrder>): Partial<PathOrder> => ({ ...order, usage })
const name = commonName('any root')
const attribute = (type: string, value: string) => sequence(oid(type), utf8(value))
const weak = { rsa1024: newKey(1024), exponent3: newKey(2048, 3) }

// RFC 5480 §2.2: 02 or 03 and x, for 04, x and y.
const point = spkiOf(leafKey).subarray(-65)
const pointInShort = Buffer.concat([Buffer.of(0x02 | ((point.at(-1) ?? 0) & 1)), point.subarray(1, 33)])
// X9.62 §4.3.6 has 06 or 07 for 04, which OpenSSL takes.
const hybrid = Uint8Array.from(spkiOf(leafKey), (byte, at) => (at === 26 ? 0x06 | ((point.at(-1) ?? 0) & 1) : byte))
const offCurve = Uint8Array.from(spkiOf(leafKey), (byte, at) => (at === 80 ? byte ^ 1 : byte))

const TAKEN = 'taken'
const CASES: readonly Case[] = [
  // Kinds of keys and signatures
  ...(['rsa', 'rsaSha384', 'rsaSha512', 'p256', 'p384', 'p521', 'ed25519'] as const).map(
    (kind): Case => [`a root of kind ${kind}`, TAKEN, root({}, signers[kind]())],
  ),
  ['a signature with SHA-1', 'certificate-wrong-algorithm', root({}, signers.rsaSha1())],
  ['a leaf of 1024 bits', 'certificate-weak-key', leaf({ spki: spkiOf(weak.rsa1024) })],
  ['a leaf with an exponent of 3', 'certificate-weak-key', leaf({ spki: spkiOf(weak.exponent3) })],
  ['a root of 1024 bits', 'certificate-weak-key', root({}, signers.rsa(weak.rsa1024))],

  [
    'an RSA signature that says that it is ECDSA',
    'certificate-bad-signature',
    root({}, { ...signers.rsa(), algorithm: signers.p256().algorithm }),
  ],
  [
    'a point in short',
    'certificate-weak-key',
    leaf({ spki: Buffer.concat([fromHex('3039301306072a8648ce3d020106082a8648ce3d030107032200'), pointInShort]) }),
  ],
  ['a point in the hybrid form', 'certificate-weak-key', leaf({ spki: hybrid })],
  ['a point that is not on its curve', 'certificate-weak-key', leaf({ spki: offCurve })],

  // Encodings
  ['PEM', TAKEN, { leaf: toPem('CERTIFICATE', authority.leaf()), anchors: [toPem('CERTIFICATE', authority.root)] }],
  ['PEM as bytes', TAKEN, { leaf: Buffer.from(toPem('CERTIFICATE', authority.leaf())) }],
  ['PEM of two', 'certificate-malformed', { leaf: toPem('CERTIFICATE', authority.leaf()).repeat(2) }],
  ['PEM of something else', 'certificate-malformed', { leaf: toPem('X509 CRL', authority.leaf()) }],
  ['nothing', 'certificate-malformed', { leaf: '' }],
  ['a root that is none', 'certificate-malformed', { anchors: [new Uint8Array(9)] }],

  // Roots
  ['no root', 'certificate-wrong-root', { anchors: [] }],
  ['two roots, of which the second is it', TAKEN, { anchors: [anyAuthority(now).root, authority.root] }],
  ['another root of the same name', 'certificate-wrong-root', { anchors: [anyAuthority(now).root] }],
  ['a root that another has signed', 'certificate-wrong-root', root({ issuer: commonName('elsewhere') })],
  ['a root that has not signed itself', 'certificate-bad-signature', root({ spki: spkiOf(leafKey) })],
  ['a root that has expired', 'certificate-expired', root({ notAfter: now - HOUR_MS })],
  ['a root that is not valid yet', 'certificate-not-yet-valid', root({ notBefore: now + HOUR_MS })],
  ['a root that is no CA', 'certificate-wrong-usage', rootWith((id) => [rootUsage, extensions.subjectKey(id)])],
  [
    'a root that says that it is no CA',
    'certificate-wrong-usage',
    rootWith((id) => [extensions.noAuthority(), rootUsage, extensions.subjectKey(id)]),
  ],
  [
    'a root whose constraints are not critical',
    'certificate-wrong-usage',
    rootWith((id) => [{ ...extensions.authority(), critical: false }, rootUsage, extensions.subjectKey(id)]),
  ],
  [
    'a root that may not sign certificates',
    'certificate-wrong-usage',
    rootWith((id) => [extensions.authority(), extensions.usage(0b0000_0010, 1), extensions.subjectKey(id)]),
  ],
  [
    'a root without key usage',
    'certificate-wrong-usage',
    rootWith((id) => [extensions.authority(), extensions.subjectKey(id)]),
  ],
  ['a root without key identifier', 'certificate-wrong-extension', rootWith(() => [extensions.authority(), rootUsage])],
  [
    'a root that names another key as its issuer',
    'certificate-wrong-root',
    rootWith((id) => [
      extensions.authority(),
      rootUsage,
      extensions.subjectKey(id),
      extensions.authorityKey(new Uint8Array(20)),
    ]),
  ],
  [
    'a root with a path length and an authority of itself',
    TAKEN,
    rootWith((id) => [extensions.authority(0), rootUsage, extensions.subjectKey(id), extensions.authorityKey(id)]),
  ],
  [
    'a root for servers alone, and a client',
    'certificate-wrong-usage',
    usedFor(
      'clientAuth',
      rootWith((id) => [
        extensions.authority(),
        rootUsage,
        extensions.subjectKey(id),
        extensions.purposes(SERVER_AUTH),
      ]),
    ),
  ],

  // Times: no clock is forgiven
  ['the first second', TAKEN, { at: now - HOUR_MS }],
  ['a moment before', 'certificate-not-yet-valid', { at: now - HOUR_MS - 1 }],
  ['the second before the last', TAKEN, { at: now + DAY_MS - 1_000 }],
  ['the second after the last', 'certificate-expired', { at: now + DAY_MS + 1_000 }],
  ['an end before the beginning', 'certificate-malformed', leaf({ notAfter: now - DAY_MS })],
  ['an end after 2049', TAKEN, leaf({ notAfter: Date.UTC(2051, 0) })],

  // Names
  ['another issuer', 'certificate-wrong-root', leaf({ issuer: commonName('elsewhere') })],
  ['an issuer in other letters', 'certificate-wrong-root', leaf({ issuer: commonName('Any root') })],
  ['no issuer', 'certificate-wrong-root', leaf({ issuer: encode(sequence()) })],
  ['a root without name', 'certificate-malformed', root({ issuer: encode(sequence()), subject: encode(sequence()) })],
  ['no name, and a plain alternative one', 'certificate-wrong-extension', leaf({ subject: encode(sequence()) })],
  [
    'no name, and a critical alternative one',
    TAKEN,
    leaf({
      subject: encode(sequence()),
      extensions: honest.map((one) => (one.oid === OID.subjectAlternativeName ? critical(one) : one)),
    }),
  ],
  ['an empty part of a name', 'certificate-malformed', leaf({ subject: encode(sequence(set())) })],
  [
    'a part of a name out of order',
    'certificate-malformed',
    leaf({ subject: encode(sequence(set(attribute('2.5.4.10', 'any'), attribute('2.5.4.3', 'any')))) }),
  ],
  [
    'a part of a name in order',
    TAKEN,
    leaf({ subject: encode(sequence(set(attribute('2.5.4.3', 'any'), attribute('2.5.4.10', 'any')))) }),
  ],
  [
    'a name with no text in it',
    'certificate-malformed',
    leaf({ subject: encode(sequence(set(sequence(oid('2.5.4.3'), utf8(''))))) }),
  ],
  [
    'a name that is a number',
    'certificate-malformed',
    leaf({ subject: encode(sequence(set(sequence(oid('2.5.4.3'), integer(1))))) }),
  ],
  [
    "its issuer's name and no key of its own",
    'certificate-self-signed',
    leaf({
      subject: name,
      extensions: honest.filter(({ oid: type }) => type !== OID.subjectKeyIdentifier),
    }),
  ],
  ["its issuer's name and a key of its own", TAKEN, leaf({ subject: name })],
  ['itself as root and leaf', 'certificate-self-signed', { leaf: authority.root }],

  // Serial numbers
  ['a serial of 20 octets', TAKEN, leaf({ serial: new Uint8Array(20).fill(0x7f) })],
  [
    'a serial of 21 octets, of which one is a sign',
    'certificate-malformed',
    leaf({ serial: new Uint8Array(20).fill(0xff) }),
  ],

  // Extensions
  ['no authority key identifier', 'certificate-wrong-root', leafWithout(OID.authorityKeyIdentifier)],
  ['another authority', 'certificate-wrong-root', leafWith(extensions.authorityKey(new Uint8Array(20)))],
  [
    'a critical authority key identifier',
    'certificate-wrong-extension',
    leafWith(critical(extensions.authorityKey(authority.keyId))),
  ],
  [
    'an authority by name and serial number as well',
    'certificate-wrong-extension',
    leafWith(ext(OID.authorityKeyIdentifier, sequence(implicit(0, authority.keyId), implicit(2, Uint8Array.of(1))))),
  ],
  ['no subject key identifier', TAKEN, leafWithout(OID.subjectKeyIdentifier)],
  ['an empty subject key identifier', 'certificate-wrong-extension', leafWith(extensions.subjectKey(new Uint8Array()))],
  ['a critical one', 'certificate-wrong-extension', leafWith(critical(extensions.subjectKey(new Uint8Array(20))))],
  ['none of basic constraints', TAKEN, leafWithout(OID.basicConstraints)],
  [
    'CA: false in so many words',
    'certificate-wrong-extension',
    leafWith(ext(OID.basicConstraints, sequence(boolean(false)))),
  ],
  ['a path length and no CA', 'certificate-wrong-extension', leafWith(ext(OID.basicConstraints, sequence(integer(0))))],
  ['signs certificates, and is no CA', 'certificate-wrong-usage', leafWith(extensions.usage(0b1000_0100, 2))],
  [
    'constraints of three parts',
    'certificate-wrong-extension',
    leafWith(ext(OID.basicConstraints, sequence(boolean(true), integer(0), integer(0)), true)),
  ],
  [
    'a CA with a path length that signs no certificates',
    'certificate-wrong-usage',
    leafWith(extensions.authority(0), extensions.usage(0b1000_0010, 1)),
  ],
  ['a CA, for anything', TAKEN, leafWith(extensions.authority(), extensions.usage(0b1000_0110, 1))],
  [
    'a CA as a client',
    'certificate-wrong-usage',
    usedFor('clientAuth', leafWith(extensions.authority(), extensions.usage(0b1000_0110, 1))),
  ],
  ['a key usage of nothing', 'certificate-wrong-extension', leafWith(extensions.usage(0, 7))],
  ['a key usage with a bit too many', 'certificate-wrong-extension', leafWith(extensions.usage(0b1000_0000, 6))],
  ['a key usage with an unused bit set', 'certificate-wrong-extension', leafWith(extensions.usage(0b1100_0000, 7))],
  ['no purposes at all', 'certificate-wrong-extension', leafWith(extensions.purposes())],
  [
    'no key usage and no purposes',
    TAKEN,
    usedFor(
      'serverAuth',
      leaf({
        extensions: honest.filter(({ oid: type }) => type !== OID.keyUsage && type !== OID.extendedKeyUsage),
      }),
    ),
  ],
  ['a client as a client', TAKEN, usedFor('clientAuth', leafWith(extensions.purposes(CLIENT_AUTH)))],
  [
    'a client as a server',
    'certificate-wrong-usage',
    usedFor('serverAuth', leafWith(extensions.purposes(CLIENT_AUTH))),
  ],
  ['a client for anything', TAKEN, leafWith(extensions.purposes(CLIENT_AUTH))],
  [
    'any purpose as a server',
    'certificate-wrong-usage',
    usedFor('serverAuth', leafWith(extensions.purposes('2.5.29.37.0'))),
  ],
  ['a key that encrypts as a server', TAKEN, usedFor('serverAuth', leafWith(extensions.usage(0b0010_0000, 5)))],
  [
    'a key that encrypts as a client',
    'certificate-wrong-usage',
    usedFor('clientAuth', leafWith(extensions.usage(0b0010_0000, 5))),
  ],
  ['an unknown extension', TAKEN, leafWith(ext('1.2.3.4', octets(Uint8Array.of(1))))],
  [
    'an unknown critical one',
    'certificate-unknown-extension',
    leafWith(critical(ext('1.2.3.4', octets(Uint8Array.of(1))))),
  ],
  ['a constraint of names', 'certificate-unknown-extension', leafWith(ext(OID.nameConstraints, sequence()))],
  ['a proxy certificate', 'certificate-unknown-extension', leafWith(ext('1.3.6.1.5.5.7.1.14', sequence()))],
  ['an extension twice', 'certificate-malformed', leaf({ extensions: [...honest, ...honest.slice(-1)] })],
  ['no extensions', 'certificate-malformed', leaf({ extensions: [] })],
  ['policies', TAKEN, leafWith(ext('2.5.29.32', sequence(sequence(oid('2.5.29.32.0')))))],
  ['policies, critical', 'certificate-unknown-extension', leafWith(critical(ext('2.5.29.32', sequence())))],

  // Alternative names
  ['no alternative names', 'certificate-wrong-extension', leafWith(extensions.names())],
  ...[
    ['a mail address', 1, Buffer.from('a@any.example'), TAKEN],
    ['a wildcard', 2, Buffer.from('*.any.example'), TAKEN],
    ['a name with an underscore', 2, Buffer.from('any_one.example'), 'certificate-wrong-extension'],
    ['an address as a name', 2, Buffer.from('192.0.2.7'), 'certificate-wrong-extension'],
    ['a name with a NUL', 2, Buffer.from('any.example\0.org'), 'certificate-wrong-extension'],
    ['a URI', 6, Buffer.from('https://any.example/'), TAKEN],
    ['a URI with a NUL', 6, Buffer.from('https://any.example/\0'), 'certificate-wrong-extension'],
    ['an IPv4 address', 7, Uint8Array.of(192, 0, 2, 7), TAKEN],
    ['an IPv6 address', 7, new Uint8Array(16), TAKEN],
    ['an address of 5 bytes', 7, new Uint8Array(5), 'certificate-wrong-extension'],
    ['an identifier', 8, Uint8Array.of(0x2a, 3), TAKEN],
    ['a name of no form', 9, new Uint8Array(3), 'certificate-wrong-extension'],
  ].map(
    ([title, form, value, code]): Case => [
      `alternative name: ${title}`,
      String(code),
      leafWith(extensions.names(implicit(Number(form), value as Uint8Array))),
    ],
  ),
]

describe('a path is held to RFC 5280, whoever it is for', () => {
  test.each(CASES)('%s: %s', (_, code, order) => {
    expect(verdictOn(order)).toBe(code)
  })
})

test('the last second belongs to the validity, as RFC 5280 §4.1.2.5 says; OpenSSL leaves it out', () => {
  expect(verdictOn({ at: now + DAY_MS })).toBe(TAKEN)
  expect(verdictOn({ at: now + DAY_MS + 999 })).toBe(TAKEN)
})

const PURPOSES = { any: 'any', clientAuth: 'sslclient', serverAuth: 'sslserver' } as const
const pem = (encoded: Uint8Array | string): string =>
  typeof encoded === 'string' ? encoded : encoded[0] === 0x30 ? toPem('CERTIFICATE', encoded) : String(encoded)

testWithOpenssl('what is taken, openssl takes too, at its strictest', () => {
  for (const [title, code, order] of CASES) {
    if (code !== TAKEN) continue
    const { leaf: own = authority.leaf(), anchors = [authority.root], at = now, usage = 'any' } = order
    const said = openssl(
      [
        ...['verify', '-x509_strict', '-check_ss_sig', '-purpose', PURPOSES[usage]],
        ...['-attime', String(Math.ceil(at / 1000)), '-CAfile', 'roots.pem', 'leaf.pem'],
      ],
      { 'roots.pem': anchors.map(pem).join(''), 'leaf.pem': pem(own) },
    )
    expect({ title, said }).toEqual({ title, said: expect.stringContaining('OK') })
  }
})
