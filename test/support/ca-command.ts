import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PASSPHRASE } from './enrolment.ts'

const MAIN = fileURLToPath(new URL('../../ca-node/main.ts', import.meta.url))

export type CaCommand = {
  /** Runs a command to its end. */
  run(args: readonly string[], environment?: Record<string, string>): Promise<Outcome>
  /** Runs a command that goes on, without waiting for anything. */
  start(args: readonly string[], environment?: Record<string, string>): Running
  /** Serves, on a port of its own, and waits until it says where. */
  serve(args?: readonly string[], environment?: Record<string, string>): Promise<Serving>
  /** Fresh invites, as text. */
  invites(count: number): Promise<readonly string[]>
  /** Kills what still runs. */
  stop(): void
}

export type Outcome = { readonly code: number | null; readonly out: string; readonly err: string }
export type Running = {
  readonly child: ChildProcess
  /** Its exit code; null when a signal ended it. */
  readonly ended: Promise<number | null>
  /** What it has said so far. */
  readonly said: { readonly out: string; readonly err: string }
  /** Resolves once it has said this, on standard error (its log) or output. @throws when it ends before */
  until(text: string, stream?: 'out' | 'err'): Promise<void>
}
export type Serving = Running & {
  readonly announced: { readonly invite: string; readonly addresses: readonly string[] }
}

type Spawn = (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess

/**
 * `npm run ca` over one home, as real processes, each with the same in its environment.
 * @param start another way to start one: in a namespace, say
 */
export const caCommand = (home: string, shared: Record<string, string> = {}, start: Spawn = spawn): CaCommand => {
  const children = new Set<ChildProcess>()
  const launch = (args: readonly string[], environment: Record<string, string> = {}): Running => {
    const { LANYARD_CA_PASSPHRASE: _, ...inherited } = process.env
    const child = start(process.execPath, [MAIN, '--home', home, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited, ...shared, ...environment },
    })
    children.add(child)
    const said = { out: '', err: '' }
    const waiting = new Set<() => void>()
    const hear = (stream: 'out' | 'err') => (data: unknown) => {
      said[stream] += String(data)
      for (const look of waiting) look()
    }
    child.stdout?.on('data', hear('out'))
    child.stderr?.on('data', hear('err'))
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve)).finally(() =>
      children.delete(child),
    )
    const until: Running['until'] = (text, stream = 'err') => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const look = (): void => {
        if (said[stream].includes(text)) resolve()
      }
      waiting.add(look)
      look()
      ended.then(() => reject(new Error(`ended without ${text}: ${said.err}`)))
      return promise.finally(() => waiting.delete(look))
    }
    return { child, ended, said, until }
  }
  const run: CaCommand['run'] = async (args, environment) => {
    const { ended, said } = launch(args, environment)
    return { code: await ended, ...said }
  }
  return {
    run,
    start: launch,
    serve: async (args = [], environment = {}) => {
      const options = ['--listen', '/ip4/127.0.0.1/tcp/0', '--json', ...args]
      const serving = launch(options, { LANYARD_CA_PASSPHRASE: PASSPHRASE, ...environment })
      await serving.until('\n', 'out')
      return { ...serving, announced: JSON.parse(serving.said.out.split('\n')[0] ?? '') }
    },
    invites: async (count) => {
      const { out, err } = await run(['invite', '--count', String(count), '--json'])
      if (out === '') throw new Error(err)
      return JSON.parse(out).invites.map(({ invite }: { readonly invite: string }) => invite)
    },
    stop: () => {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}
