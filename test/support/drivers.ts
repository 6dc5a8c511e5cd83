import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PeerEvent } from '../../peer/events.ts'
import { wordsOf } from '../../shared/errors.ts'
import { newKey, type TestNetwork } from './certificates.ts'
import type { Command, DriverProfile, Line } from './driver-words.ts'
import type { Host } from './lan.ts'

/** A peer in a process of its own, as real as on another machine. */
export type Driven = AsyncDisposable & {
  readonly process: ChildProcess
  readonly ready: Line & { readonly kind: 'ready' }
  /** Milliseconds since the epoch when its process was started. */
  readonly launched: number
  /** The reply to a command. @throws with the refusal's words, or when the process ends before */
  do(command: Unnumbered<Command>): Promise<unknown>
  /** The first event, past or future, that fits. */
  until(fits: (event: PeerEvent) => boolean): Promise<Line & { readonly kind: 'event' }>
  /** Ends it at once, as a power cut would. */
  kill(): Promise<void>
  /** Ends it in good order. */
  stop(): Promise<void>
}

type Unnumbered<C> = C extends Command ? Omit<C, 'number'> : never

export type ProfileOptions = {
  readonly listen?: readonly string[]
  readonly mdns?: boolean
  /** Of files, in each direction. */
  readonly bytesPerSecond?: number
  /** Where files go; a folder beside the profile unless given. */
  readonly downloads?: string
}

/** Writes a profile that a driver is started with: a device of that user, certified by the test's root. @returns its path */
export const writeDriverProfile = async (
  network: TestNetwork,
  folder: string,
  user: string,
  { listen = ['/ip4/127.0.0.1/tcp/0'], mdns = false, ...rest }: ProfileOptions = {},
): Promise<string> => {
  const key = newKey()
  const profile: DriverProfile = {
    key: String(key.export({ type: 'pkcs8', format: 'pem' })),
    root: base64(network.root),
    certificate: base64(network.issue({ user, key })),
    storeKey: base64(randomBytes(32)),
    databasePath: join(folder, `${user}.db`),
    downloads: join(folder, `${user}-downloads`),
    listen: [...listen],
    mdns,
    ...rest,
  }
  const path = join(folder, `${user}.json`)
  await writeFile(path, JSON.stringify(profile), { mode: 0o600 })
  return path
}

/** Starts a driver, on another host if one is given. Resolves when it listens. */
export const startDriver = async (profilePath: string, host?: Pick<Host, 'spawn'>): Promise<Driven> => {
  const launched = Date.now()
  const start = host?.spawn ?? spawn
  const child = start(process.execPath, [DRIVER, profilePath], { stdio: ['pipe', 'pipe', 'pipe'] })
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw new Error('a driver without pipes')
  let complaints = ''
  stderr.on('data', (data) => {
    complaints += String(data)
  })

  const told: Line[] = []
  const waiting = new Set<{ readonly hear: (line: Line) => void; readonly giveUp: (error: Error) => void }>()
  createInterface({ input: stdout }).on('line', (text) => {
    const line: Line = JSON.parse(text)
    told.push(line)
    for (const { hear } of waiting) hear(line)
  })
  const ended = once(child, 'close').then(() => {
    for (const { giveUp } of waiting) giveUp(new Error(`the driver has ended: ${complaints}`))
  })

  const next = <Wanted extends Line>(fits: (line: Line) => line is Wanted): Promise<Wanted> => {
    const before = told.find(fits)
    if (before !== undefined) return Promise.resolve(before)
    if (child.exitCode !== null) return Promise.reject(new Error(`the driver has ended: ${complaints}`))
    const { promise, resolve, reject } = Promise.withResolvers<Wanted>()
    const waiter = { hear: (line: Line): void => void (fits(line) && resolve(line)), giveUp: reject }
    waiting.add(waiter)
    return promise.finally(() => waiting.delete(waiter))
  }

  let commands = 0
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  const stop = async (): Promise<void> => {
    stdin.end()
    await ended
  }
  stdin.on('error', () => undefined) // it was killed while we wrote
  const ready = await next((line): line is Line & { kind: 'ready' } => line.kind === 'ready')
  return {
    process: child,
    ready,
    launched,
    do: async (command) => {
      commands += 1
      const number = commands
      stdin.write(`${JSON.stringify({ ...command, number })}\n`)
      const answer = await next(
        (line): line is Line & { kind: 'reply' | 'failed' } =>
          (line.kind === 'reply' || line.kind === 'failed') && line.to === number,
      )
      if (answer.kind === 'failed') throw new Error(wordsOf(answer.refusal))
      return answer.value
    },
    until: (fits) => next((line): line is Line & { kind: 'event' } => line.kind === 'event' && fits(line.event)),
    kill,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

const DRIVER = fileURLToPath(new URL('driver.ts', import.meta.url))

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
