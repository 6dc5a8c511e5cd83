import type { Command } from 'commander'
import { systemClock } from '../../shared/clock.ts'
import { readRunning } from '../api/running.ts'
import { chat } from './chat.ts'
import { doctor } from './doctor.ts'
import { joinAtFirst } from './first-run.ts'
import { showDevices, showStatus } from './look.ts'
import { optionsOf, orderOf, seconds, type WaitOptions } from './program-options.ts'
import { runHeadless } from './run.ts'
import { withClient, withPeer } from './with-peer.ts'

/** The commands that run as long as somebody likes, and those that say how it goes. */
export const addRunCommands = (program: Command): void => {
  program
    .command('chat', { isDefault: true })
    .description('open the chat: the whole terminal, or line by line where there is none')
    .option('--plain', 'line by line: for screen readers, pipes and slow lines')
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      refuseUnknown(command)
      const given = optionsOf<{ readonly plain?: boolean }>(command)
      const options = await joinAtFirst(given)
      await withClient(options, { command: 'chat', lasting: true }, async ({ client }) => {
        if (!hasScreen(given)) {
          await chat({ client, json: options.json === true, input: process.stdin, output: process.stdout })
          return
        }
        process.env.NODE_ENV ??= 'production' // React draws twice as fast without its own checks
        const { openScreen } = await import('../screen/open.ts')
        await openScreen(client)
      })
    })
  program
    .command('run')
    .description('run this device without a screen, until it is stopped; other commands then work through it')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf(command)
      await withPeer(options, { command: 'run', lasting: true }, ({ peer, url }) =>
        runHeadless({ peer, api: url, json: options.json === true, output: process.stdout }),
      )
    })
  program
    .command('status')
    .option('--wait <seconds>', 'how long to look for others and the CA when nothing runs yet', '2')
    .description('show how this device stands: who is here, its certificate, the CA, the revocation list')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: 'status' }, async (helper) => {
        const found = helper.settled ? await readRunning(options.home) : null
        const url = found?.port == null ? null : `http://127.0.0.1:${found.port}`
        const running = found === null ? null : { pid: found.pid, command: found.command, url }
        await showStatus(helper, { ...order, running, now: systemClock.now() })
      })
    })
  program
    .command('devices')
    .description('list the devices of your user, with the end of their certificates')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      await withClient(options, { command: 'devices' }, (helper) => showDevices(helper, orderOf(options, 0)))
    })
  program
    .command('doctor')
    .option('--wait <seconds>', 'how long to look for others and the CA', '5')
    .description('say why peers are not found, and what else is wrong: exit code 1 when anything is')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const isBad = await doctor(options, orderOf(options, seconds(options.wait)), systemClock.now)
      if (isBad) process.exitCode = 1
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
const refuseUnknown = (command: Command): void => {
  const [word] = command.args
  if (word !== undefined) command.error(`error: there is no command ${word}`)
}
