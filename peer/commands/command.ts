import { readFile } from 'node:fs/promises'
import { isCancel, password } from '@clack/prompts'
import { fault } from '../../shared/errors.ts'
import { DEVICE_KEY_BITS, DEVICE_KEY_MIN_BITS, PASSWORD_MIN } from '../../shared/limits.ts'
import { passphraseFrom } from '../../shared/passphrase.ts'

/** The options that every command takes. */
export type Options = {
  readonly home: string
  readonly listen?: readonly string[]
  readonly passphraseFile?: string
  readonly json?: boolean
  /** The passphrase, where it has just been chosen. */
  readonly openWith?: string
}

export const print = (line: string): void => void process.stdout.write(`${line}\n`)

/** One JSON object for scripts, or the text. */
export const tell = (options: Options, object: Record<string, unknown>, text: string): void =>
  print(options.json === true ? JSON.stringify(object) : text)

/** What seals the key of this device. @throws LanyardError `passphrase-missing`, `input-invalid` */
export const passphraseOf = async (options: Options, purpose: 'new' | 'open'): Promise<string> =>
  options.openWith ??
  (await passphraseFrom(
    {
      file: options.passphraseFile,
      environment: process.env.LANYARD_PASSPHRASE,
      interactive: isInteractive(),
      ask: { open: 'Passphrase of this device', new: 'A new passphrase, to seal the key of this device' },
    },
    purpose,
  ))

/** Where a secret comes from: the first line of a file, the environment, or the person at the terminal, in this order. */
export type SecretSources = {
  readonly file: string | undefined
  readonly environment: string | undefined
  readonly question: string
  /** Asked twice at the terminal, and refused when it is short. */
  readonly isNew?: boolean
}

/** @throws LanyardError `input-missing`, `password-too-short` */
export const secretOf = async ({ file, environment, question, isNew = false }: SecretSources): Promise<string> => {
  const given = file === undefined ? environment : await firstLine(file)
  if (given !== undefined && given !== '') {
    if (isNew && [...given].length < PASSWORD_MIN) throw fault('password-too-short')
    return given
  }
  const tooShort = (text = '') => (isNew && [...text].length < PASSWORD_MIN ? TOO_SHORT : undefined)
  const secret = await ask(question, (message) => password({ message, validate: tooShort }))
  const again = (text = '') => (text === secret ? undefined : 'the two differ')
  if (isNew) await ask('The same again', (message) => password({ message, validate: again }))
  return secret
}

const TOO_SHORT = `at least ${PASSWORD_MIN} characters`

/** An answer of the person at the terminal. @throws LanyardError `input-missing` when nobody is there, or gives none */
export const ask = async (question: string, prompt: (message: string) => Promise<unknown>): Promise<string> => {
  if (!isInteractive()) throw fault('input-missing', question.toLowerCase())
  const answer = await prompt(question)
  if (isCancel(answer) || typeof answer !== 'string') throw fault('input-missing', question.toLowerCase())
  return answer
}

const isInteractive = (): boolean => process.stdin.isTTY === true

/** @throws LanyardError `input-missing` when it can't be read, or is empty */
const firstLine = async (path: string): Promise<string> => {
  const content = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fault('input-missing', path, cause)
  })
  const [line = ''] = content.split(/\r?\n/)
  if (line === '') throw fault('input-missing', `${path} is empty`)
  return line
}

/** The size of a new key. @throws LanyardError `input-invalid` */
export const keyBitsOf = (given: string | undefined): number => {
  if (given === undefined) return DEVICE_KEY_MIN_BITS
  const bits = DEVICE_KEY_BITS.find((known) => String(known) === given)
  if (bits === undefined) throw fault('input-invalid', `--key-bits ${given}: one of ${DEVICE_KEY_BITS.join(', ')}`)
  return bits
}
