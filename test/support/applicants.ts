import type { Newcomer } from '../../ca-node/admission.ts'
import type { Registry } from '../../ca-node/registry.ts'
import type { PeerId } from '../../shared/ids.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { user } from './certificates.ts'

/** When it all happens, milliseconds since the Unix epoch. */
export const NOW = 1_800_000_000_000

export const fill = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

/** Somebody whose token, device and serial all carry one number. */
export const applicant = (name: string, number: number, changes: Partial<Newcomer> = {}): Newcomer => ({
  user: user(name),
  peerId: `peer ${number}` as PeerId,
  admission: { kind: 'token', tokenHash: fill(32, number) },
  passwordHash: 'phc',
  spki: fill(8, number),
  addresses: ['/ip4/192.0.2.7/tcp/4200'],
  issued: { der: fill(100, number), serial: `0${number}`, notBefore: NOW, notAfter: NOW + 14 * DAY_MS, root: 1 },
  ...changes,
})

/** Makes the invites of these numbers. */
export const invite = (registry: Registry, ...numbers: number[]): Promise<void> =>
  registry.addInvites(
    numbers.map((number) => fill(32, number)),
    NOW + DAY_MS,
    NOW,
  )
