import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRevocationList } from '../../shared/certificate/new-revocation-list.ts'
import { createRoot, issueDevice } from '../../shared/certificate/profile.ts'
import { spkiOf } from '../../shared/certificate/rsa-key.ts'
import { type TrustAnchor, trustAnchor, type VerifiedDevice, verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow } from '../../shared/errors.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { user } from '../support/certificates.ts'
import { createChance } from './chance.ts'

/** When every run begins, milliseconds since the epoch. */
export const DAWN = Date.UTC(2026, 0, 1, 9)

/** A device of somebody, with a certificate of the simulated network. */
export type Person = { readonly key: KeyObject; readonly self: VerifiedDevice }

/** The CA of all simulated networks: its keys are those of a file, and its certificates the same in each run. */
export type Office = {
  readonly anchor: TrustAnchor
  /** Devices there can be at most. */
  readonly seats: number
  /** @param seat which key, 0 … seats − 1 */
  enrol(seat: number, name: string): Person
  /** The list that revokes these devices. */
  revoke(number: number, now: number, out: readonly Out[]): Promise<Uint8Array>
}

/** A device that is revoked, and since when. */
export type Out = { readonly device: VerifiedDevice; readonly since: number }

const LIFETIME_MS = 80 * DAY_MS // longer than any run, so that what ends is what a scenario ends
const BEFORE_MS = 3 * DAY_MS // more than any clock is wrong by

export const openOffice = (): Office => {
  const [rootKey, ...keys] = readFileSync(new URL('./test-keys.pem', import.meta.url), 'utf8')
    .split(/(?=-----BEGIN)/)
    .slice(1)
    .map((pem) => createPrivateKey(pem))
  if (rootKey === undefined) throw new Error('test-keys.pem has no key')
  const random = createChance('office')
  const now = DAWN - BEFORE_MS
  const root = createRoot({ key: rootKey, networkName: 'simulated', now: now - DAY_MS, random })
  const anchor = orThrow(trustAnchor(root, now))
  const issuer = { certificate: root, key: rootKey }
  const people = new Map<string, Person>()

  return {
    anchor,
    seats: keys.length,
    enrol: (seat, name) => {
      const known = people.get(`${seat}/${name}`)
      if (known !== undefined) return known
      const key = keys[seat]
      if (key === undefined) throw new Error(`there is no seat ${seat}`)
      const certificate = issueDevice({
        issuer,
        network: anchor.network,
        random: createChance(`office/${seat}/${name}`),
        user: user(name),
        spki: spkiOf(key),
        now,
        lifetimeMs: LIFETIME_MS,
      })
      const self = orThrow(verifyDevice(certificate, { anchor, now }))
      const person = { key, self }
      people.set(`${seat}/${name}`, person)
      return person
    },
    revoke: (number, now, out) =>
      createRevocationList({
        issuer,
        number,
        thisUpdate: now,
        nextUpdate: now + LIFETIME_MS,
        entries: out.map(({ device, since }) => ({ serial: device.serial, date: since, reason: 'keyCompromise' })),
      }),
  }
}
