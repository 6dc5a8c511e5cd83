import { describe, expect, test } from 'vitest'
import { readCertificate } from '../../shared/certificate/certificate.ts'
import { OID } from '../../shared/certificate/extensions.ts'
import { type Usage, verifyLink, verifyRoot } from '../../shared/certificate/link.ts'
import { verifyPath } from '../../shared/certificate/path.ts'
import { checkFresh, readRevocationList } from '../../shared/certificate/revocation-list.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { commonName, embed, explicit, implicit, octets, oid, sequence } from '../../shared/certificate/x509.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { fromHex, toHex } from '../../shared/ids.ts'
import { DAY_MS } from '../../shared/limits.ts'
import {
  anyAuthority,
  entry,
  ext,
  extensions,
  keyIdOf,
  LEAF_SERIAL,
  leafExtensions,
  signBy,
  signers,
} from '../support/any-certificate.ts'
import { newKey, testNetwork } from '../support/certificates.ts'
import { bends, chances, flips, type Mutant, signedFlips } from '../support/mutants.ts'
import { dice } from '../support/mutator.ts'
import { testWithOpenssl } from '../support/openssl.ts'
import { refusedLeaves, refusedLists, refusedRoots } from '../support/openssl-verify.ts'

// Certificates and lists bent in every way, by strangers and by whoever holds the root's key: none may break the reader,
// and none may be taken that openssl at its strictest refuses.

const SEED = Number(process.env.LANYARD_SEED ?? Date.now() % 2 ** 32)
const CASES = 100_000 // a run, at least
const HANG_MS = 50 // no single case may take longer: a peer answers others meanwhile
const TIMEOUT_MS = 600_000

const now = Date.UTC(2026, 4, 3, 10, 0, 0)
const at = now + 2_000 // nothing here ends in this very second, of which openssl and RFC 5280 do not say the same
const authority = anyAuthority(now)
const { root } = authority
const sign = (body: Uint8Array): Uint8Array => signBy(authority.signer, body)
const leafKey = signers.p256().key
const place = implicit(6, Buffer.from('http://any.example/'))
const leaf = authority.leaf({
  spki: spkiOf(leafKey),
  extensions: [
    ...leafExtensions(authority.keyId, keyIdOf(leafKey)).filter(({ oid: type }) => type !== OID.subjectAlternativeName),
    extensions.names(
      implicit(1, Buffer.from('a@any.example')),
      implicit(2, Buffer.from('any.example')),
      explicit(4, embed(commonName('any leaf'))),
      place,
      implicit(7, Uint8Array.of(192, 0, 2, 7)),
      implicit(8, Uint8Array.of(0x2a, 3)),
    ),
    ext(OID.distributionPoints, sequence(sequence(explicit(0, explicit(0, place))))),
    ext(OID.authorityInformation, sequence(sequence(oid('1.3.6.1.5.5.7.48.2'), place))),
    ext('2.5.29.32', sequence(sequence(oid('1.2.3.4')))),
    ext('1.2.3.4', octets(Uint8Array.of(1))),
  ],
})
const list = authority.list({
  entries: [
    entry(Uint8Array.of(7), now - DAY_MS),
    entry(new Uint8Array(16).fill(0x9c), now - DAY_MS, { oid: '2.5.29.21', critical: false, value: fromHex('0a0101') }),
  ],
})

const network = testNetwork({ clock: { now: () => now } })
const key = newKey()
const device = network.issue({ user: 'alice', key })
const signAsNetwork = (body: Uint8Array): Uint8Array => signBy(signers.rsa(network.rootKey), body)
const remoteSpki = spkiOf(key)

type Herd = {
  readonly name: string
  readonly mutants: () => Iterable<Mutant>
  readonly isTaken: (der: Uint8Array) => boolean
  /** The names of those that openssl refuses, of those that were taken. */
  readonly accuse: (taken: readonly Mutant[]) => string[]
}

const anchor = orThrow(verifyRoot(root, { at, usage: 'any' }))
const isGoodFor =
  (usage: Usage) =>
  (der: Uint8Array): boolean => {
    const certificate = readCertificate(der)
    return !isRefusal(certificate) && !isRefusal(verifyLink(certificate, anchor, { at, usage }))
  }
const isGoodList = (der: Uint8Array): boolean => {
  const read = readRevocationList(der, anchor)
  return !isRefusal(read) && read.find(toHex(LEAF_SERIAL)) === undefined && checkFresh(read, at, 0) === null
}
const asClient = { purpose: 'sslclient', at } as const
const asAny = { purpose: 'any', at } as const

function* all(...herds: readonly Iterable<Mutant>[]): Generator<Mutant> {
  for (const herd of herds) yield* herd
}

const HERDS: readonly Herd[] = [
  {
    name: 'leaves for any use',
    mutants: () => all(flips(leaf), signedFlips(leaf, sign), bends(leaf, sign), chances(leaf, sign, dice(SEED), 4_000)),
    isTaken: isGoodFor('any'),
    accuse: (taken) => refusedLeaves(taken, root, asAny),
  },
  {
    name: 'leaves of clients',
    mutants: () => all(signedFlips(leaf, sign), chances(leaf, sign, dice(SEED + 1), 4_000)),
    isTaken: isGoodFor('clientAuth'),
    accuse: (taken) => refusedLeaves(taken, root, asClient),
  },
  {
    name: 'leaves of servers',
    mutants: () => all(signedFlips(leaf, sign), chances(leaf, sign, dice(SEED + 2), 4_000)),
    isTaken: isGoodFor('serverAuth'),
    accuse: (taken) => refusedLeaves(taken, root, { purpose: 'sslserver', at }),
  },
  {
    name: 'roots',
    mutants: () =>
      all(flips(root), signedFlips(root, sign), bends(root, sign), chances(root, sign, dice(SEED + 3), 6_000)),
    isTaken: (der) => !isRefusal(verifyPath({ leaf, anchors: [der], at, usage: 'any' })),
    accuse: (taken) => refusedRoots(taken, leaf, asAny),
  },
  {
    name: 'revocation lists',
    mutants: () =>
      all(flips(list), signedFlips(list, sign), bends(list, sign), chances(list, sign, dice(SEED + 4), 12_000)),
    isTaken: isGoodList,
    accuse: (taken) => refusedLists(taken, { leaf, root }, asAny),
  },
  {
    name: 'devices',
    mutants: () => all(flips(device), bends(device, signAsNetwork)),
    isTaken: (der) => !isRefusal(verifyDevice(der, { anchor: network.anchor, now: at, remoteSpki })),
    accuse: (taken) => refusedLeaves(taken, network.root, asClient),
  },
  {
    name: 'roots of networks',
    mutants: () => all(flips(network.root), chances(network.root, signAsNetwork, dice(SEED + 5), 1_000)),
    isTaken: (der) => !isRefusal(trustAnchor(der, at)),
    accuse: (taken) => refusedRoots(taken, device, asClient),
  },
]

/** Milliseconds that the case takes at its quickest: whoever is slow once was interrupted, whoever is slow always hangs. */
const quickest = (run: () => unknown): number => {
  let best = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 5 && best > HANG_MS; tries++) {
    const start = performance.now()
    run()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

let cases = 0
const takenBy = new Map<string, readonly Mutant[]>()

describe(`mutants of seed ${SEED} (LANYARD_SEED=${SEED} makes them again)`, { timeout: TIMEOUT_MS }, () => {
  test.each(HERDS)('$name: none throws, none takes over 50 ms', ({ name, mutants, isTaken }) => {
    const taken = new Map<string, Mutant>()
    const broken: string[] = []
    for (const mutant of mutants()) {
      cases += 1
      try {
        let verdict = false
        const ms = quickest(() => {
          verdict = isTaken(mutant.der)
        })
        if (ms > HANG_MS) broken.push(`${mutant.name} takes ${ms} ms`)
        if (verdict) taken.set(Buffer.from(mutant.der).toString('latin1'), mutant)
      } catch (error) {
        broken.push(`${mutant.name} throws ${error}`)
      }
    }
    takenBy.set(name, [...taken.values()])
    expect(broken).toEqual([])
    // The mutants are near enough to the truth for some to be true.
    expect(taken.size).toBeGreaterThan(0)
  })

  describe.each(HERDS)('$name', ({ name, accuse }) => {
    testWithOpenssl('openssl at its strictest takes whatever is taken', () => {
      expect(accuse(takenBy.get(name) ?? [])).toEqual([])
    })
  })

  test('they are enough', () => {
    expect(cases).toBeGreaterThanOrEqual(CASES)
    console.info(
      `${cases} mutants of seed ${SEED}; taken: ${[...takenBy].map(([name, { length }]) => `${length} ${name}`).join(', ')}`,
    )
  })
})
