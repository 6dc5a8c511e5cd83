import type { Command } from 'commander'
import { changeFolder, listFolder, showFolder } from '../commands/folder.ts'
import { files, get, type Steering, send, steer } from './file-once.ts'
import { optionsOf, orderOf, seconds, type WaitOptions } from './program-options.ts'
import { withClient } from './with-peer.ts'

/** The commands about files. */
export const addFileCommands = (program: Command): void => {
  program
    .command('send')
    .argument('<path...>', 'files and folders')
    .option('--to <place>', '#room or @user; #general without')
    .option('--wait <seconds>', 'how long to wait for somebody to fetch all of it', '600')
    .description('offer files and folders, and stay until somebody has fetched each')
    .action(async (paths: string[], _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: 'send', lasting: true }, (helper) =>
        send(helper, paths, order, process.stdout),
      )
    })
  const filesCommand = program
    .command('files')
    .option('--to <place>', '#room or @user; all of them without')
    .option('--wait <seconds>', 'how long to look for new ones', '2')
    .description('list what was offered, by whom, and who has it')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: 'files' }, (helper) => files(helper, order))
    })
  for (const [name, description] of [
    ['get', 'fetch a file that was offered, and stay until it is here'],
    ['resume', 'go on fetching a file that was paused, and stay until it is here'],
  ] as const) {
    program
      .command(name)
      .argument('<id>', 'of the offer, or its beginning')
      .option('--wait <seconds>', 'how long to wait for it', '600')
      .description(description)
      .action(async (id: string, _options: unknown, command: Command) => {
        const options = optionsOf<WaitOptions>(command)
        const order = orderOf(options, seconds(options.wait))
        await withClient(options, { command: name, lasting: true }, (helper) => get(helper, id, order, process.stdout))
      })
  }
  steering(program, 'pause', 'stop fetching or serving a file until it is resumed')
  steering(program, 'cancel', 'stop fetching a file for good, or take an offer of yours back')
  steering(filesCommand, 'delete', 'delete what was fetched; of your own only the serving ends')
  program
    .command('pwd')
    .description('show the folder that files go to')
    .action((_options: unknown, command: Command) => showFolder(optionsOf(command)))
  program
    .command('cd')
    .argument('<folder>', 'where files go from now on')
    .description('change the folder that files go to')
    .action((folder: string, _options: unknown, command: Command) => changeFolder(folder, optionsOf(command)))
  program
    .command('ls')
    .description('list what is in the folder that files go to')
    .action((_options: unknown, command: Command) => listFolder(optionsOf(command)))
}

/** What is done to one file, without waiting for it. */
const steering = (parent: Command, name: Steering, description: string): void => {
  parent
    .command(name)
    .argument('<id>', 'of the offer, or its beginning')
    .option('--wait <seconds>', 'how long to wait until it is known here', '2')
    .description(description)
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: name }, (helper) => steer(helper, name, id, order))
    })
}
