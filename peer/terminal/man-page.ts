import type { Argument, Command, Option } from 'commander'

/** The manual page of a program, in man(7), out of what it tells its own help. */
export const manPage = (program: Command): string => {
  const help = program.createHelp()
  const commands = help.visibleCommands(program).filter((one) => one.name() !== 'help')
  return `${[
    `.TH ${program.name().toUpperCase()} 1 "" "Lanyard" "User commands"`,
    '.SH NAME',
    `${program.name()} \\- ${roff(program.description())}`,
    '.SH SYNOPSIS',
    `.B ${program.name()}`,
    '[options] [command]',
    '.SH OPTIONS',
    'They may stand before any command, or behind it.',
    ...program.options.filter(({ hidden }) => !hidden).flatMap(optionLines),
    '.SH COMMANDS',
    ...commands.flatMap((one) => commandLines(one, '')),
    ...ENDING,
  ].join('\n')}\n`
}

const commandLines = (command: Command, above: string): readonly string[] => {
  const name = `${above}${command.name()}`
  const under = command.createHelp().visibleCommands(command)
  const children = under.filter((one) => one.name() !== 'help')
  const words = command.registeredArguments
  const own = [
    `.SS ${[name, ...words.map(wordOf)].map(roff).join(' ')}`,
    `${roff(command.description())}.`,
    ...words.filter(({ description }) => description !== '').flatMap((one) => tagged(wordOf(one), one.description)),
    ...command.options.filter(({ hidden }) => !hidden).flatMap(optionLines),
    ...examplesOf(command),
  ]
  return [...own, ...children.flatMap((one) => commandLines(one, `${name} `))]
}

const wordOf = (argument: Argument): string => {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

const optionLines = ({ flags, description }: Option): readonly string[] => tagged(flags, description)

const tagged = (tag: string, text: string): readonly string[] => ['.TP', `.B ${roff(tag)}`, roff(text)]

/** The lines that `withExamples` has added to the command's help. */
const examplesOf = (command: Command): readonly string[] => {
  const examples = examplesByCommand.get(command)
  return examples === undefined ? [] : ['.PP', 'Examples:', '.nf', ...examples.map((line) => `  ${roff(line)}`), '.fi']
}

const examplesByCommand = new WeakMap<Command, readonly string[]>()

/** Lines that show how a command is used: in its help, and on the manual page. */
export const withExamples = (command: Command, examples: readonly string[]): void => {
  examplesByCommand.set(command, examples)
  command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`)
}

/** Nothing of ours is a request, a hyphen is one that can be copied, and a backslash is one (groff_char(7)). */
const roff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1')
    .replaceAll('\n', ' ')

const ENDING = [
  '.SH ENVIRONMENT',
  ...tagged('LANYARD_HOME', 'where the profile lives, unless --home says it'),
  ...tagged('LANYARD_PASSPHRASE, LANYARD_PASSWORD', 'the secrets, where nobody can be asked'),
  ...tagged('NO_COLOR', 'print no colours'),
  '.SH EXIT STATUS',
  ...tagged('0', 'it is done'),
  ...tagged('1', 'it is not, or something is wrong: standard error says what, and what to do next'),
  ...tagged('130', 'ended by Ctrl-C'),
]
