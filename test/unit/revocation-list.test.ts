import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { OID } from '../../shared/certificate/extensions.ts'
import { verifyRoot } from '../../shared/certificate/link.ts'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { verifyPath } from '../../shared/certificate/path.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import type { Reason, RevocationEntry } from '../../shared/certificate/revocation-entry.ts'
import {
  checkFresh,
  checkNewer,
  readRevocationList,
  readRevocationListInTurns,
} from '../../shared/certificate/revocation-list.ts'
import { commonName, extension, integer, nothing, octets, sequence, time } from '../../shared/certificate/x509.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { fromHex } from '../../shared/ids.ts'
import { CLOCK_SKEW_MS, CRL_LIFETIME_MS, DAY_MS, HOUR_MS } from '../../shared/limits.ts'
import {
  anyAuthority,
  entry,
  ext,
  extensions,
  LEAF_SERIAL,
  type ListOrder,
  signers,
} from '../support/any-certificate.ts'
import { testNetwork } from '../support/certificates.ts'
import { openssl, testWithOpenssl } from '../support/openssl.ts'

const now = Date.UTC(2026, 4, 3, 10, 0, 0)
const network = testNetwork({ clock: { now: () => now } })
const { root } = network.anchor
const issuer = { certificate: network.root, key: network.rootKey }
const build = (entries: readonly RevocationEntry[], number = 1): Promise<Uint8Array> =>
  createRevocationList({ issuer, number, thisUpdate: now, entries })

const REASONS: readonly Reason[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
]
const anyEntry: fc.Arbitrary<RevocationEntry> = fc.record({
  // 20 octets with a first bit of 0, or fewer with any.
  serial: fc
    .uint8Array({ minLength: 1, maxLength: 19 })
    .filter(([first]) => first !== 0)
    .map((bytes) => Buffer.from(bytes).toString('hex')),
  date: fc.integer({ min: Date.UTC(1950, 0) / 1000, max: Date.UTC(2100, 0) / 1000 }).map((seconds) => seconds * 1000),
  reason: fc.constantFrom(...REASONS),
})

describe('a list', () => {
  test('says what was written, whatever it was, at once or in turns', async () => {
    const lists = fc.uniqueArray(anyEntry, { selector: ({ serial }) => serial, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(lists, fc.nat(), async (entries, number) => {
        const der = await build(entries, number)
        for (const list of [
          orThrow(readRevocationList(der, root)),
          orThrow(await readRevocationListInTurns(der, root)),
        ]) {
          expect([...list.entries()]).toEqual(entries)
          expect(list).toMatchObject({
            number,
            thisUpdate: now,
            nextUpdate: now + CRL_LIFETIME_MS,
            size: entries.length,
            der,
          })
          const known = new Set(entries.map(({ serial }) => serial))
          for (const one of entries) {
            expect(list.find(one.serial)).toEqual(one)
            for (const near of [`${one.serial}00`, one.serial.slice(0, -2)]) {
              if (!known.has(near)) expect(list.find(near)).toBeUndefined()
            }
          }
          expect(list.find('0badc0de')).toBe(entries.find(({ serial }) => serial === '0badc0de'))
        }
      }),
      { numRuns: 30 },
    )
  })

  test('finds nothing under what is no serial number', async () => {
    const list = orThrow(readRevocationList(await build([{ serial: '2a', date: now, reason: 'superseded' }]), root))
    for (const serial of ['', '2', 'zz', '2a2a', '002a', '2a'.repeat(21)]) expect(list.find(serial)).toBeUndefined()
  })

  test('of 100,000 is read as one of one is', async () => {
    const entries = Array.from({ length: 100_000 }, (_, at): RevocationEntry => {
      const serial = (0x9e3779b97f4a7c15n * BigInt(at + 1)) % 2n ** 120n
      return { serial: `7f${serial.toString(16).padStart(30, '0')}`, date: now - at * 1000, reason: 'keyCompromise' }
    })
    const der = await build(entries)
    const list = orThrow(await readRevocationListInTurns(der, root))
    expect(list.size).toBe(100_000)
    for (const one of [entries.at(0), entries.at(77_777), entries.at(-1)])
      expect(list.find(one?.serial ?? '')).toEqual(one)
    expect(isRefusal(await readRevocationListInTurns(await build([...entries, ...entries.slice(0, 1)]), root))).toBe(
      true,
    )
  })

  test('is newer by its number alone', async () => {
    const [first, second, rival] = await Promise.all([build([], 1), build([], 2), build([], 2)])
    const read = (der: Uint8Array) => orThrow(readRevocationList(der, root))
    expect(checkNewer(read(second), read(first))).toBe(null)
    expect(checkNewer(read(first), read(second))).toMatchObject({
      code: 'crl-older',
      detail: 'number 1, and 2 is here',
    })
    expect(checkNewer(read(rival), read(second))).toMatchObject({ code: 'crl-older' })
  })

  test('is fresh for 14 days, give or take the skew', async () => {
    const list = orThrow(readRevocationList(await build([]), root))
    const codeAt = (at: number) => checkFresh(list, at, CLOCK_SKEW_MS)?.code ?? 'fresh'
    expect(codeAt(now - CLOCK_SKEW_MS)).toBe('fresh')
    expect(codeAt(now - CLOCK_SKEW_MS - 1)).toBe('crl-not-yet-valid')
    expect(codeAt(now + CRL_LIFETIME_MS + CLOCK_SKEW_MS)).toBe('fresh')
    expect(codeAt(now + CRL_LIFETIME_MS + CLOCK_SKEW_MS + 1)).toBe('crl-stale')
  })
})

const authority = anyAuthority(now)
const anchor = orThrow(verifyRoot(authority.root, { at: now, usage: 'any' }))
const others = anyAuthority(now)
const keyId = extensions.authorityKey(authority.keyId)
const number = ext(OID.crlNumber, integer(5))
const listed = (...own: Parameters<typeof entry>[2][]): Partial<ListOrder> => ({
  entries: [entry(Uint8Array.of(7), now, ...own)],
})
const REASON = '2.5.29.21'
const reason = (code: string) => ({ oid: REASON, critical: false, value: fromHex(`0a01${code}`) })

describe('a list is refused', () => {
  const unsigned = Uint8Array.from(authority.list())
  unsigned[unsigned.length - 1] = (unsigned.at(-1) ?? 0) ^ 1
  const cases: readonly (readonly [title: string, code: string, der: Uint8Array])[] = [
    ['that is none', 'crl-malformed', new Uint8Array(9)],
    ['that is a certificate', 'crl-malformed', authority.root],
    ['with a byte after its end', 'crl-malformed', Buffer.concat([authority.list(), Buffer.of(0)])],
    ['over 8 MiB', 'crl-malformed', new Uint8Array(8 * 1024 * 1024 + 1)],
    ['of another issuer', 'crl-wrong-issuer', authority.list({ issuer: commonName('elsewhere') })],
    ['of another root of that name', 'crl-bad-signature', others.list()],
    ['with a bit changed', 'crl-bad-signature', unsigned],
    [
      'of another key',
      'crl-wrong-issuer',
      authority.list({ extensions: [extensions.authorityKey(others.keyId), number] }),
    ],
    ['signed with SHA-1', 'crl-malformed', authority.list({ signer: signers.rsaSha1() })],
    ['without number', 'crl-malformed', authority.list({ extensions: [keyId] })],
    ['with a critical number', 'crl-malformed', authority.list({ extensions: [keyId, { ...number, critical: true }] })],
    [
      'with a negative number',
      'crl-malformed',
      authority.list({ extensions: [keyId, { ...number, value: fromHex('0201ff') }] }),
    ],
    ['without authority', 'crl-malformed', authority.list({ extensions: [number] })],
    [
      'with a scope',
      'crl-malformed',
      authority.list({ extensions: [keyId, number, ext('2.5.29.28', sequence(), true)] }),
    ],
    [
      'of changes alone',
      'crl-malformed',
      authority.list({ extensions: [keyId, number, ext('2.5.29.27', integer(1), true)] }),
    ],
    ['with an extension twice', 'crl-malformed', authority.list({ extensions: [keyId, number, number] })],
    ['that ends before it begins', 'crl-malformed', authority.list({ nextUpdate: now - DAY_MS })],
    [
      'with a serial twice',
      'crl-malformed',
      authority.list({ entries: [7, 8, 7].map((one) => entry(Uint8Array.of(one), now)) }),
    ],
    ['with a serial of zero', 'crl-malformed', authority.list({ entries: [entry(Uint8Array.of(0), now)] })],
    [
      'with a serial of 21 octets',
      'crl-malformed',
      authority.list({ entries: [entry(new Uint8Array(21).fill(1), now)] }),
    ],
    ['with an empty list of entries', 'crl-malformed', authority.list({ entries: [] })],
    [
      'with an entry of four parts',
      'crl-malformed',
      authority.list({ entries: [sequence(integer(7), time(now), sequence(extension(reason('01'))), nothing())] }),
    ],
    ['with an entry that is none', 'crl-malformed', authority.list({ entries: [sequence()] })],
    ['with a reason of 7', 'crl-malformed', authority.list(listed(reason('07')))],
    ['that takes an entry back', 'crl-malformed', authority.list(listed(reason('08')))],
    ['with a reason of 11', 'crl-malformed', authority.list(listed(reason('0b')))],
    ['with a reason twice', 'crl-malformed', authority.list(listed(reason('01'), reason('01')))],
    ['with a critical reason', 'crl-malformed', authority.list(listed({ ...reason('01'), critical: true }))],
    ['with an entry of another issuer', 'crl-malformed', authority.list(listed(ext('2.5.29.29', sequence(), true)))],
    [
      'with an unknown extension of an entry',
      'crl-malformed',
      authority.list(listed(ext('1.2.3', octets(new Uint8Array())))),
    ],
  ]
  test.each(cases)('%s: %s', async (_, code, der) => {
    expect(readRevocationList(der, anchor)).toMatchObject({ code })
    expect(await readRevocationListInTurns(der, anchor)).toMatchObject({ code })
  })

  test('from a root that may sign certificates only', () => {
    const signer = signers.p256()
    const { keyId } = anyAuthority(now, signer)
    const own = [extensions.authority(), extensions.usage(0b0000_0100, 2), extensions.subjectKey(keyId)]
    const narrow = anyAuthority(now, signer, { extensions: own })
    const verdict = readRevocationList(narrow.list(), orThrow(verifyRoot(narrow.root, { at: now, usage: 'any' })))
    expect(verdict).toMatchObject({ code: 'crl-wrong-issuer', detail: 'it may sign no lists' })
  })
})

describe('a path', () => {
  const codeWith = (...crls: readonly (Uint8Array | string)[]): string => {
    const verdict = verifyPath({ leaf: authority.leaf(), anchors: [authority.root], crls, at: now, usage: 'any' })
    return isRefusal(verdict) ? verdict.code : 'taken'
  }
  const revoking = { entries: [entry(LEAF_SERIAL, now - HOUR_MS, reason('01'))] }
  const numbered = (value: number) => ({ extensions: [keyId, ext(OID.crlNumber, integer(value))] })

  test('ends where a list revokes its leaf', () => {
    expect(codeWith()).toBe('taken')
    expect(codeWith(authority.list())).toBe('taken')
    expect(codeWith(authority.list({ entries: null }))).toBe('taken')
    expect(codeWith(authority.list(revoking))).toBe('certificate-revoked')
    expect(codeWith(toPem('X509 CRL', authority.list(revoking)))).toBe('certificate-revoked')
  })

  test('heeds the newest list of its root, wherever it stands, and no list of others', () => {
    const older = authority.list({ ...revoking, ...numbered(4) })
    expect(codeWith(older, authority.list(numbered(5)))).toBe('taken')
    expect(codeWith(authority.list(numbered(3)), older)).toBe('certificate-revoked')
    const elsewhere = authority.list({ issuer: commonName('elsewhere') })
    expect(codeWith(elsewhere, authority.list())).toBe('taken')
    expect(codeWith(elsewhere)).toBe('crl-wrong-issuer')
  })

  test('is not taken on the word of a list that is stale, early, forged or damaged', () => {
    expect(codeWith(authority.list({ nextUpdate: now - 1_000 }))).toBe('crl-stale')
    expect(codeWith(authority.list({ thisUpdate: now + 1_000 }))).toBe('crl-not-yet-valid')
    expect(codeWith(others.list())).toBe('crl-bad-signature')
    expect(codeWith('-----BEGIN X509 CRL-----')).toBe('crl-malformed')
  })

  test('is revoked by a stale list too', () => {
    expect(codeWith(authority.list({ ...revoking, nextUpdate: now - 1_000 }))).toBe('certificate-revoked')
  })
})

describe('openssl', () => {
  const leaf = network.issue({ user: 'alice' })
  const { serial } = orThrow(readCertificate(leaf))
  const entries: readonly RevocationEntry[] = [
    { serial: '2a', date: Date.UTC(2026, 4, 1), reason: 'unspecified' },
    { serial, date: Date.UTC(2026, 4, 2), reason: 'keyCompromise' },
  ]

  testWithOpenssl('reads a list, and verifies it', async () => {
    const files = {
      'list.pem': toPem('X509 CRL', await build(entries, 77)),
      'root.pem': toPem('CERTIFICATE', network.root),
    }
    const said = openssl(['crl', '-in', 'list.pem', '-CAfile', 'root.pem', '-verify', '-noout', '-text'], files)
    expect(said).toContain('verify OK')
    expect(said.replace(/\s+/g, ' ')).toContain('Version 2 (0x1) Signature Algorithm: sha256WithRSAEncryption')
    expect(said.replace(/\s+/g, ' ')).toContain(
      'Last Update: May 3 10:00:00 2026 GMT Next Update: May 17 10:00:00 2026 GMT',
    )
    expect(said.replace(/\s+/g, ' ')).toContain('X509v3 CRL Number: 77')
    expect(said.replace(/\s+/g, ' ')).toContain('Serial Number: 2A Revocation Date: May 1 00:00:00 2026 GMT')
    expect(said).toContain(`Serial Number: ${serial.toUpperCase()}`)
    expect(said).toContain('Key Compromise')
  })

  testWithOpenssl('enforces it', async () => {
    const verify = (list: Uint8Array) =>
      openssl(
        [
          ...['verify', '-x509_strict', '-crl_check', '-attime', String(now / 1000)],
          ...['-CAfile', 'root.pem', '-CRLfile', 'list.pem', 'leaf.pem'],
        ],
        {
          'leaf.pem': toPem('CERTIFICATE', leaf),
          'root.pem': toPem('CERTIFICATE', network.root),
          'list.pem': toPem('X509 CRL', list),
        },
      )
    const [good, empty, bad] = await Promise.all([build(entries.slice(0, 1)), build([]), build(entries)])
    expect(verify(good)).toContain('OK')
    expect(verify(empty)).toContain('OK')
    expect(() => verify(bad)).toThrow('certificate revoked')
  })
})
