import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { COMMAND_JSON, errorJson } from '../../peer/terminal/command-json.ts'
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

/** A command by the words that it was called with; '' for one whose output has no shape here. */
const nameOf = (args: readonly string[]): string =>
  args.flatMap((word, at) => [`${word} ${args[at + 1]}`, word]).find((name) => Object.hasOwn(COMMAND_JSON, name)) ?? ''

/** Each line of `--json` has a shape that is documented, and nothing beside it. */
export const expectDocumented = (args: readonly string[], line: string): void => {
  const shapes = COMMAND_JSON[nameOf(args)]
  if (shapes === undefined || !line.startsWith('{')) return
  const told = JSON.parse(line)
  const fitting = [...shapes, errorJson].flatMap((shape) => {
    const parsed = shape.safeParse(told)
    return parsed.success ? [parsed.data] : []
  })
  expect(fitting, `${nameOf(args)} has printed ${line}`).toContainEqual(told)
}

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
      const lines = out.trimEnd().split('\n')
      for (const line of lines) expectDocumented(args, line)
      const last = lines.at(-1) ?? ''
      return { exit: code, ...(last.startsWith('{') ? JSON.parse(last) : { out, err }) }
    },
    stop: () => {
      for (const child of children) child.kill('SIGKILL')
    },
  }
}
