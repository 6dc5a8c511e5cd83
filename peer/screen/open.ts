import { systemClock } from '../../shared/clock.ts'
import type { Client } from '../api/client.ts'
import { status } from '../api/operations/device.ts'
import { COMMAND_HELP, commandsOf, runCommand } from '../terminal/commands.ts'
import type { Desk } from '../terminal/desk.ts'
import type { CommandDesk } from './backend.ts'
import { clientBackend } from './client-backend.ts'
import { runScreen } from './screen.ts'

/** The screen of a device, with the commands of the line chat. @throws LanyardError `api-not-running` when the device ends */
export const openScreen = async (client: Client): Promise<void> => {
  const self = await client.call(status, {})
  let current: CommandDesk = { here: () => self.general, goTo: () => undefined, show: () => undefined }
  // Made once: one command may know what the one before has shown.
  const desk: Desk = {
    client,
    self,
    here: () => current.here(),
    goTo: ({ id }) => current.goTo(id),
    show: (line) => current.show(line),
  }
  const commands = commandsOf(desk)
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
