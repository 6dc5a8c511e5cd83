import { fault } from '../../shared/errors.ts'
import { COMPARE_HELP, compareCommands } from './compare-commands.ts'
import type { Commands, Desk } from './desk.ts'
import { DEVICE_HELP, deviceCommands } from './device-commands.ts'
import { FILE_HELP, fileCommands } from './file-commands.ts'
import { MESSAGE_HELP, messageCommands } from './message-commands.ts'
import { ROOM_HELP, roomCommands } from './room-commands.ts'

/** What the slash commands do, a line each: the same in the line chat and on the screen. */
export const COMMAND_HELP = `${ROOM_HELP}
${MESSAGE_HELP}
${COMPARE_HELP}
${FILE_HELP}
${DEVICE_HELP}`

export const commandsOf = (desk: Desk): Commands => ({
  ...roomCommands(desk),
  ...messageCommands(desk),
  ...compareCommands(desk),
  ...fileCommands(desk),
  ...deviceCommands(desk),
})

/** Does what a line that begins with a slash says. @throws LanyardError `input-invalid` for a name that is none */
export const runCommand = async (commands: Commands, line: string): Promise<void> => {
  const [name = '', ...words] = line.split(' ')
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw fault('input-invalid', `there is no ${name}; /help lists what there is`)
  await command(words.join(' ').trim())
}
