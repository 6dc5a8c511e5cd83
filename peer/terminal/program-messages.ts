import type { Command } from 'commander'
import { print } from '../commands/command.ts'
import { rooms, say, users } from './once.ts'
import { optionsOf, orderOf, seconds, type WaitOptions } from './program-options.ts'
import { withPeer } from './with-peer.ts'

/** The commands about people, rooms, and what is said there. */
export const addMessageCommands = (program: Command): void => {
  program
    .command('say')
    .argument('<text...>', 'what to say')
    .option('--to <place>', '#room or @user; #general without')
    .option('--wait <seconds>', 'how long to wait for somebody to receive it', '5')
    .description('say one thing, and leave')
    .action(async (words: string[], _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const wait = seconds(options.wait)
      await withPeer(options, async (peer) => print(await say(peer, words.join(' '), orderOf(options, wait))))
    })
  program
    .command('users')
    .option('--wait <seconds>', 'how long to look for who is here', '2')
    .description('list all users of the network, present or not')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const wait = seconds(options.wait)
      await withPeer(options, async (peer) => print(await users(peer, wait, options.json === true)))
    })
  program
    .command('rooms')
    .option('--wait <seconds>', 'how long to look for new ones', '2')
    .description('list your rooms, and open ones that you may join')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const wait = seconds(options.wait)
      await withPeer(options, async (peer) => print(await rooms(peer, wait, options.json === true)))
    })
}
