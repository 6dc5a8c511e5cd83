import { readFile } from 'node:fs/promises'
import { isCancel, password, text } from '@clack/prompts'
import { Command } from 'commander'
import { systemClock } from '../shared/clock.ts'
import { fault, nextStepOf, orThrow, refusalOf, wordsOf } from '../shared/errors.ts'
import { parseInvite } from '../shared/invite.ts'
import { passphraseFrom } from '../shared/passphrase.ts'
import { systemRandom } from '../shared/random.ts'
import { userNameOf } from '../shared/user-name.ts'
import { DEFAULT_HOME, databasePath, startPeer } from './home.ts'
import { readProfile } from './identity/keystore.ts'
import { growHeapFreely } from './memory.ts'
import type { Peer } from './peer.ts'
import { listenAddresses, rememberPort } from './settings.ts'
import { certificateCommand } from './terminal/certificate.ts'
import { chat } from './terminal/chat.ts'
import { refusalJson } from './terminal/lines.ts'
import { rooms, say, send, users } from './terminal/once.ts'

type Options = {
  readonly home: string
  readonly listen?: readonly string[]
  readonly downloads?: string
  readonly peer?: readonly string[]
  readonly mdns: boolean
  readonly passphraseFile?: string
  readonly json?: boolean
}

type JoinOptions = Options & { readonly user?: string; readonly passwordFile?: string }
type WaitOptions = Options & { readonly wait: string; readonly to?: string }

const print = (line: string): void => void process.stdout.write(`${line}\n`)

const passphraseOf = (options: Options, purpose: 'new' | 'open'): Promise<string> =>
  passphraseFrom(
    {
      file: options.passphraseFile,
      environment: process.env.LANYARD_PASSPHRASE,
      interactive: process.stdin.isTTY === true,
      ask: { open: 'Passphrase of this device', new: 'A new passphrase, to seal the key of this device' },
    },
    purpose,
  )

/** Starts the device of the home, runs `work`, and stops it in good order, at a signal too. */
const withPeer = async (options: Options, work: (peer: Peer) => Promise<void>): Promise<void> => {
  await readProfile(options.home) // whoever has not joined is told so before a passphrase is asked for
  const passphrase = await passphraseOf(options, 'open')
  growHeapFreely()
  await using peer = await startPeer(options.home, passphrase, options)
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

const joinNetwork = async (inviteText: string, options: JoinOptions): Promise<void> => {
  const invite = orThrow(parseInvite(inviteText))
  const user = orThrow(userNameOf(options.user ?? (await ask('User name', (message) => text({ message })))))
  const secret =
    options.passwordFile === undefined
      ? (process.env.LANYARD_PASSWORD ??
        (await ask('Password, for enrolling further devices', (message) => password({ message }))))
      : await firstLine(options.passwordFile)
  const passphrase = await passphraseOf(options, 'new')
  const { join } = await import('./identity/join.ts') // with libp2p, which nobody waits for who only starts or asks
  const joined = await join({
    home: options.home,
    databasePath: databasePath(options.home),
    invite,
    user,
    password: secret,
    passphrase,
    clock: systemClock,
    random: systemRandom,
    listen: options.listen ?? (await listenAddresses(options.home)),
  })
  await rememberPort(options.home, joined.addresses)
  if (options.json === true) print(JSON.stringify({ event: 'joined', user: joined.user, network: joined.network }))
  else print(`${joined.user} has joined “${joined.network}”. Now: npm run peer`)
}

const ask = async (question: string, prompt: (message: string) => Promise<unknown>): Promise<string> => {
  if (process.stdin.isTTY !== true) throw fault('input-missing', question.toLowerCase())
  const answer = await prompt(question)
  if (isCancel(answer) || typeof answer !== 'string') throw fault('input-missing', question.toLowerCase())
  return answer
}

const firstLine = async (path: string): Promise<string> => {
  const content = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fault('input-missing', path, cause)
  })
  return content.split(/\r?\n/)[0] ?? ''
}

/** The default command gets every word that is no command. */
const refuseUnknown = ({ args: [word] }: Command): void => {
  if (word !== undefined) throw fault('input-invalid', `there is no command ${word}`)
}

/** An option that may come several times. */
const listed = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

const program = new Command('lanyard')
  .description('Talk and share files with the people on your network; no server is in between.')
  .option('--home <folder>', 'where this device keeps its profile', DEFAULT_HOME)
  .option(
    '--listen <multiaddr>',
    'where others reach this device; may come again (default: every interface, one lasting port)',
    listed,
  )
  .option('--downloads <folder>', 'where files go (default: downloads in the home)')
  .option('--peer <multiaddr>', 'a device to connect to, as /ip4/192.0.2.7/tcp/4200/p2p/Qm…; may come again', listed)
  .option('--no-mdns', 'do not look for others by multicast, nor announce this device')
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
  .option('--password-file <file>', 'its first line is the password; else LANYARD_PASSWORD, else a prompt')
  .description('enrol this device in a network')
  .action(async (invite: string, _options: unknown, command: Command) =>
    joinNetwork(invite, command.optsWithGlobals<JoinOptions>()),
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
  .argument('<path>', 'the file')
  .option('--to <place>', '#room or @user; #general without')
  .option('--wait <seconds>', 'how long to wait for somebody to fetch all of it', '600')
  .description('offer a file, and stay until somebody has fetched it')
  .action(async (path: string, _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<WaitOptions>()
    const wait = seconds(options.wait)
    await withPeer(options, (peer) => send(peer, path, orderOf(options, wait), process.stdout))
  })
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

const orderOf = ({ to, json }: WaitOptions, waitMs: number) => ({ to, waitMs, json: json === true })

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
