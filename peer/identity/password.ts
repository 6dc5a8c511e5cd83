import { isRefusal, type Refusal } from '../../shared/errors.ts'
import type { UserName } from '../../shared/ids.ts'
import { ENROLMENT_WAIT_MS } from '../../shared/limits.ts'
import { type CaLineParts, callCa } from './ca-line.ts'

export type PasswordOrder = {
  readonly user: UserName
  readonly password: string
  readonly newPassword: string
}

/** Gives the user another password at the CA; the node is a device of theirs. Null, or why nothing was changed. */
export const changePassword = async (parts: CaLineParts, order: PasswordOrder): Promise<Refusal | null> => {
  const changed = await callCa(parts, async (line) => {
    await line.send({ kind: 'password', ...order })
    return await line.hear('changed', ENROLMENT_WAIT_MS) // two hashes, each behind a full queue
  })
  return isRefusal(changed) ? changed : null
}
