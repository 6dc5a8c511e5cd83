import type { Command, Option } from 'commander'

/** What a word stands for, by the name that it has in the help: `<room>`, `[file]`, `--to <place>`. */
export type Kind = 'file' | 'folder' | 'place' | 'room' | 'user' | 'id' | 'what' | 'other' | readonly string[]

export type OutlineOption = {
  /** As they are typed: `--to`. */
  readonly flags: readonly string[]
  /** What comes behind it; null: nothing does. */
  readonly value: Kind | null
  readonly description: string
}

/** A command as a shell has to know it. */
export type Outline = {
  /** `lanyard room create` */
  readonly path: string
  readonly name: string
  readonly description: string
  readonly options: readonly OutlineOption[]
  /** What its words stand for; of one that may come again the last stands for all further ones. */
  readonly words: readonly Kind[]
  readonly commands: readonly Outline[]
}

/** The outline of a program, out of what it tells its own help. Commands that the help hides are left out. */
export const outlineOf = (command: Command, above = ''): Outline => {
  const path = above === '' ? command.name() : `${above} ${command.name()}`
  const shown = command.createHelp().visibleCommands(command)
  return {
    path,
    name: command.name(),
    description: command.description(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionOf), HELP],
    words: command.registeredArguments.map((argument) => argument.argChoices ?? kindOf(argument.name())),
    commands: shown.filter((one) => one.name() !== 'help').map((one) => outlineOf(one, path)),
  }
}

const HELP: OutlineOption = { flags: ['--help'], value: null, description: 'show what there is' }

const optionOf = ({ short, long, flags, argChoices, description }: Option): OutlineOption => ({
  flags: [short, long].filter((flag) => flag != null),
  value: argChoices ?? (/[<[]/.test(flags) ? kindOf(/[<[]([\w-]+)/.exec(flags)?.[1] ?? '') : null),
  description,
})

const KINDS: readonly Exclude<Kind, readonly string[]>[] = ['file', 'folder', 'place', 'room', 'user', 'id', 'what']

const kindOf = (name: string): Kind => (name === 'path' ? 'file' : (KINDS.find((kind) => kind === name) ?? 'other'))

/** A command and all under it. */
export const allOf = (outline: Outline): readonly Outline[] => [outline, ...outline.commands.flatMap(allOf)]
