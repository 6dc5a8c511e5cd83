import { createPublicKey, randomBytes } from 'node:crypto'
import type { Admission, Newcomer } from '../../ca-node/admission.ts'
import type { Store } from '../../ca-node/beside.ts'
import { verifyDevice } from '../../shared/certificate/verify.ts'
import { orThrow, type Refusal, refusalOf } from '../../shared/errors.ts'
import { sha256 } from '../../shared/ids.ts'
import { DAY_MS } from '../../shared/limits.ts'
import { peerIdOfSpki } from '../../shared/network/peer-id.ts'
import { type TestNetwork, testNetwork, user } from './certificates.ts'

/** One of the crowd: many have a name of their own and a token of their own; some share the one, some the other. */
export type Member = { readonly name: string; readonly token: number }

/** All who come at once: 200, of whom 20 bear the name of another, and 50 have one token between them. */
export const CROWD: readonly Member[] = [
  ...Array.from({ length: 130 }, (_, at) => ({ name: `user-${at}`, token: at })),
  ...Array.from({ length: 20 }, (_, at) => ({ name: `user-${at}`, token: 130 + at })),
  ...Array.from({ length: 50 }, (_, at) => ({ name: `sharer-${at}`, token: 150 })),
]
const TOKENS = 151

/** What came of it, of one: `in`, or the code of the refusal. */
export type Outcome = Member & { readonly code: string }

export const inviteCrowd = ({ registry }: Store, now: number): Promise<void> =>
  registry.addInvites(
    Array.from({ length: TOKENS }, (_, at) => tokenHash(at)),
    now + DAY_MS,
    now,
  )

/**
 * The way of each through the CA, as its handler leads it, but for the connection and the hash of the password: all are
 * looked at first, and pass, since nobody is in yet; then, once `together` says so, all are written down at the same instant.
 * @param onOutcome called for each as soon as it is known
 */
export const enrolCrowd = async (
  store: Store,
  members: readonly Member[],
  parts: { readonly together?: () => Promise<void>; readonly onOutcome?: (outcome: Outcome) => void } = {},
): Promise<Outcome[]> => {
  const network = testNetwork()
  const now = network.clock.now()
  const looked: { member: Member; newcomer: Newcomer; refused: Refusal | null }[] = []
  for (const member of members) {
    const newcomer = newcomerOf(network, member)
    looked.push({ member, newcomer, refused: await store.registry.check(newcomer, now) })
  }
  await parts.together?.()
  return Promise.all(
    looked.map(async ({ member, newcomer, refused }) => {
      const verdict = refused ?? (await store.registry.enrol(newcomer, now).catch(refusalOf))
      const outcome = { ...member, code: verdict?.code ?? 'in' }
      parts.onOutcome?.(outcome)
      return outcome
    }),
  )
}

/** What does not fit the promise, in words: of each name one is in, of each token one, and nobody else is kept out. */
export const wrongIn = (outcomes: readonly Outcome[], names: readonly string[]): string[] => {
  const count = (fits: (outcome: Outcome) => boolean): number => outcomes.filter(fits).length
  const users = names.filter((name) => name.startsWith('user-'))
  const sharers = names.filter((name) => name.startsWith('sharer-'))
  return [
    ...(new Set(users).size === 130 && users.length === 130 ? [] : [`${users.length} of 130 names are in`]),
    ...(sharers.length === 1 ? [] : [`${sharers.length} came in with one token`]),
    ...(count(({ code }) => code === 'in') === names.length ? [] : ['not all who were told so are in']),
    ...(count(({ code }) => code === 'name-taken') === 20 ? [] : ['not 20 were told that the name is taken']),
    ...(count(({ code }) => code === 'token-used') === 49 ? [] : ['not 49 were told that the token is used']),
  ]
}

const tokenHash = (token: number): Uint8Array => sha256(new TextEncoder().encode(`token ${token}`))

const newcomerOf = (network: TestNetwork, { name, token }: Member): Newcomer => {
  const key = unsafePublicKey()
  const spki = new Uint8Array(key.export({ type: 'spki', format: 'der' }))
  const der = network.issue({ user: name, key })
  const checks = { anchor: network.anchor, now: network.clock.now(), remoteSpki: spki }
  const { serial, notBefore, notAfter } = orThrow(verifyDevice(der, checks))
  const admission: Admission = { kind: 'token', tokenHash: tokenHash(token) }
  const issued = { der, serial, notBefore, notAfter, root: 1 }
  return { user: user(name), peerId: peerIdOfSpki(spki), admission, addresses: [], passwordHash: 'phc', spki, issued }
}

/** Of no private key, and had in no time: 200 real ones would take 20 s. */
export const unsafePublicKey = () => {
  const modulus = randomBytes(256)
  modulus[0] = 0x80 | (modulus[0] ?? 0)
  modulus[255] = 1 | (modulus[255] ?? 0)
  return createPublicKey({ key: { kty: 'RSA', n: modulus.toString('base64url'), e: 'AQAB' }, format: 'jwk' })
}
