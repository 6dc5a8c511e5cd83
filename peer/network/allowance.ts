import type { Clock } from '../../shared/clock.ts'
import { type Refusal, refuse } from '../../shared/errors.ts'
import type { PeerId } from '../../shared/ids.ts'
import {
  ALLOWANCES,
  type AllowanceKind,
  BAR_MAX_MS,
  BAR_MS,
  BAR_REMEMBERED_MS,
  PACE_MAX_MS,
  SECOND_MS,
} from '../../shared/limits.ts'

/**
 * What one peer may use of us: token buckets, which an honest member does not empty for long. Who empties one waits, and only
 * with what it wants of us. Who goes on sending what no honest member sends is barred for a while.
 */
export type Allowance = {
  /** Takes so much of a kind, on credit if need be. @returns milliseconds until the peer is within its bounds again */
  spend(peer: PeerId, kind: AllowanceKind, amount: number): number
  /** Notes something that no honest member sends; one too many bars the peer. */
  foul(peer: PeerId): void
  isBarred(peer: PeerId): boolean
}

/**
 * Lets a question of a peer wait until the peer is within its bounds again.
 * @returns null; or `flooding`, at once, where that would take too long
 */
export const paced = async (
  { spend }: Pick<Allowance, 'spend'>,
  peer: PeerId,
  kind: AllowanceKind,
  amount: number,
): Promise<Refusal | null> => {
  const wait = spend(peer, kind, amount)
  if (wait > PACE_MAX_MS) return refuse('flooding', kind)
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait).unref())
  return null
}

export type AllowanceParts = {
  /** One that is never set back: the monotonic one, or a test's. */
  readonly clock: Clock
  /** A peer is barred from now on. */
  readonly onBarred: (peer: PeerId) => void
}

type Bucket = { readonly tokens: number; readonly at: number }
type Account = { readonly buckets: Map<AllowanceKind, Bucket>; barredUntil: number; bars: number; seen: number }

export const createAllowance = ({ clock, onBarred }: AllowanceParts): Allowance => {
  const accounts = new Map<PeerId, Account>()

  const accountOf = (peer: PeerId): Account => {
    const now = clock.now()
    const known = accounts.get(peer)
    if (known !== undefined) {
      known.seen = now
      return known
    }
    forgetIdle(now)
    const account = { buckets: new Map<AllowanceKind, Bucket>(), barredUntil: 0, bars: 0, seen: now }
    accounts.set(peer, account)
    return account
  }
  /** Full buckets need not be remembered; bars are, for a while. */
  const forgetIdle = (now: number): void => {
    for (const [peer, { seen, barredUntil }] of accounts) {
      if (now - Math.max(seen, barredUntil) > BAR_REMEMBERED_MS) accounts.delete(peer)
    }
  }
  const spend: Allowance['spend'] = (peer, kind, amount) => {
    const { burst, perSecond } = ALLOWANCES[kind]
    const { buckets } = accountOf(peer)
    const now = clock.now()
    const { tokens: left, at } = buckets.get(kind) ?? { tokens: burst, at: now }
    const tokens = Math.min(burst, left + ((now - at) / SECOND_MS) * perSecond) - amount
    buckets.set(kind, { tokens, at: now })
    return tokens >= 0 ? 0 : Math.ceil((-tokens / perSecond) * SECOND_MS)
  }
  const isBarred = (peer: PeerId): boolean => clock.now() < (accounts.get(peer)?.barredUntil ?? 0)

  return {
    spend,
    isBarred,
    foul: (peer) => {
      if (isBarred(peer) || spend(peer, 'fouls', 1) === 0) return
      const account = accountOf(peer)
      account.barredUntil = clock.now() + Math.min(BAR_MAX_MS, BAR_MS * 2 ** account.bars)
      account.bars++
      account.buckets.clear()
      onBarred(peer)
    },
  }
}
