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
  let current: CommandDesk = { here: () => peer.general, goTo: () => undefined, show: () => undefined }
  // Made once: one command may know what the one before has shown.
  const desk: Desk = {
    peer,
    here: () => current.here() as RoomId,
    goTo: (room) => current.goTo(room),
    show: (line) => current.show(line),
  }
  const commands = commandsOf(desk)
  await using client = localClient(peer)
  const backend = await clientBackend({
    client,
    commands: Object.keys(commands),
    help: COMMAND_HELP,
    run: (line, onScreen) => {
      current = onScreen
      return runCommand(commands, line)
    },
  })
  const { stdin: input, stdout: output, env: environment } = process
  await runScreen({ backend, clock: systemClock, input, output, environment })
}
