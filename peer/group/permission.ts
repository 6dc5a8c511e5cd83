import { type Refusal, refuse } from '../../shared/errors.ts'
import type { UserName } from '../../shared/ids.ts'
import { type Authority, EVERYTHING } from './authority.ts'
import { lastOf } from './chains.ts'
import { newStay, type Stay } from './stay.ts'

/** What a user would write into a room; the rest of the body does not matter to whether it may be. */
export type Attempted =
  | { readonly kind: 'invite'; readonly user: string }
  | { readonly kind: 'remove'; readonly user: string }
  | { readonly kind: 'grant'; readonly user: string; readonly admin: boolean }
  | { readonly kind: 'join' }
  | { readonly kind: 'leave' }
  | { readonly kind: 'settings' }
  | { readonly kind: 'message' }

/** A room as it is for who would write into it now. */
type Room = {
  readonly open: boolean
  readonly members: ReadonlyMap<UserName, { readonly admin: boolean; readonly joined: boolean }>
  readonly authority: Pick<Authority, 'rankOfUser' | 'isShielded'>
  readonly stays: ReadonlyMap<string, Stay>
}

/** Null when the user may do this, by all that is known; else why not. What is refused here would be void or useless there. */
export const whyNotAllowed = (room: Room, user: UserName, attempted: Attempted): Refusal | null => {
  if (attempted.kind === 'join') return whyNotJoin(room, user)
  const self = room.members.get(user)
  if (self === undefined) return refuse(wasRemoved(room, user) ? 'removed' : 'not-a-member', user)
  if (attempted.kind === 'leave' || attempted.kind === 'message') return null
  const rank = self.admin ? room.authority.rankOfUser(user) : null
  if (rank === null) return refuse('not-an-admin', user)
  if (attempted.kind === 'settings') return null
  const target = room.members.get(attempted.user as UserName)
  const shielded = (): Refusal | null =>
    room.authority.isShielded(attempted.user, rank, EVERYTHING) ? refuse('senior-admin', attempted.user) : null
  switch (attempted.kind) {
    case 'invite':
      return target === undefined ? null : refuse('already-a-member', attempted.user)
    case 'grant':
      if (target === undefined) return refuse('not-a-member', attempted.user)
      if (attempted.admin) return target.admin ? refuse('already-an-admin', attempted.user) : null
      return target.admin ? shielded() : refuse('no-such-admin', attempted.user)
    case 'remove':
      // Somebody may be kept out of an open room before having come in.
      if (target === undefined && !room.open) return refuse('not-a-member', attempted.user)
      if (target === undefined && wasRemoved(room, attempted.user)) return refuse('removed', attempted.user)
      return shielded()
  }
}

const whyNotJoin = (room: Room, user: UserName): Refusal | null => {
  const self = room.members.get(user)
  if (self !== undefined) return self.joined ? refuse('already-a-member', user) : null
  if (!room.open) return refuse(wasRemoved(room, user) ? 'removed' : 'room-invite-only', user)
  return wasRemoved(room, user) ? refuse('removed', user) : null
}

/** Whether there is a removal that no admin has taken back by an invite since. */
const wasRemoved = ({ stays }: Room, user: string): boolean => {
  const { removals, invites } = stays.get(user) ?? newStay()
  return lastOf(removals).some(({ hash }) => !lastOf(invites).some(({ past }) => past.has(hash)))
}
