import { fault } from '../../shared/errors.ts'
import { MODES, type Mode, readMode, setMode } from '../modes.ts'
import { lifetimeText, parseLifetime, readTerms, setTerms, type Terms } from '../terms.ts'
import { atDesk, type Options, tell } from './command.ts'

export type TermsOptions = Options & {
  readonly lifetime?: string
  readonly keyBits?: string
  readonly devices?: string
}

/** Shows the terms on which certificates are given, after setting those that are given. A CA that serves heeds them at once. */
export const showOrSetTerms = (options: TermsOptions): Promise<void> =>
  atDesk(options, async ({ database, now }) => {
    const { lifetime, keyBits, devices } = options
    const changes: Partial<Terms> = {
      ...(lifetime === undefined ? {} : { lifetimeMs: parseLifetime(lifetime) }),
      ...(keyBits === undefined ? {} : { keyBits: Number(keyBits) }),
      ...(devices === undefined ? {} : { devices: Number(devices) }),
    }
    const unchanged = Object.keys(changes).length === 0
    const terms = unchanged ? await readTerms(database) : await setTerms(database, changes, now)
    tell(options, terms, termsText(terms))
  })

/** Shows who may join without an invite, after setting it if it is given. A CA that serves heeds it at once. */
export const showOrSetMode = (word: string | undefined, options: Options): Promise<void> =>
  atDesk(options, async ({ database, now }) => {
    if (word !== undefined) await setMode(database, modeOf(word), now)
    const mode = await readMode(database)
    tell(options, { mode }, `without an invite ${MODE_WORDS[mode]}`)
  })

/** @throws LanyardError `input-invalid` */
export const modeOf = (word: string): Mode => {
  const mode = MODES.find((known) => known === word)
  if (mode === undefined) throw fault('input-invalid', `the mode is one of ${MODES.join(', ')}`)
  return mode
}

export const MODE_WORDS = {
  invite: 'nobody may join',
  open: 'everybody may join',
  approval: 'whom you approve may join',
} as const

/** In a line. */
export const termsText = ({ lifetimeMs, keyBits, devices }: Terms): string =>
  `certificates for ${lifetimeText(lifetimeMs)}, keys from ${keyBits} bits, up to ${devices} devices a user`
