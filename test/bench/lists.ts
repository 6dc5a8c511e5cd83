import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { toPem } from '../../shared/certificate/pem.ts'
import { createRoot, issueDevice } from '../../shared/certificate/profile.ts'
import type { RevocationEntry } from '../../shared/certificate/revocation-entry.ts'
import { type RevocationList, readRevocationList } from '../../shared/certificate/revocation-list.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { trustAnchor, verifyDevice } from '../../shared/certificate/verify.ts'
import { systemClock } from '../../shared/clock.ts'
import { isRefusal, orThrow } from '../../shared/errors.ts'
import { toHex } from '../../shared/ids.ts'
import { ROOT_KEY_BITS, SERIAL_BYTES } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { newKey, user } from '../support/certificates.ts'
import { temporaryFolder } from '../support/enrolment.ts'
import { type Bench, type Metrics, median, metric, nowMs } from './figures.ts'

const SIZES = [0, 1_000, 100_000] as const
const ROUNDS = 7
const LOOKUPS = 200_000
const DEVICES = 50
const VERIFICATIONS = 2_000 // a round
const OPENSSL_FILES = 1_000

/**
 * Revocation lists of three sizes, under a root as a real CA has it, and the check of one device certificate against root,
 * profile, list and Noise key; beside it, what Node and OpenSSL take for the signature and the dates of as many.
 */
export const lists: Bench = async (say) => {
  const { issuer, anchor, certificates } = makeNetwork()
  let metrics: Metrics = {}
  let list: RevocationList | null = null
  for (const size of SIZES) {
    const entries = Array.from({ length: size }, newEntry)
    const built: number[] = []
    const parsed: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const began = nowMs()
      const der = await createRevocationList({ issuer, number: size + 1, thisUpdate: systemClock.now(), entries })
      const made = nowMs()
      list = orThrow(readRevocationList(der, anchor.root))
      parsed.push(nowMs() - made)
      built.push(made - began)
    }
    if (list === null || list.size !== size) throw new Error('another list came back')
    say(`${size} entries: ${list.der.byteLength} bytes`)
    metrics = {
      ...metrics,
      [`crl${size}BuildMs`]: metric(median(built), 'ms'),
      [`crl${size}ParseMs`]: metric(median(parsed), 'ms'),
      [`crl${size}MissNs`]: metric(lookupNs(list, Array.from({ length: 1_000 }, newSerial)), 'ns'),
      ...(size === 0
        ? {}
        : {
            [`crl${size}HitNs`]: metric(
              lookupNs(
                list,
                entries.map(({ serial }) => serial),
              ),
              'ns',
            ),
          }),
    }
  }

  const revoked = (serial: string): boolean => list?.find(serial) !== undefined
  const now = systemClock.now()
  const ours = timed(certificates, ({ der, spki }) => {
    const device = verifyDevice(der, { anchor, now, remoteSpki: spki, revoked })
    if (isRefusal(device)) throw new Error(`refused: ${device.code}`)
  })
  const nodes = timed(certificates, ({ der }) => {
    if (!new X509Certificate(der).verify(anchor.publicKey)) throw new Error('a bad signature')
  })
  const openssl = await opensslMs(anchor.certificate, certificates)
  return {
    ...metrics,
    verifyCertificateMs: metric(ours, 'ms', nodes),
    nodeX509VerifyMs: metric(nodes, 'ms'),
    ...(openssl === null ? {} : { opensslVerifyMs: metric(openssl, 'ms') }),
  }
}

type Issued = { readonly der: Uint8Array; readonly spki: Uint8Array }

const makeNetwork = () => {
  const key = newKey(ROOT_KEY_BITS)
  const now = systemClock.now()
  const anchor = orThrow(trustAnchor(createRoot({ key, networkName: 'bench', now, random: systemRandom }), now))
  const issuer = { certificate: anchor.certificate, key }
  const certificates = Array.from({ length: DEVICES }, (_, at): Issued => {
    const spki = spkiOf(newKey())
    const order = { issuer, network: anchor.network, user: user(`user${at}`), spki, now, random: systemRandom }
    return { der: issueDevice(order), spki }
  })
  return { issuer, anchor, certificates }
}

const newSerial = (): string => {
  const bytes = systemRandom.bytes(SERIAL_BYTES)
  return toHex(bytes.map((byte, at) => (at === 0 ? (byte & 0x3f) | 0x40 : byte))) // positive, and of full length
}
const newEntry = (): RevocationEntry => ({
  serial: newSerial(),
  date: systemClock.now() - 1_000,
  reason: 'keyCompromise',
})

const lookupNs = (list: RevocationList, serials: readonly string[]): number => {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = nowMs()
    for (let at = 0; at < LOOKUPS; at++) list.find(serials[at % serials.length] ?? '')
    rounds.push(((nowMs() - began) * 1e6) / LOOKUPS)
  }
  return median(rounds)
}

/** Milliseconds that one takes: the median of rounds. */
const timed = (certificates: readonly Issued[], check: (one: Issued) => void): number => {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const began = nowMs()
    for (let at = 0; at < VERIFICATIONS; at++) {
      const one = certificates[at % certificates.length]
      if (one !== undefined) check(one)
    }
    rounds.push((nowMs() - began) / VERIFICATIONS)
  }
  return median(rounds)
}

/** Milliseconds of `openssl verify -x509_strict` a certificate, its start taken off; null where there is no openssl. */
const opensslMs = async (root: Uint8Array, certificates: readonly Issued[]): Promise<number | null> => {
  if (spawnSync('openssl', ['version']).status !== 0) return null
  const folder = await temporaryFolder()
  try {
    const path = (name: string): string => join(folder.path, `${name}.pem`)
    await writeFile(path('root'), toPem('CERTIFICATE', root))
    for (const [at, { der }] of certificates.entries()) await writeFile(path(String(at)), toPem('CERTIFICATE', der))
    const run = (count: number): number => {
      const files = Array.from({ length: count }, (_, at) => path(String(at % certificates.length)))
      const began = nowMs()
      const { status } = spawnSync('openssl', ['verify', '-x509_strict', '-CAfile', path('root'), ...files])
      if (status !== 0) throw new Error('openssl refuses one of ours')
      return nowMs() - began
    }
    const took = Array.from({ length: ROUNDS }, () => [run(1), run(OPENSSL_FILES)] as const)
    return (median(took.map(([, many]) => many)) - median(took.map(([one]) => one))) / (OPENSSL_FILES - 1)
  } finally {
    await folder.remove()
  }
}
