import type { Command } from 'commander'
import { backup, restore } from '../commands/backup.ts'
import { optionsOf } from './program-options.ts'

/** `backup` and `restore`. */
export const addBackupCommands = (program: Command): void => {
  program
    .command('backup')
    .argument('<file>', 'where to; a backup that is there is replaced')
    .description('all of this device in one file, sealed by its passphrase; its peer may run')
    .action((file: string, _options: unknown, command: Command) => backup(file, optionsOf(command)))
  program
    .command('restore')
    .argument('<file>', 'that `backup` has written')
    .description('a backup into a home that has no profile: after a loss, or on another machine')
    .action((file: string, _options: unknown, command: Command) => restore(file, optionsOf(command)))
}
