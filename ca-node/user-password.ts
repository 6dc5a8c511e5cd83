import { type Refusal, refuse } from '../shared/errors.ts'
import type { PeerId, UserName } from '../shared/ids.ts'
import { writeAudit } from './audit.ts'
import type { Transaction } from './database.ts'

/** What becomes of a user's password. Hashes are PHC strings. */
export type HashChange = {
  readonly user: UserName
  /** The device that asks for it. */
  readonly peerId: PeerId
  /** That which the present password was compared with. */
  readonly before: string | null
  readonly after: string
}

/** Writes it down, if the device is the user's and good, and nobody was faster. In the caller's transaction. */
export const changeHash = async (
  transaction: Transaction,
  { user, peerId, before, after }: HashChange,
  now: number,
): Promise<Refusal | null> => {
  const owner = await transaction
    .selectFrom('users')
    .leftJoin('devices', (join) => join.onRef('devices.user_id', '=', 'users.id').on('devices.peer_id', '=', peerId))
    .select([
      'users.id as id',
      'users.password_hash as hash',
      'users.disabled_at as disabled',
      'devices.id as device',
      'devices.revoked_at as revoked',
    ])
    .where('users.name', '=', user)
    .executeTakeFirst()
  if (owner === undefined || owner.hash !== before) return refuse('password-wrong')
  if (owner.disabled !== null) return refuse('user-disabled', user)
  if (owner.device === null) return refuse('device-not-theirs', peerId)
  if (owner.revoked !== null) return refuse('certificate-revoked', peerId)
  await transaction.updateTable('users').set({ password_hash: after }).where('id', '=', owner.id).execute()
  await writeAudit(transaction, { time: now, event: 'password', subject: user, detail: `by the user, from ${peerId}` })
  return null
}
