import type { Cancel, Owner, Scheduler } from './scheduler.ts'

/** The clock of the process, as long as a simulation runs in it. */
export type Timers = {
  /** Resolves once all that the present event has led to has come to rest. */
  settle(): Promise<void>
  /** Something that ends by itself, on another thread perhaps, and is to be waited for. */
  busy<T>(work: Promise<T>): Promise<T>
  restore(): void
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  timeoutSignal: AbortSignal.timeout,
  performanceNow: performance.now.bind(performance),
}

/** The machine's own stopwatch, milliseconds: for how long the simulator itself may take. */
export const stopwatch = (): number => real.performanceNow()

/**
 * Puts the timers that a device sets under the scheduler: they belong to whoever's event is being handled, and end with its
 * life. What is called outside of any event has the machine's own. `setImmediate` stays as it is, and is waited for.
 * @param rest waits for what an owner does by itself. @returns whether it did anything
 */
export const simulateTimers = (scheduler: () => Scheduler, rest: (owner: Owner) => Promise<boolean>): Timers => {
  /** What each owner has under way. */
  const works = new WeakMap<Owner, { pending: number }>()
  const nobody = { pending: 0 }
  const workOf = (owner: Owner | null): { pending: number } => {
    if (owner === null) return nobody
    const work = works.get(owner) ?? { pending: 0 }
    works.set(owner, work)
    return work
  }
  const turn = (): Promise<void> => new Promise((resolve) => real.setImmediate(resolve))

  const settle = async (): Promise<void> => {
    const owner = scheduler().current()
    const work = workOf(owner)
    for (let restless = true; restless; ) {
      await turn()
      // What the dead have begun never ends.
      restless = owner?.alive === true && ((await rest(owner)) || work.pending > 0)
    }
  }
  const busy = <T>(thread: Promise<T>): Promise<T> => {
    const work = workOf(scheduler().current())
    work.pending++
    return thread.finally(() => work.pending--)
  }
  const later = (run: () => void, ms: number, again: boolean): Handle | null => {
    const owner = scheduler().current()
    if (owner === null) return null
    const handle = createHandle()
    const arm = (): void => {
      handle.end = scheduler().after(ms, owner, again ? 'interval' : 'timer', () => {
        if (again) arm()
        run()
      })
    }
    arm()
    return handle
  }

  const fakes = {
    setTimeout: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      later(() => run(...args), ms, false) ?? real.setTimeout(run, ms, ...args),
    setInterval: (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      later(() => run(...args), ms, true) ?? real.setInterval(run, ms, ...args),
    clear: (handle: unknown) => {
      if (handle instanceof Handle) handle.end()
      else real.clearTimeout(handle as NodeJS.Timeout)
    },
    setImmediate: (run: (...args: unknown[]) => void, ...args: unknown[]) => {
      const work = workOf(scheduler().current())
      work.pending++
      return real.setImmediate(() => {
        work.pending--
        run(...args)
      })
    },
    // Only the closing of a stream waits for one here, and a simulated stream closes at once.
    timeoutSignal: (ms: number): AbortSignal =>
      scheduler().current() === null ? real.timeoutSignal.call(AbortSignal, ms) : NEVER,
    performanceNow: (): number => (scheduler().current() === null ? real.performanceNow() : scheduler().now()),
  }
  put(fakes.setTimeout, fakes.setInterval, fakes.clear, fakes.setImmediate, fakes.timeoutSignal, fakes.performanceNow)
  return {
    settle,
    busy,
    restore: () =>
      put(
        real.setTimeout,
        real.setInterval,
        real.clearTimeout,
        real.setImmediate,
        real.timeoutSignal,
        real.performanceNow,
      ),
  }
}

class Handle {
  end: Cancel = () => undefined
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
}
const NEVER = new AbortController().signal
const createHandle = (): Handle => new Handle()

const put = (
  setTimeout: unknown,
  setInterval: unknown,
  clear: unknown,
  setImmediate: unknown,
  timeoutSignal: unknown,
  performanceNow: unknown,
): void => {
  Object.assign(globalThis, { setTimeout, setInterval, clearTimeout: clear, clearInterval: clear, setImmediate })
  Object.assign(AbortSignal, { timeout: timeoutSignal })
  Object.assign(performance, { now: performanceNow })
}
