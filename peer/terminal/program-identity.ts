import type { Command } from 'commander'
import { config } from '../commands/config.ts'
import { type JoinOptions, joinNetwork } from '../commands/join.ts'
import { type LoginOptions, login } from '../commands/login.ts'
import { type PasswdOptions, passwd } from '../commands/passwd.ts'
import { type RekeyOptions, rekey } from '../commands/rekey.ts'
import { renew } from '../commands/renew.ts'
import { KEY_BITS, optionsOf, PASSWORD_FILE } from './program-options.ts'

/** The commands about this device and its user: certificate, key, password, settings. */
export const addIdentityCommands = (program: Command): void => {
  program
    .command('join')
    .argument('<invite>', "the line that begins with lanyard://join/1# , in quotes, from the CA's screen")
    .option('--user <name>', 'the user name to take; else a prompt')
    .option(...PASSWORD_FILE)
    .option(...KEY_BITS)
    .description('enrol this device in a network')
    .action((invite: string, _options: unknown, command: Command) =>
      joinNetwork(invite, 'new-user', optionsOf<JoinOptions>(command)),
    )
  program
    .command('login')
    .argument('[invite]', 'any invite of the network, also one that is used up; without one, this device once more')
    .option('--user <name>', 'whose device this is to be; else a prompt')
    .option(...PASSWORD_FILE)
    .option(...KEY_BITS)
    .option('--new-key', 'give a device that was revoked another key; its history stays')
    .description(
      'by the password: make this a further device of a user, or bring one back whose certificate is long over',
    )
    .action((invite: string | undefined, _options: unknown, command: Command) =>
      login(invite, optionsOf<LoginOptions>(command)),
    )
  program
    .command('renew')
    .description('renew the certificate of this device now; it happens by itself, too')
    .action((_options: unknown, command: Command) => renew(optionsOf(command)))
  program
    .command('rekey')
    .option(...KEY_BITS)
    .description('give this device another key; the old one is out of use at once, the history stays')
    .action((_options: unknown, command: Command) => rekey(optionsOf<RekeyOptions>(command)))
  program
    .command('passwd')
    .option(...PASSWORD_FILE)
    .option('--new-password-file <file>', 'its first line is the new one; else LANYARD_NEW_PASSWORD, else a prompt')
    .option('--passphrase', 'change the passphrase of this device rather than the password at the CA')
    .option('--new-passphrase-file <file>', 'its first line is the new one; else LANYARD_NEW_PASSPHRASE, else a prompt')
    .description('change the password of the user at the CA')
    .action((_options: unknown, command: Command) => passwd(optionsOf<PasswdOptions>(command)))
  program
    .command('config')
    .argument('[name]', 'strict, accept-mb, accept-from, quota-mb or limit-kb')
    .argument('[value]', 'on or off, a number, users with commas or everybody')
    .description('show or change what this home has settled')
    .action((name: string | undefined, value: string | undefined, _options: unknown, command: Command) =>
      config(name, value, optionsOf(command)),
    )
}
