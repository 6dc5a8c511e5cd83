import type { Command } from 'commander'
import { fault } from '../../shared/errors.ts'
import { HISTORY_PAGE_MAX, SEARCH_HITS_MAX } from '../../shared/limits.ts'
import { showFound, showHistory, showUsers } from './look.ts'
import { optionsOf, orderOf, seconds, type WaitOptions } from './program-options.ts'
import { sayOnce, speechOf } from './say.ts'
import { withClient } from './with-peer.ts'

/** The commands about people, and what is said. */
export const addMessageCommands = (program: Command): void => {
  program
    .command('say')
    .argument('[words...]', 'where, as #room or @user, and what to say; without words, what comes on standard input')
    .option('--to <place>', '#room or @user: then all words are what to say (default: #general)')
    .option('--code', 'as a block of code')
    .option('--wait <seconds>', 'how long to wait for somebody to receive it', '5')
    .description('say something, and leave; what is too long for one message becomes several')
    .addHelpText(
      'after',
      `
Examples:
  lanyard say 'good morning'                 in #general
  lanyard say '#build' 'the build is red'    in a room; quotes, since # begins a comment
  lanyard say @anna 'lunch?'                 to one user alone
  make 2>&1 | lanyard say '#build' --code    what a program prints, as a block of code`,
    )
    .action(async (words: string[], _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions & { readonly code?: boolean }>(command)
      const order = orderOf(options, seconds(options.wait))
      const { to, code = false } = options
      const speech = await speechOf({ words, to, code, input: process.stdin })
      await withClient(options, { command: 'say' }, (helper) => sayOnce(helper, speech, order))
    })
  program
    .command('history')
    .argument('[place]', '#room or @user', '#general')
    .option('--count <messages>', 'how many, at most 1000', '50')
    .option('--before <id>', 'those before this message; the beginning of an id will do')
    .option('--after <id>', 'those after this message')
    .option('--wait <seconds>', 'how long to look for new ones', '2')
    .description('show the newest messages of a room, the oldest first')
    .action(async (to: string, _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions & { count: string; before?: string; after?: string }>(command)
      const order = { ...orderOf(options, seconds(options.wait)), to }
      const { before, after } = options
      const limit = countOf('--count', options.count, HISTORY_PAGE_MAX)
      await withClient(options, { command: 'history' }, (helper) =>
        showHistory(helper, { ...order, limit, before, after }),
      )
    })
  program
    .command('search')
    .argument('<words...>', 'all of them; the last may be a beginning; from:anna and in:#room narrow it')
    .option('--count <messages>', 'how many, at most 1000', '50')
    .description('look through all that this device can read')
    .action(async (words: string[], _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions & { count: string }>(command)
      const limit = countOf('--count', options.count, SEARCH_HITS_MAX)
      const order = { ...orderOf(options, 0), words: words.join(' '), limit }
      await withClient(options, { command: 'search' }, (helper) => showFound(helper, order))
    })
  program
    .command('users')
    .option('--wait <seconds>', 'how long to look for who is here', '2')
    .description('list all users of the network, present or not')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: 'users' }, (helper) => showUsers(helper, order))
    })
}

const countOf = (option: string, given: string, most: number): number => {
  const number = Number(given)
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw fault('input-invalid', `${option} ${given}: 1 to ${most}`)
  return number
}
