import { homedir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { fault, nextStepOf, refusalOf, wordsOf } from '../shared/errors.ts'
import { DEVICE_KEY_BITS, HOUR_MS, INVITE_LIFETIME_MS } from '../shared/limits.ts'
import { approve, showPending } from './commands/approve.ts'
import { checkAudit, showAudit } from './commands/audit.ts'
import { backup, restore } from './commands/backup.ts'
import type { Options } from './commands/command.ts'
import { type InviteOptions, invite } from './commands/invite.ts'
import { type MoveOptions, move } from './commands/move.ts'
import { setPassword, showDevices, showUsers } from './commands/people.ts'
import { disable, enable, revoke } from './commands/revoke.ts'
import { type RollOverOptions, rollOver } from './commands/roll-over.ts'
import { DEFAULT_LISTEN, DEFAULT_NETWORK, type ServeOptions, serve } from './commands/serve.ts'
import { exportPapers, showInvites, showStatus } from './commands/state.ts'
import { showOrSetMode, showOrSetTerms, type TermsOptions } from './commands/terms.ts'
import { MODES } from './modes.ts'
import { REASONS } from './put-out.ts'

const DEFAULT_HOME = join(homedir(), '.lanyard', 'ca')

/** The default command gets every word that is no command. */
const refuseUnknown = ({ args: [word] }: Command): void => {
  if (word !== undefined) throw fault('input-invalid', `there is no command ${word}`)
}

/** An option that may come several times. */
const listed = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

const program = new Command('lanyard-ca')
  .description('The CA node of a Lanyard network: it enrols devices, and may then be switched off for days.')
  .option('--home <folder>', 'where the CA keeps its keys and its database', DEFAULT_HOME)
  .option(
    '--database <url>',
    'postgres://…, where a file is not enough; else LANYARD_CA_DATABASE; the home remembers it',
  )
  .option('--listen <multiaddr>', `where newcomers reach it; may come again (default: ${DEFAULT_LISTEN})`, listed)
  .option('--network <name>', `name of a new network (default: "${DEFAULT_NETWORK}")`)
  .option('--health <port>', 'serve /health and /metrics on that port of 127.0.0.1')
  .option('--no-mdns', 'do not announce this CA by multicast: newcomers then need an invite')
  .option('--no-invite', 'serve without making and showing an invite: where the output goes into a log')
  .option('--mode <mode>', `who may join without an invite: ${MODES.join(', ')}; it stays as it was last given`)
  .option('--passphrase-file <file>', 'its first line opens the keys; else LANYARD_CA_PASSPHRASE, else a prompt')
  .option('--json', 'print one JSON object, for scripts')

/** A command that takes no word. */
const plain = <T extends Options>(name: string, about: string, act: (options: T) => Promise<void>): Command =>
  program
    .command(name)
    .description(about)
    .action((_options: unknown, command: Command) => act(command.optsWithGlobals<T>()))

/** A command that takes one word. */
const about = <T extends Options>(name: string, text: string, act: (word: string, options: T) => Promise<void>) =>
  program
    .command(name)
    .description(text)
    .action((word: string, _options: unknown, command: Command) => act(word, command.optsWithGlobals<T>()))

program
  .command('serve', { isDefault: true })
  .description('make the CA at its first start, then serve')
  .allowExcessArguments()
  .action(async (_options: unknown, command: Command) => {
    refuseUnknown(command)
    await serve(command.optsWithGlobals<ServeOptions>())
  })
plain<InviteOptions>('invite', 'make invites, beside a CA that serves or without one', invite)
  .option('--count <n>', 'how many', '1')
  .option('--ttl <hours>', 'how long each is good for', String(INVITE_LIFETIME_MS / HOUR_MS))
  .option('--for <name>', 'the only user name that it lets in')
plain<TermsOptions>('terms', 'show or set on what terms certificates are given', showOrSetTerms)
  .option('--lifetime <time>', 'how long a certificate is good for: 1h to 90d')
  .option('--key-bits <bits>', `the shortest key: ${DEVICE_KEY_BITS.join(', ')}`)
  .option('--devices <n>', 'how many devices a user may have')
program
  .command('mode')
  .argument('[mode]', MODES.join(', '))
  .description('show or set who may join without an invite')
  .action((word: string | undefined, _options: unknown, command: Command) =>
    showOrSetMode(word, command.optsWithGlobals<Options>()),
  )
plain('status', 'how it stands: members, invites, the revocation list', showStatus)
plain('users', 'list who has joined', showUsers)
plain('devices', 'list every device and its certificate', showDevices)
plain('invites', 'list the invites, without their tokens', showInvites)
plain('pending', 'list who waits for your word', showPending)
about<Parameters<typeof approve>[1]>('approve <user>', 'let somebody in who waits', approve).option(
  '--device <peerid>',
  'which one, where two ask for one name',
)
about('revoke <user|peerid>', "take a user's devices, or one device, out for ever", revoke)
  .option('--reason <reason>', `one of ${REASONS.join(', ')}`, 'unspecified')
  .option('--yes', 'do not ask')
about('disable <user>', "take a user's devices out, and keep the user out", disable).option('--yes', 'do not ask')
about('enable <user>', 'let a disabled user log in again', enable)
about('passwd <user>', 'give a user another password', setPassword)
  .option('--password-file <file>', 'its first line is the password; else LANYARD_PASSWORD, else a prompt')
  .option('--yes', 'do not ask')
plain<Parameters<typeof exportPapers>[0]>('export', 'write root, CA certificate and revocation list', exportPapers)
  .option('--out <folder>', 'where to', '.')
  .option('--der', 'as DER rather than PEM')
plain<RollOverOptions>('roll-over', 'go on with a new root; the old one stays trusted for 90 days beside it', rollOver)
  .option('--finish', 'end the time of the old root now')
  .option('--new-passphrase', 'seal the new keys under another passphrase')
  .option('--new-passphrase-file <file>', 'its first line is that one; else LANYARD_CA_NEW_PASSPHRASE, else a prompt')
  .option('--yes', 'do not ask')
about('backup <file>', 'all of the CA in one file, sealed by its passphrase', backup)
about<Parameters<typeof restore>[1]>('restore <file>', 'put a backup into this home', (file, options) =>
  restore(file, options),
)
  .option('--crl <file>', 'the newest revocation list that a peer has, PEM or DER')
  .option('--yes', 'do not ask')
plain<MoveOptions>('move', 'take the database to a PostgreSQL server', move).option(
  '--to <url>',
  'postgres://…, an empty database; else LANYARD_CA_DATABASE',
)
const audit = plain<Parameters<typeof showAudit>[0]>('audit', 'show what was done and refused', showAudit)
  .option('--lines <n>', 'how many of the newest rows', '50')
  .option('--follow', 'go on with those that come')
audit
  .command('verify')
  .description('check that no row was changed, dropped or put in between')
  .action((_options: unknown, command: Command) => checkAudit(command.optsWithGlobals<Options>()))

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0) // `npm run ca -- audit --follow | head`: nobody reads on
})

try {
  await program.parseAsync()
} catch (error) {
  const refusal = refusalOf(error)
  process.stderr.write(`lanyard-ca: ${wordsOf(refusal)}\nnext: ${nextStepOf(refusal)}\n`)
  process.exitCode = 1
}
