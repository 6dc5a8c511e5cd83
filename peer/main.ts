import { Command } from 'commander'
import { systemClock } from '../shared/clock.ts'
import { fault, nextStepOf, refusalOf, wordsOf } from '../shared/errors.ts'
import { backup, restore } from './commands/backup.ts'
import { type Options as BaseOptions, passphraseOf, print } from './commands/command.ts'
import { config } from './commands/config.ts'
import { changeFolder, listFolder, showFolder } from './commands/folder.ts'
import { type JoinOptions, joinNetwork } from './commands/join.ts'
import { type LoginOptions, login } from './commands/login.ts'
import { type PasswdOptions, passwd } from './commands/passwd.ts'
import { type RekeyOptions, rekey } from './commands/rekey.ts'
import { renew } from './commands/renew.ts'
import { DEFAULT_HOME, startPeer } from './home.ts'
import { readProfile } from './identity/keystore.ts'
import { growHeapFreely } from './memory.ts'
import type { Peer } from './peer.ts'
import { certificateCommand } from './terminal/certificate.ts'
import { chat } from './terminal/chat.ts'
import { files, get, type Steering, send, steer } from './terminal/file-once.ts'
import { refusalJson } from './terminal/lines.ts'
import { rooms, say, users } from './terminal/once.ts'
import { transcriptCommand, verifyCommand } from './terminal/transcript.ts'

type Options = BaseOptions & {
  readonly downloads?: string
  readonly peer?: readonly string[]
  readonly mdns: boolean
  readonly strict?: boolean
  readonly limit?: string
}
type WaitOptions = Options & { readonly wait: string; readonly to?: string }

/** Starts the device of the home, runs `work`, and stops it in good order, at a signal too. */
const withPeer = async (options: Options, work: (peer: Peer) => Promise<void>): Promise<void> => {
  await readProfile(options.home) // whoever has not joined is told so before a passphrase is asked for
  const passphrase = await passphraseOf(options, 'open')
  growHeapFreely()
  const bytesPerSecond = options.limit === undefined ? undefined : limitOf(options.limit)
  await using peer = await startPeer(options.home, passphrase, { ...options, bytesPerSecond })
  for (const address of options.peer ?? []) {
    const device = /\/p2p\/([^/]+)$/.exec(address)?.[1]
    if (device === undefined) throw fault('address-malformed', `${address}: it does not end in /p2p/<PeerId>`)
    peer.meet(device as Peer['self']['peerId'], [address])
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void peer.stop().finally(() => process.exit(signal === 'SIGINT' ? 130 : 0)))
  }
  await work(peer)
}

/** The default command gets every word that is no command. */
const refuseUnknown = ({ args: [word] }: Command): void => {
  if (word !== undefined) throw fault('input-invalid', `there is no command ${word}`)
}

/** An option that may come several times. */
const listed = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

const PASSWORD_FILE = [
  '--password-file <file>',
  'its first line is the password; else LANYARD_PASSWORD, else a prompt',
] as const
const KEY_BITS = [
  '--key-bits <bits>',
  'the size of the key, 2048 to 4096; longer by itself where the CA asks for it',
] as const

const program = new Command('lanyard')
  .description('Talk and share files with the people on your network; no server is in between.')
  .option('--home <folder>', 'where this device keeps its profile', DEFAULT_HOME)
  .option(
    '--listen <multiaddr>',
    'where others reach this device; may come again (default: every interface, one lasting port)',
    listed,
  )
  .option('--downloads <folder>', 'where files go (default: downloads in the home)')
  .option('--limit <kilobytes>', 'KB a second that files may take, each way, this time; else as `config` has it')
  .option('--peer <multiaddr>', 'a device to connect to, as /ip4/192.0.2.7/tcp/4200/p2p/Qm…; may come again', listed)
  .option('--no-mdns', 'do not look for others by multicast, nor announce this device')
  .option('--strict', 'refuse new sessions while the revocation list is stale, this time; else as `config` has it')
  .option('--passphrase-file <file>', 'its first line opens the key; else LANYARD_PASSPHRASE, else a prompt')
  .option('--json', 'print one JSON object a line, for scripts')
  .showHelpAfterError('(--help shows what there is)')

program
  .command('chat', { isDefault: true })
  .description('open a line-by-line chat in #general')
  .allowExcessArguments()
  .action(async (_options: unknown, command: Command) => {
    refuseUnknown(command)
    const options = command.optsWithGlobals<Options>()
    await withPeer(options, (peer) =>
      chat({ peer, json: options.json === true, input: process.stdin, output: process.stdout }),
    )
  })
program
  .command('join')
  .argument('<invite>', "the line that begins with lanyard://join/1# , in quotes, from the CA's screen")
  .option('--user <name>', 'the user name to take; else a prompt')
  .option(...PASSWORD_FILE)
  .option(...KEY_BITS)
  .description('enrol this device in a network')
  .action((invite: string, _options: unknown, command: Command) =>
    joinNetwork(invite, 'new-user', command.optsWithGlobals<JoinOptions>()),
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
    login(invite, command.optsWithGlobals<LoginOptions>()),
  )
program
  .command('renew')
  .description('renew the certificate of this device now; it happens by itself, too')
  .action((_options: unknown, command: Command) => renew(command.optsWithGlobals<Options>()))
program
  .command('rekey')
  .option(...KEY_BITS)
  .description('give this device another key; the old one is out of use at once, the history stays')
  .action((_options: unknown, command: Command) => rekey(command.optsWithGlobals<RekeyOptions>()))
program
  .command('passwd')
  .option(...PASSWORD_FILE)
  .option('--new-password-file <file>', 'its first line is the new one; else LANYARD_NEW_PASSWORD, else a prompt')
  .option('--passphrase', 'change the passphrase of this device rather than the password at the CA')
  .option('--new-passphrase-file <file>', 'its first line is the new one; else LANYARD_NEW_PASSPHRASE, else a prompt')
  .description('change the password of the user at the CA')
  .action((_options: unknown, command: Command) => passwd(command.optsWithGlobals<PasswdOptions>()))
program
  .command('backup')
  .argument('<file>', 'where to; a backup that is there is replaced')
  .description('all of this device in one file, sealed by its passphrase; its peer may run')
  .action((file: string, _options: unknown, command: Command) => backup(file, command.optsWithGlobals<Options>()))
program
  .command('restore')
  .argument('<file>', 'that `backup` has written')
  .description('a backup into a home that has no profile: after a loss, or on another machine')
  .action((file: string, _options: unknown, command: Command) => restore(file, command.optsWithGlobals<Options>()))
program
  .command('config')
  .argument('[name]', 'strict, accept-mb, accept-from, quota-mb or limit-kb')
  .argument('[value]', 'on or off, a number, users with commas or everybody')
  .description('show or change what this home has settled')
  .action((name: string | undefined, value: string | undefined, _options: unknown, command: Command) =>
    config(name, value, command.optsWithGlobals<Options>()),
  )
program
  .command('say')
  .argument('<text...>', 'what to say')
  .option('--to <place>', '#room or @user; #general without')
  .option('--wait <seconds>', 'how long to wait for somebody to receive it', '5')
  .description('say one thing, and leave')
  .action(async (words: string[], _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<WaitOptions>()
    const wait = seconds(options.wait)
    await withPeer(options, async (peer) => print(await say(peer, words.join(' '), orderOf(options, wait))))
  })
program
  .command('send')
  .argument('<path...>', 'files and folders')
  .option('--to <place>', '#room or @user; #general without')
  .option('--wait <seconds>', 'how long to wait for somebody to fetch all of it', '600')
  .description('offer files and folders, and stay until somebody has fetched each')
  .action(async (paths: string[], _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<WaitOptions>()
    const order = orderOf(options, seconds(options.wait))
    await withPeer(options, (peer) => send(peer, paths, order, process.stdout))
  })
const filesCommand = program
  .command('files')
  .option('--to <place>', '#room or @user; all of them without')
  .option('--wait <seconds>', 'how long to look for new ones', '2')
  .description('list what was offered, by whom, and who has it')
  .action(async (_options: unknown, command: Command) => {
    const options = command.optsWithGlobals<WaitOptions>()
    const order = orderOf(options, seconds(options.wait))
    await withPeer(options, async (peer) => print(await files(peer, order)))
  })
for (const [name, description] of [
  ['get', 'fetch a file that was offered, and stay until it is here'],
  ['resume', 'go on fetching a file that was paused, and stay until it is here'],
] as const) {
  program
    .command(name)
    .argument('<id>', 'of the offer, or its beginning')
    .option('--wait <seconds>', 'how long to wait for it', '600')
    .description(description)
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<WaitOptions>()
      const order = orderOf(options, seconds(options.wait))
      await withPeer(options, (peer) => get(peer, id, order, process.stdout))
    })
}
/** What is done to one file, without waiting for it. */
const steering = (parent: Command, name: Steering, description: string): void => {
  parent
    .command(name)
    .argument('<id>', 'of the offer, or its beginning')
    .option('--wait <seconds>', 'how long to wait until it is known here', '2')
    .description(description)
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<WaitOptions>()
      const order = orderOf(options, seconds(options.wait))
      await withPeer(options, async (peer) => print(await steer(peer, name, id, order)))
    })
}
steering(program, 'pause', 'stop fetching or serving a file until it is resumed')
steering(program, 'cancel', 'stop fetching a file for good, or take an offer of yours back')
steering(filesCommand, 'delete', 'delete what was fetched; of your own only the serving ends')
program
  .command('pwd')
  .description('show the folder that files go to')
  .action((_options: unknown, command: Command) => showFolder(command.optsWithGlobals<Options>()))
program
  .command('cd')
  .argument('<folder>', 'where files go from now on')
  .description('change the folder that files go to')
  .action((folder: string, _options: unknown, command: Command) =>
    changeFolder(folder, command.optsWithGlobals<Options>()),
  )
program
  .command('ls')
  .description('list what is in the folder that files go to')
  .action((_options: unknown, command: Command) => listFolder(command.optsWithGlobals<Options>()))
program
  .command('users')
  .option('--wait <seconds>', 'how long to look for who is here', '2')
  .description('list all users of the network, present or not')
  .action(async (_options: unknown, command: Command) => {
    const options = command.optsWithGlobals<WaitOptions>()
    const wait = seconds(options.wait)
    await withPeer(options, async (peer) => print(await users(peer, wait, options.json === true)))
  })
program
  .command('rooms')
  .option('--wait <seconds>', 'how long to look for new ones', '2')
  .description('list your rooms, and open ones that you may join')
  .action(async (_options: unknown, command: Command) => {
    const options = command.optsWithGlobals<WaitOptions>()
    const wait = seconds(options.wait)
    await withPeer(options, async (peer) => print(await rooms(peer, wait, options.json === true)))
  })
program.addCommand(certificateCommand({ clock: systemClock, print }))
program.addCommand(transcriptCommand<Options>({ clock: systemClock, print, withPeer }))
program.addCommand(verifyCommand({ clock: systemClock, print }))

const orderOf = ({ to, json }: WaitOptions, waitMs: number) => ({ to, waitMs, json: json === true })

/** Bytes a second. */
const limitOf = (given: string): number => {
  const number = Number(given)
  if (!Number.isFinite(number) || number < 1) throw fault('input-invalid', `--limit ${given}: KB a second`)
  return number * 1e3
}

const seconds = (given: string): number => {
  const number = Number(given)
  if (!Number.isFinite(number) || number < 0) throw fault('input-invalid', `--wait ${given}: a number of seconds`)
  return number * 1_000
}

try {
  await program.parseAsync()
  process.exit() // libp2p's last timers would hold the terminal for another second
} catch (error) {
  const refusal = refusalOf(error)
  if (process.argv.includes('--json')) print(JSON.stringify({ event: 'error', ...refusalJson(refusal) }))
  else process.stderr.write(`lanyard: ${wordsOf(refusal)}\nnext: ${nextStepOf(refusal)}\n`)
  process.exitCode = 1
}
