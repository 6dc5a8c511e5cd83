import type { Command } from 'commander'
import { fault } from '../../shared/errors.ts'
import { chat } from './chat.ts'
import { optionsOf } from './program-options.ts'
import { withPeer } from './with-peer.ts'

/** The commands that run as long as somebody likes. */
export const addRunCommands = (program: Command): void => {
  program
    .command('chat', { isDefault: true })
    .description('open a line-by-line chat in #general')
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      refuseUnknown(command)
      const options = optionsOf(command)
      await withPeer(options, (peer) =>
        chat({ peer, json: options.json === true, input: process.stdin, output: process.stdout }),
      )
    })
}

/** The default command gets every word that is no command. */
const refuseUnknown = ({ args: [word] }: Command): void => {
  if (word !== undefined) throw fault('input-invalid', `there is no command ${word}`)
}
