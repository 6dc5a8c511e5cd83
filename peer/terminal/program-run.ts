import type { Command } from 'commander'
import { fault } from '../../shared/errors.ts'
import { chat } from './chat.ts'
import { optionsOf } from './program-options.ts'
import { withPeer } from './with-peer.ts'

/** The commands that run as long as somebody likes. */
export const addRunCommands = (program: Command): void => {
  program
    .command('chat', { isDefault: true })
    .description('open the chat: the whole terminal, or line by line where there is none')
    .option('--plain', 'line by line: for screen readers, pipes and slow lines')
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      refuseUnknown(command)
      const options = optionsOf<{ readonly plain?: boolean }>(command)
      await withPeer(options, async (peer) => {
        if (!hasScreen(options)) {
          await chat({ peer, json: options.json === true, input: process.stdin, output: process.stdout })
          return
        }
        process.env.NODE_ENV ??= 'production' // React draws twice as fast without its own checks
        const { openScreen } = await import('../screen/open.ts')
        await openScreen(peer)
      })
    })
}

/** Whether somebody sits at a terminal, and sees it: who reads by ear, or a script, is better served with lines. */
const hasScreen = ({ plain, json }: { readonly plain?: boolean; readonly json?: boolean }): boolean => {
  const { ACCESSIBLE = '', INK_SCREEN_READER = '', TERM } = process.env
  const byEar = isOn(ACCESSIBLE) || isOn(INK_SCREEN_READER)
  return !(plain || json || byEar) && TERM !== 'dumb' && process.stdin.isTTY === true && process.stdout.isTTY === true
}

const isOn = (value: string): boolean => !['', '0', 'false'].includes(value)

/** The default command gets every word that is no command. */
const refuseUnknown = ({ args: [word] }: Command): void => {
  if (word !== undefined) throw fault('input-invalid', `there is no command ${word}`)
}
