import { confirm, isCancel } from '@clack/prompts'
import { systemClock } from '../../shared/clock.ts'
import { fault } from '../../shared/errors.ts'
import type { PassphraseSources } from '../../shared/passphrase.ts'
import { openBesideCa, type Store } from '../beside.ts'
import type { CaIdentity } from '../root-key.ts'

/** The options that every command takes. */
export type Options = {
  readonly home: string
  /** `postgres://…`; LANYARD_CA_DATABASE says it, too, and no list of processes shows that. */
  readonly database?: string
  readonly passphraseFile?: string
  readonly json?: boolean
  readonly yes?: boolean
}

/** What a command works on: all that the CA has written down, and the time, in milliseconds since the Unix epoch. */
export type Desk = Store & { readonly identity: CaIdentity; readonly now: number }

export const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** One JSON object for scripts, or the text. */
export const tell = (options: Options, facts: object, text: string): void =>
  print(options.json === true ? JSON.stringify(facts) : text)

/** The server that the operator names; without one the home knows where the database is. */
export const serverOf = ({ database }: Options): string | undefined =>
  database ?? (process.env.LANYARD_CA_DATABASE || undefined)

/** Does the job beside a CA that serves, or without one. */
export const atDesk = async (options: Options, job: (desk: Desk) => Promise<void>): Promise<void> => {
  const now = systemClock.now()
  const beside = await openBesideCa(options.home, now, serverOf(options))
  try {
    await job({ ...beside, now })
  } finally {
    await beside.close()
  }
}

/**
 * Asks before what can't be undone.
 * @throws LanyardError `input-missing` when nobody can be asked, or `cancelled`
 */
export const confirmed = async (options: Options, question: string): Promise<void> => {
  if (options.yes === true) return
  if (process.stdin.isTTY !== true) throw fault('input-missing', `--yes, to confirm: ${question}`)
  const answer = await confirm({ message: question, initialValue: false })
  if (isCancel(answer) || !answer) throw fault('cancelled')
}

/** Where the passphrase of the CA comes from. */
export const passphraseSources = (options: Options): PassphraseSources => ({
  file: options.passphraseFile,
  environment: process.env.LANYARD_CA_PASSPHRASE,
  interactive: process.stdin.isTTY === true,
  ask: { open: 'Passphrase of the CA', new: 'A new passphrase, to seal the root key' },
})
