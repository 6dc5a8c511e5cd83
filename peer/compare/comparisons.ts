import { z } from 'zod'
import type { Clock } from '../../shared/clock.ts'
import { fault, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import type { PeerId, UserName } from '../../shared/ids.ts'
import { multihashOf } from '../../shared/wire/challenge.ts'
import type { Database } from '../store/database.ts'
import type { DeskStore } from '../store/desk.ts'
import { type CompareSide, formatCompareLink, inOrder, parseCompareLink } from './link.ts'
import { fingerprintOf, partyOf, safetyNumber } from './safety-number.ts'

/** How it stands with a user: `changed`: devices have come since, whose keys nobody has compared. */
export type ComparedState = 'no' | 'yes' | 'changed'

/** What two people hold side by side. */
export type Comparison = {
  readonly user: UserName
  /** 12 groups of 5 digits: the same on both screens, as long as both know the same devices. */
  readonly number: readonly string[]
  /** For a QR code: `lanyard://compare/1#…`, the same on both screens, too. */
  readonly link: string
  /** The devices that it covers, ours and theirs: all but the revoked ones. */
  readonly ours: readonly PeerId[]
  readonly theirs: readonly PeerId[]
}

export type Comparisons = {
  /** About 20 ms. @throws LanyardError `user-unknown`, `input-invalid` for ourselves */
  with(user: UserName): Comparison
  /** Whether what was scanned on the other screen is what ours shows: null, `compare-malformed`, `compare-other` or `compare-differs`. */
  check(user: UserName, link: string): Refusal | null
  /**
   * Notes that the two screens showed this number; sealed, and told to nobody.
   * @throws LanyardError `compare-changed` when a device has come since, `storage-failed`
   */
  mark(user: UserName, number: readonly string[]): void
  /** Takes the note back. */
  unmark(user: UserName): void
  stateOf(user: UserName): ComparedState
  /** Whether the key of this device was among those that were compared. */
  isCompared(user: UserName, device: PeerId): boolean
  /** All devices that have come to users who were compared, and were not themselves. */
  fresh(): readonly { readonly user: UserName; readonly device: PeerId }[]
}

export type ComparisonsParts = {
  readonly network: string
  readonly self: UserName
  /** Of all users, without revoked ones. */
  readonly devices: () => readonly { readonly peer: PeerId; readonly user: UserName }[]
  readonly store: DeskStore
  readonly database: Database
  readonly clock: Clock
  /** A device that nobody has compared has come to a user who was. */
  readonly onFresh: (user: UserName, device: PeerId) => void
}

const noteShape = z.object({ user: z.string(), at: z.number(), devices: z.array(z.string()) })

/** @returns also what is to be called when a device has become known: the same key under a newer certificate is no news */
export const createComparisons = (parts: ComparisonsParts) => {
  const { network, self, store, database } = parts
  const compared = new Map<UserName, ReadonlySet<string>>()
  for (const text of store.all('compared')) {
    const { user, devices } = noteShape.parse(JSON.parse(text))
    compared.set(user as UserName, new Set(devices))
  }
  const told = new Set<PeerId>()
  const devicesOf = (user: UserName): readonly PeerId[] =>
    parts.devices().flatMap((one) => (one.user === user ? [one.peer] : []))
  const freshOf = (user: UserName): readonly PeerId[] => {
    const known = compared.get(user)
    return known === undefined ? [] : devicesOf(user).filter((device) => !known.has(device))
  }

  const look = (user: UserName) => {
    if (user === self) throw fault('input-invalid', 'that is you')
    const [ours, theirs] = [devicesOf(self), devicesOf(user)]
    if (theirs.length === 0) throw fault('user-unknown', user)
    const side = (name: UserName, devices: readonly PeerId[]): CompareSide => ({
      user: name,
      fingerprint: fingerprintOf(partyOf(network, name, devices.map(multihashOf))),
    })
    const sides = [side(self, ours), side(user, theirs)] as const
    return { ours, theirs, link: { network, sides: inOrder(...sides) }, sides }
  }

  const face: Comparisons = {
    with: (user) => {
      const { ours, theirs, link, sides } = look(user)
      const number = safetyNumber(sides[0].fingerprint, sides[1].fingerprint)
      return { user, number, link: formatCompareLink(link), ours, theirs }
    },
    check: (user, text) => {
      const scanned = parseCompareLink(text)
      if (isRefusal(scanned)) return scanned
      const { link } = look(user)
      const isOfUs = link.sides.every((side, at) => side.user === scanned.sides[at]?.user)
      if (scanned.network !== network || !isOfUs) {
        return refuse('compare-other', scanned.sides.map((side) => side.user).join(' and '))
      }
      const different = link.sides.filter(
        ({ fingerprint }, at) => Buffer.compare(fingerprint, scanned.sides[at]?.fingerprint ?? new Uint8Array()) !== 0,
      )
      if (different.length === 0) return null
      return refuse('compare-differs', `the keys of ${different.map((side) => side.user).join(' and of ')}`)
    },
    mark: (user, number) => {
      const present = face.with(user)
      if (present.number.join() !== number.join()) throw fault('compare-changed', user)
      const note = { user, at: parts.clock.now(), devices: present.theirs }
      database.transaction(() => store.put('compared', user, JSON.stringify(note)))
      compared.set(user, new Set(present.theirs))
    },
    unmark: (user) => {
      database.transaction(() => store.remove('compared', user))
      compared.delete(user)
    },
    stateOf: (user) => (!compared.has(user) ? 'no' : freshOf(user).length === 0 ? 'yes' : 'changed'),
    isCompared: (user, device) => compared.get(user)?.has(device) ?? false,
    fresh: () => [...compared.keys()].flatMap((user) => freshOf(user).map((device) => ({ user, device }))),
  }
  const deviceKnown = (user: UserName, device: PeerId): void => {
    if (!compared.has(user) || told.has(device) || !freshOf(user).includes(device)) return
    told.add(device)
    parts.onFresh(user, device)
  }
  return { face, deviceKnown }
}
