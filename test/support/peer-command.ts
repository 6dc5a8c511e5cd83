import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Outcome } from './ca-command.ts'
import { PASSPHRASE, PASSWORD } from './enrolment.ts'

const MAIN = fileURLToPath(new URL('../../peer/main.ts', import.meta.url))

export type PeerCommand = {
  /** Starts a command, which goes on. */
  start(args: readonly string[], environment?: Record<string, string>): Running
  /** Runs a command to its end. */
  run(args: readonly string[], environment?: Record<string, string>): Promise<Outcome>
  /** As `run`, with `--json`: the exit code, and the last object that it printed. */
  json(args: readonly string[], environment?: Record<string, string>): Promise<Told>
  /** Kills what still runs. */
  stop(): void
}

export type Running = { readonly child: ChildProcess; readonly ended: Promise<Outcome> }
export type Told = { readonly exit: number | null; readonly [fact: string]: unknown }

/** `npm run peer` over one home, as real processes, which never look for others by multicast. */
export const peerCommand = (home: string): PeerCommand => {
  const children = new Set<ChildProcess>()
  const start: PeerCommand['start'] = (args, environment = {}) => {
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LANYARD_')))
    const secrets = { LANYARD_PASSPHRASE: PASSPHRASE, LANYARD_PASSWORD: PASSWORD }
    const listen = ['--listen', '/ip4/127.0.0.1/tcp/0', '--no-mdns']
    const child = spawn(process.execPath, [MAIN, '--home', home, ...listen, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...inherited, ...secrets, ...environment },
    })
    children.add(child)
    const said = { out: '', err: '' }
    child.stdout.on('data', (data) => {
      said.out += String(data)
    })
    child.stderr.on('data', (data) => {
      said.err += String(data)
    })
    const ended = new Promise<Outcome>((resolve) =>
      child.once('close', (code) => {
        children.delete(child)
        resolve({ code, ...said })
      }),
    )
    return { child, ended }
  }
  const run: PeerCommand['run'] = (args, environment) => start(args, environment).ended
  return {
    start,
    run,
    json: async (args, environment) => {
      const { code, out, err } = await run([...args, '--json'], environment)
      const last = out.trimEnd().split('\n').at(-1) ?? ''
      return { exit: code, ...(last.startsWith('{') ? JSON.parse(last) : { out, err }) }
    },
    stop: () => {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}
