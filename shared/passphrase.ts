import { readFile } from 'node:fs/promises'
import { cancel, isCancel, password } from '@clack/prompts'
import { fault } from './errors.ts'
import { PASSWORD_MIN } from './limits.ts'

export type PassphraseSources = {
  readonly file: string | undefined
  readonly environment: string | undefined
  /** Whether somebody sits at a terminal and can be asked. */
  readonly interactive: boolean
  /** The questions to ask there. */
  readonly ask: { readonly open: string; readonly new: string }
}

/**
 * The passphrase from a file, the environment, or the person at the terminal, in this order.
 * @param purpose `new` asks twice, and takes none under 8 characters
 * @throws LanyardError `passphrase-missing`, or `input-invalid`
 */
export const passphraseFrom = async (sources: PassphraseSources, purpose: 'new' | 'open'): Promise<string> => {
  const passphrase = await find(sources, purpose)
  if (purpose === 'new' && passphrase.length < PASSWORD_MIN) throw fault('input-invalid', TOO_SHORT)
  return passphrase
}

const TOO_SHORT = `a passphrase has at least ${PASSWORD_MIN} characters`

const find = async (sources: PassphraseSources, purpose: 'new' | 'open'): Promise<string> => {
  if (sources.file !== undefined) return firstLine(sources.file)
  if (sources.environment !== undefined && sources.environment !== '') return sources.environment
  if (!sources.interactive) throw fault('passphrase-missing')
  if (purpose === 'open') return ask(sources.ask.open)
  const passphrase = await ask(sources.ask.new, (text) => ((text ?? '').length < PASSWORD_MIN ? TOO_SHORT : undefined))
  await ask('The same again', (text) => (text === passphrase ? undefined : 'the two differ'))
  return passphrase
}

const firstLine = async (path: string): Promise<string> => {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fault('passphrase-missing', path, cause)
  })
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw fault('passphrase-missing', `${path} is empty`)
  return line
}

const ask = async (message: string, validate?: (text: string | undefined) => string | undefined): Promise<string> => {
  const answer = await password({ message, ...(validate === undefined ? {} : { validate }) })
  if (!isCancel(answer)) return answer
  cancel()
  throw fault('passphrase-missing')
}
