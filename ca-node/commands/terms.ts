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

/** In a line. */
export const termsText = ({ lifetimeMs, keyBits, devices }: Terms): string =>
  `certificates for ${lifetimeText(lifetimeMs)}, keys from ${keyBits} bits, up to ${devices} devices a user`
