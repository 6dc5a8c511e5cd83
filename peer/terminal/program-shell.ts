import { Argument, type Command } from 'commander'
import { connectIfRunning } from '../api/remote-client.ts'
import { print } from '../commands/command.ts'
import { bashScript } from './completion/bash.ts'
import { fishScript } from './completion/fish.ts'
import { type Outline, outlineOf } from './completion/outline.ts'
import { wordsFor } from './completion/words.ts'
import { zshScript } from './completion/zsh.ts'
import { manPage } from './man-page.ts'
import { optionsOf } from './program-options.ts'

const SCRIPTS: Readonly<Record<string, (program: Outline) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

/** What the shell and the reader get of the program itself. To be added last: they tell of all the others. */
export const addShellCommands = (program: Command): void => {
  program
    .command('completion')
    .addArgument(new Argument('<shell>').choices(Object.keys(SCRIPTS)))
    .description('print what makes Tab complete commands, options, rooms, users and files in bash, zsh or fish')
    .action((shell: string) => void process.stdout.write(SCRIPTS[shell]?.(outlineOf(program)) ?? ''))
  program
    .command('man')
    .description('print the manual page: lanyard man | man -l -')
    .action(() => void process.stdout.write(manPage(program)))
  // What the scripts ask, of the device that runs and of no other: none is started, and no passphrase asked for.
  program
    .command('complete-words', { hidden: true })
    .argument('<kind>')
    .action(async (kind: string, _options: unknown, command: Command) => {
      await using running = await connectIfRunning(optionsOf(command).home)
      if (running !== null) for (const word of await wordsFor(running, kind)) print(word)
    })
}
