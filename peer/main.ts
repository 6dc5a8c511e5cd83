import { Command } from 'commander'
import { systemClock } from '../shared/clock.ts'
import { nextStepOf, refusalOf, wordsOf } from '../shared/errors.ts'
import { refusalJson } from './api/refusal-json.ts'
import { withHolder } from './api/running.ts'
import { print } from './commands/command.ts'
import { DEFAULT_HOME } from './home.ts'
import { certificateCommand } from './terminal/certificate.ts'
import { addBackupCommands } from './terminal/program-backup.ts'
import { addFileCommands } from './terminal/program-files.ts'
import { addIdentityCommands } from './terminal/program-identity.ts'
import { addMessageCommands } from './terminal/program-messages.ts'
import { listed, type Options } from './terminal/program-options.ts'
import { addRoomCommands } from './terminal/program-rooms.ts'
import { addRunCommands } from './terminal/program-run.ts'
import { addShellCommands } from './terminal/program-shell.ts'
import { transcriptCommand, verifyCommand } from './terminal/transcript.ts'
import { withClient } from './terminal/with-peer.ts'

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

addRunCommands(program)
addIdentityCommands(program)
addBackupCommands(program)
addMessageCommands(program)
addRoomCommands(program)
addFileCommands(program)
program.addCommand(certificateCommand({ clock: systemClock, print }))
program.addCommand(transcriptCommand<Options>({ clock: systemClock, print, withClient }))
program.addCommand(verifyCommand<Options>({ clock: systemClock, print, withClient }))
addShellCommands(program)

try {
  await program.parseAsync()
  process.exit() // libp2p's last timers would hold the terminal for another second
} catch (error) {
  const refusal = await withHolder(refusalOf(error), program.opts<Options>().home)
  if (process.argv.includes('--json')) print(JSON.stringify({ event: 'error', ...refusalJson(refusal) }))
  else process.stderr.write(`lanyard: ${wordsOf(refusal)}\nnext: ${nextStepOf(refusal)}\n`)
  process.exitCode = 1
}
