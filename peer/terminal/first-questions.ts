import { cancel, isCancel, log, password, select, text } from '@clack/prompts'
import { fault, isRefusal, type Refusal, wordsOf } from '../../shared/errors.ts'
import type { UserName } from '../../shared/ids.ts'
import { type Invite, parseInvite } from '../../shared/invite.ts'
import { PASSWORD_MIN } from '../../shared/limits.ts'
import { parseNetworkCode } from '../../shared/network-code.ts'
import { userNameOf } from '../../shared/user-name.ts'

// The questions of a first start, each asked until it has an answer that can be used. Ctrl-C ends all of it.

/** The answer. @throws LanyardError `cancelled` at Ctrl-C */
export const answered = <T>(answer: T): Exclude<T, symbol> => {
  if (!isCancel(answer)) return answer as Exclude<T, symbol>
  cancel('Nothing was done.')
  throw fault('cancelled')
}

/** Says why an answer is none, for the line under the question. */
const wrong = (value: unknown): string | undefined => (isRefusal(value) ? wordsOf(value) : undefined)

/** A value that was looked at before it came. */
const sure = <T>(value: T | Refusal): T => {
  if (isRefusal(value)) throw fault(value.code, value.detail)
  return value
}

export const askInvite = async (now: () => number): Promise<Invite> => {
  const validate = (line = ''): string | undefined => {
    const invite = parseInvite(line)
    if (isRefusal(invite)) return wordsOf(invite)
    return invite.expires <= now() ? 'that invite has expired: ask the operator for a new one' : undefined
  }
  const line = answered(await text({ message: 'Paste the invite: the line that begins with lanyard://join', validate }))
  return sure(parseInvite(line))
}

/** The root that the CA must show. */
export const askCode = async (name: string): Promise<Uint8Array> => {
  const code = answered(
    await text({
      message: `The network code that the screen of the CA of “${name}” shows`,
      placeholder: 'abcd-efgh-…, 14 groups; case and hyphens do not matter',
      validate: (line = '') => wrong(parseNetworkCode(line)),
    }),
  )
  return sure(parseNetworkCode(code))
}

export const askUser = async (): Promise<UserName> => {
  const validate = (line = ''): string | undefined => wrong(userNameOf(line.trim()))
  const name = answered(await text({ message: 'Your user name in this network, such as alice', validate }))
  return sure(userNameOf(name.trim()))
}

/** A secret that nobody sees: two that differ are asked for again. */
export const askSecret = async (message: string): Promise<string> => {
  const validate = (secret = ''): string | undefined =>
    [...secret].length < PASSWORD_MIN ? `at least ${PASSWORD_MIN} characters` : undefined
  for (;;) {
    const first = answered(await password({ message, validate }))
    const second = answered(await password({ message: 'The same again' }))
    if (first === second) return first
    log.warn('The two differ.')
  }
}

/** A secret that exists: once is enough. */
export const askKnownSecret = async (message: string): Promise<string> => answered(await password({ message }))

export type Choice<T> = { readonly value: T; readonly label: string; readonly hint?: string }

export const choose = async <T>(message: string, choices: readonly Choice<T>[]): Promise<T> => {
  const options = choices.map(({ label, hint = '' }, value) => ({ value, label, hint }))
  const chosen = choices[answered(await select({ message, options }))]
  if (chosen === undefined) throw fault('cancelled')
  return chosen.value
}
