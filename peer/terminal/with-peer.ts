import { fault } from '../../shared/errors.ts'
import { systemRandom } from '../../shared/random.ts'
import { type Client, listeningClient, localClient } from '../api/client.ts'
import { meet } from '../api/operations/device.ts'
import { forgetRunning, noteRunning } from '../api/running.ts'
import { passphraseOf } from '../commands/command.ts'
import { startPeer } from '../home.ts'
import { readProfile } from '../identity/keystore.ts'
import { growHeapFreely, tidyAfterStart } from '../memory.ts'
import type { Peer } from '../peer.ts'
import { type Options, startOnlyNote } from './program-options.ts'

/** Of a command that works with a device. */
export type Work = {
  /** Its name, for whoever comes second. */
  readonly command: string
  /** Whether it goes on for so long that others will want to ask the device meanwhile. */
  readonly lasting?: boolean
}

/** A device for a command: `settled` when it runs anyway, and knows already what there is to know. */
export type Helper = { readonly client: Client; readonly settled: boolean }

/** A device that runs in this process; `url`: of its API, of a command that goes on. */
export type Started = { readonly peer: Peer; readonly client: Client; readonly url: string | null }

/** Works with the device that runs in this home, or starts it for as long as the work takes. */
export const withClient = async (
  options: Options,
  work: Work,
  run: (helper: Helper) => Promise<void>,
): Promise<void> => {
  await readProfile(options.home)
  const { connectIfRunning } = await import('../api/remote-client.ts')
  await using running = await connectIfRunning(options.home)
  if (running === null) {
    await withPeer(options, work, ({ client }) => run({ client, settled: false }))
    return
  }
  const note = startOnlyNote(options)
  if (note !== null) process.stderr.write(`${note}\n`)
  if (work.lasting === true) stopAtSignals(() => running[Symbol.asyncDispose]()) // the device goes on
  for (const address of options.peer ?? []) await running.call(meet, { address })
  await run({ client: running, settled: true })
}

/** Ends the process at a signal, once it has stopped what it runs; what gives a terminal back waits for `exit`. */
const stopAtSignals = (stop: () => PromiseLike<void>): void => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      const exit = (): void => process.exit(signal === 'SIGINT' ? 130 : 0)
      void stop().then(exit, exit)
    })
  }
}

/** Starts the device of the home, runs `run`, and stops it in good order, at a signal too. */
export const withPeer = async (
  options: Options,
  { command, lasting = false }: Work,
  run: (device: Started) => Promise<void>,
): Promise<void> => {
  const { home } = options
  await readProfile(home) // whoever has not joined is told so before a passphrase is asked for
  const passphrase = await passphraseOf(options, 'open')
  growHeapFreely()
  const bytesPerSecond = options.limit === undefined ? undefined : limitOf(options.limit)
  await using ends = new AsyncDisposableStack()
  const peer = ends.use(await startPeer(home, passphrase, { ...options, bytesPerSecond }))
  const client = listeningClient(localClient(peer))
  stopAtSignals(() => ends.disposeAsync())
  let url: string | null = null
  if (lasting) {
    tidyAfterStart()
    const { startApi } = await import('../api/api.ts') // 0.2 s: others are being found meanwhile
    const served = await startApi({ home, peer, command, random: systemRandom })
    ends.defer(served.stop)
    url = served.url
  } else {
    await noteRunning(home, { pid: process.pid, command, port: null, socket: null })
    ends.defer(() => forgetRunning(home))
  }
  for (const address of options.peer ?? []) await client.call(meet, { address })
  await run({ peer, client, url })
}

/** Bytes a second. */
const limitOf = (given: string): number => {
  const number = Number(given)
  if (!Number.isFinite(number) || number < 1) throw fault('input-invalid', `--limit ${given}: KB a second`)
  return number * 1e3
}
