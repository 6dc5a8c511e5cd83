import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export type Line = Readonly<Record<string, unknown>>

/** A real process of ours that speaks JSON lines. */
export type Player = {
  readonly name: string
  readonly pid: number
  /** Writes one line to its standard input. */
  write(line: string): void
  /** The first line, past or to come, that fits. @throws when the process ends before */
  until(fits: (line: Line) => boolean): Promise<Line>
  lines(): readonly Line[]
  /** Sends a signal, and resolves with the exit code once it has ended. */
  end(signal?: NodeJS.Signals): Promise<number | null>
  /** Resolves with the exit code when it ends by itself. */
  readonly over: Promise<number | null>
}

export type Command = {
  readonly file: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

type Spawn = (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess

/** Starts a process, on another host if that one's `spawn` is given; what it prints on standard error is kept for the message of a failure. */
export const startPlayer = (name: string, command: Command, start: Spawn = spawn): Player => {
  const child: ChildProcess = start(command.file, command.args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...command.env },
  })
  const heard: Line[] = []
  const waiting = new Set<{
    fits: (line: Line) => boolean
    resolve: (line: Line) => void
    reject: (why: Error) => void
  }>()
  let complaints = ''
  child.stderr?.on('data', (data: Buffer) => {
    complaints = (complaints + data.toString()).slice(-4_000)
  })
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = parse(text)
      if (line === null) return
      heard.push(line)
      for (const one of waiting) {
        if (!one.fits(line)) continue
        waiting.delete(one)
        one.resolve(line)
      }
    })
  }
  const over = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      for (const { reject } of waiting) reject(new Error(`${name} ended (${code}): ${complaints}`))
      waiting.clear()
      resolve(code)
    })
    child.once('error', (error) => {
      complaints += error.message
      resolve(null)
    })
  })
  child.stdin?.on('error', () => undefined) // it ended while we wrote; `over` tells
  return {
    name,
    pid: child.pid ?? 0,
    write: (line) => void child.stdin?.write(`${line}\n`),
    until: (fits) => {
      const before = heard.find(fits)
      if (before !== undefined) return Promise.resolve(before)
      if (child.exitCode !== null) return Promise.reject(new Error(`${name} ended (${child.exitCode}): ${complaints}`))
      const { promise, resolve, reject } = Promise.withResolvers<Line>()
      waiting.add({ fits, resolve, reject })
      return promise
    },
    lines: () => heard,
    end: (signal = 'SIGTERM') => {
      if (child.exitCode === null) child.kill(signal)
      return over
    },
    over,
  }
}

const parse = (text: string): Line | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Line) : null
  } catch {
    return null
  }
}
