import { systemClock } from '../../shared/clock.ts'
import type { RoomId } from '../../shared/ids.ts'
import { localClient } from '../api/client.ts'
import type { Peer } from '../peer.ts'
import { COMMAND_HELP, commandsOf, runCommand } from '../terminal/commands.ts'
import type { Desk } from '../terminal/desk.ts'
import type { CommandDesk } from './backend.ts'
import { clientBackend } from './client-backend.ts'
import { runScreen } from './screen.ts'

/** The screen of a device in this process, with the commands of the line chat. */
export const openScreen = async (peer: Peer): Promise<void> => {
  const deskFor = ({ here, goTo, show }: CommandDesk): Desk => ({
    peer,
    here: () => here() as RoomId,
    goTo,
    show: (line) => show(line),
  })
  const nowhere: CommandDesk = { here: () => peer.general, goTo: () => undefined, show: () => undefined }
  await using client = localClient(peer)
  const backend = await clientBackend({
    client,
    commands: Object.keys(commandsOf(deskFor(nowhere))),
    help: COMMAND_HELP,
    run: (line, desk) => runCommand(commandsOf(deskFor(desk)), line),
  })
  const { stdin: input, stdout: output, env: environment } = process
  await runScreen({ backend, clock: systemClock, input, output, environment })
}
