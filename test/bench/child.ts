import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A program of the bench in a process of its own, which takes orders of `Order` and tells `Report`s. */
export type Child<Order, Report extends { readonly kind: string }> = AsyncDisposable & {
  tell(order: Order): void
  /** The next report of this kind that nobody has taken yet. @throws when the process ends before */
  next<Kind extends Report['kind']>(kind: Kind): Promise<Extract<Report, { kind: Kind }>>
}

/**
 * Starts `test/bench/<program>` and ends it with the scope. Its profile goes where LANYARD_PROF says, when that is set.
 * @param argument handed over as JSON, its only argument
 */
export const startChild = <Order extends object, Report extends { readonly kind: string }>(
  program: string,
  argument: unknown,
): Child<Order, Report> => {
  const folder = process.env.LANYARD_PROF
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(argument)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    serialization: 'advanced',
    execArgv: folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const reports = inboxOf<Report>(child, program)
  return {
    tell: (order) => void child.send(order),
    next: reports.next,
    [Symbol.asyncDispose]: async () => {
      if (child.connected) child.disconnect() // it stops in good order …
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

const STOP_MS = 10_000 // … or at once after this

const inboxOf = <Report extends { readonly kind: string }>(child: ChildProcess, program: string) => {
  const waiting: {
    readonly kind: string
    readonly resolve: (report: Report) => void
    readonly reject: (why: Error) => void
  }[] = []
  const heard: Report[] = []
  child.on('message', (message) => {
    const report = message as Report
    const at = waiting.findIndex(({ kind }) => kind === report.kind)
    if (at < 0) heard.push(report)
    else waiting.splice(at, 1)[0]?.resolve(report)
  })
  child.once('exit', (code) => {
    for (const { reject } of waiting) reject(new Error(`${program} ended with ${code}`))
  })
  const next = <Kind extends Report['kind']>(kind: Kind): Promise<Extract<Report, { kind: Kind }>> => {
    const is = (report: Report): report is Extract<Report, { kind: Kind }> => report.kind === kind
    const at = heard.findIndex(is)
    const known = at < 0 ? undefined : heard.splice(at, 1)[0]
    if (known !== undefined && is(known)) return Promise.resolve(known)
    if (child.exitCode !== null) return Promise.reject(new Error(`${program} ended with ${child.exitCode}`))
    const { promise, resolve, reject } = Promise.withResolvers<Extract<Report, { kind: Kind }>>()
    waiting.push({ kind, resolve: (report) => (is(report) ? resolve(report) : undefined), reject })
    return promise
  }
  return { next }
}

/** In the child: runs the orders one after the other, and ends the process when the bench lets go of it. */
export const obey = <Order>(handle: (order: Order) => Promise<void>, stop: () => Promise<void>): void => {
  let line = Promise.resolve()
  process.on('message', (message) => {
    line = line.then(() => handle(message as Order))
  })
  process.once('disconnect', () => void stop().finally(() => process.exit(0)))
}

/** What a process has used so far. */
export type Usage = { readonly cpuMs: number; readonly peakMB: number }

/** In the child: what it has used so far. */
export const usage = (): Usage => {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  return { cpuMs: (userCPUTime + systemCPUTime) / 1_000, peakMB: maxRSS / 1_024 }
}

/** In the child: tells the bench something. */
export const tellBench = <Report extends { readonly kind: string }>(report: Report): void => void process.send?.(report)
