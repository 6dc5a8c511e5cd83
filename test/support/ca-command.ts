import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { PASSPHRASE } from './enrolment.ts'

const MAIN = fileURLToPath(new URL('../../ca-node/main.ts', import.meta.url))

export type CaCommand = {
  /** Runs a command to its end. */
  run(args: readonly string[], environment?: Record<string, string>): Promise<Outcome>
  /** Serves, on a port of its own, and waits until it says where. */
  serve(args?: readonly string[]): Promise<Serving>
  /** Kills what still runs. */
  stop(): void
}

export type Outcome = { readonly code: number | null; readonly out: string; readonly err: string }
export type Serving = {
  readonly child: ChildProcess
  readonly announced: { readonly invite: string; readonly addresses: readonly string[] }
  readonly ended: Promise<number | null>
}

/** `npm run ca` over one home, as real processes. */
export const caCommand = (home: string): CaCommand => {
  const children = new Set<ChildProcess>()
  const launch = (args: readonly string[], environment: Record<string, string>) => {
    const { LANYARD_CA_PASSPHRASE: _, ...inherited } = process.env
    const child = spawn(process.execPath, [MAIN, '--home', home, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited, ...environment },
    })
    children.add(child)
    const said = { out: '', err: '' }
    child.stdout.on('data', (data) => {
      said.out += String(data)
    })
    child.stderr.on('data', (data) => {
      said.err += String(data)
    })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve)).finally(() =>
      children.delete(child),
    )
    return { child, said, ended }
  }
  return {
    run: async (args, environment = {}) => {
      const { ended, said } = launch(args, environment)
      return { code: await ended, ...said }
    },
    serve: async (args = []) => {
      const options = ['--listen', '/ip4/127.0.0.1/tcp/0', '--json', ...args]
      const { child, ended, said } = launch(options, { LANYARD_CA_PASSPHRASE: PASSPHRASE })
      await new Promise<void>((resolve, reject) => {
        child.stdout.on('data', () => said.out.includes('\n') && resolve())
        child.once('close', () => reject(new Error(said.err)))
      })
      return { child, ended, announced: JSON.parse(said.out.split('\n')[0] ?? '') }
    },
    stop: () => {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}
