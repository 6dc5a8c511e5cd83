import type { Clock } from '../shared/clock.ts'
import { isRefusal, type Refusal } from '../shared/errors.ts'
import { userNameOf } from '../shared/user-name.ts'
import type { PasswordChange } from '../shared/wire/enrolment.ts'
import type { Attempts } from './attempts.ts'
import type { Passwords } from './passwords.ts'
import { assessPassword, type Caller } from './policy.ts'
import type { Registry } from './registry.ts'

export type PasswordChangeParts = {
  readonly attempts: Pick<Attempts, 'begin' | 'guess' | 'guessed'>
  readonly registry: Pick<Registry, 'changePassword' | 'passwordHash'>
  readonly passwords: Passwords
  readonly clock: Clock
  readonly log: (event: string, facts: Readonly<Record<string, unknown>>) => void
}

/**
 * A user's own change of the password, by the present one: guarded as a login is, so that nobody guesses faster at this
 * door. Who does not know the password learns nothing, not even whether there is such a user.
 */
export const changePassword = async (
  { attempts, registry, passwords, clock, log }: PasswordChangeParts,
  change: PasswordChange,
  caller: Caller,
): Promise<Refusal | null> => {
  const barred = await attempts.begin(caller.peerId, clock.now())
  if (barred !== null) return barred
  const user = userNameOf(change.user)
  if (isRefusal(user)) return user
  const unfit = assessPassword(change.password, 'known') ?? assessPassword(change.newPassword, 'new')
  if (unfit !== null) return unfit
  const tooOften = await attempts.guess(user, clock.now())
  if (tooOften !== null) return tooOften
  const before = await registry.passwordHash(user)
  const wrong = await passwords.verify(change.password, before)
  if (wrong !== null) return wrong
  await attempts.guessed(user)
  const after = await passwords.hash(change.newPassword)
  if (isRefusal(after)) return after
  const refused = await registry.changePassword({ user, peerId: caller.peerId, before, after }, clock.now())
  if (refused === null) log('password', { user, peer: caller.peerId })
  return refused
}
