import { fault, LanyardError, orThrow } from '../shared/errors.ts'
import { sha256, type UserName } from '../shared/ids.ts'
import { formatInvite, type Invite, parseInvite } from '../shared/invite.ts'
import { ADDRESSES_MAX, INVITE_TOKEN_BYTES, INVITES_AT_ONCE } from '../shared/limits.ts'
import type { Random } from '../shared/random.ts'
import { checkReserved } from './names.ts'
import type { Registry } from './registry.ts'
import type { CaIdentity } from './root-key.ts'

export type InviteOrder = {
  readonly count: number
  /** Milliseconds that each is good for. */
  readonly lifetimeMs: number
  /** Milliseconds since the Unix epoch. */
  readonly now: number
  /** The only user name that it lets in; without one, any. */
  readonly forName?: UserName
}

/**
 * New invites to wherever the CA listened when it last served. Only the hashes of their tokens are kept.
 * @throws LanyardError `input-invalid`, `name-reserved`, `name-taken`, or `not-served` when the CA has never listened anywhere
 */
export const createInvites = async (
  parts: { readonly identity: CaIdentity; readonly registry: Registry; readonly random: Random },
  { count, lifetimeMs, now, forName }: InviteOrder,
): Promise<Invite[]> => {
  const { identity, registry, random } = parts
  if (!Number.isInteger(count) || count < 1 || count > INVITES_AT_ONCE) {
    throw fault('input-invalid', `a count from 1 to ${INVITES_AT_ONCE}`)
  }
  if (!(lifetimeMs > 0)) throw fault('input-invalid', 'a time to live above 0')
  if (forName !== undefined) {
    if (count !== 1) throw fault('input-invalid', 'a name takes one invite')
    const reserved = checkReserved(forName)
    if (reserved !== null) throw new LanyardError(reserved)
    if ((await registry.passwordHash(forName)) !== null) throw fault('name-taken', forName)
  }
  const addresses = reachable(await registry.addresses())
  if (addresses.length === 0) throw fault('not-served')
  const invites = Array.from({ length: count }, () => ({
    pin: sha256(identity.anchor.spki),
    caPeerId: identity.ca.peerId,
    addresses,
    token: random.bytes(INVITE_TOKEN_BYTES),
    expires: now + lifetimeMs,
    networkName: identity.anchor.name,
  }))
  // As its reader will see it: what could not be read is not given out.
  for (const invite of invites) orThrow(parseInvite(formatInvite(invite)))
  await registry.addInvites(
    invites.map((invite) => sha256(invite.token)),
    now + lifetimeMs,
    now,
    forName ?? null,
  )
  return invites
}

/** The addresses that somebody else can use, without PeerId; loopback only when there is nothing else. */
export const reachable = (addresses: readonly string[]): string[] => {
  const bare = [...new Set(addresses.map((address) => address.replace(/\/p2p\/.*$/, '')))].filter(
    (address) => !address.startsWith('/ip6/fe80:'), // link-local: it means nothing without an interface's name
  )
  const open = bare.filter((address) => !/^\/(ip4\/127\.|ip6\/::1\/)/.test(address))
  return (open.length > 0 ? open : bare).slice(0, ADDRESSES_MAX)
}
