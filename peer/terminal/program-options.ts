import type { Command } from 'commander'
import { fault } from '../../shared/errors.ts'
import type { Options as BaseOptions } from '../commands/command.ts'

/** The options that stand before any command. */
export type Options = BaseOptions & {
  readonly downloads?: string
  readonly peer?: readonly string[]
  readonly mdns: boolean
  readonly strict?: boolean
  readonly limit?: string
}
/** … and those of a command that goes to a place, and waits. */
export type WaitOptions = Options & { readonly wait: string; readonly to?: string }

/**
 * What to say when a device runs already, and options were given that a device takes at its start alone; null when none was.
 * They come from the command line and nowhere else: what a home has settled is not among them.
 */
export const startOnlyNote = ({ listen, downloads, limit, mdns, strict }: Options): string | null => {
  const given = [
    ...(listen === undefined ? [] : ['--listen']),
    ...(downloads === undefined ? [] : ['--downloads']),
    ...(limit === undefined ? [] : ['--limit']),
    ...(mdns ? [] : ['--no-mdns']),
    ...(strict === undefined ? [] : ['--strict']),
  ]
  if (given.length === 0) return null
  const names = given.length === 1 ? `${given[0]} is` : `${given.slice(0, -1).join(', ')} and ${given.at(-1)} are`
  return `note: a device is running here; ${names} set where it was started`
}

/** An option that may come several times. */
export const listed = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

export const PASSWORD_FILE = [
  '--password-file <file>',
  'its first line is the password; else LANYARD_PASSWORD, else a prompt',
] as const
export const KEY_BITS = [
  '--key-bits <bits>',
  'the size of the key, 2048 to 4096; longer by itself where the CA asks for it',
] as const

export const optionsOf = <Own = unknown>(command: Command): Options & Own => command.optsWithGlobals<Options & Own>()

export const orderOf = ({ to, json }: WaitOptions, waitMs: number) => ({ to, waitMs, json: json === true })

/** Milliseconds. */
export const seconds = (given: string): number => {
  const number = Number(given)
  if (!Number.isFinite(number) || number < 0) throw fault('input-invalid', `--wait ${given}: a number of seconds`)
  return number * 1_000
}
