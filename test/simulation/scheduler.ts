/** Whose an event is: what is dead has none any more. */
export type Owner = { readonly name: string; alive: boolean }

/** Cancels an event that has not come yet. */
export type Cancel = () => void

/** The one line of time of a run: events in the order of their times, and of their making. */
export type Scheduler = {
  /** Milliseconds since the run began. */
  now(): number
  /** Whose event is being handled. */
  current(): Owner | null
  /** @param ms from now @param what for the trace */
  after(ms: number, owner: Owner, what: string, run: () => unknown): Cancel
  /** Handles the next event, if it comes no later than `until`. @returns false when there is none */
  step(until: number): Promise<boolean>
  /** Time passes in which nobody is awake: what was due in it comes afterwards, once. */
  sleep(ms: number): void
  /** Runs something for an owner, to its end, now. */
  as<T>(owner: Owner, what: string, run: () => T): Promise<T>
  /** Events handled. */
  count(): number
}

type Event = {
  readonly at: number
  readonly order: number
  readonly owner: Owner
  readonly what: string
  readonly run: () => unknown
  cancelled: boolean
}

/**
 * @param settle resolves once all that an event has led to at its owner has come to rest: then, and only then, the next one
 * is handled, so that the timing of threads decides nothing
 * @param trace is told of each event
 * @param onThrow what an event throws at once, as a timer's callback may
 */
export const createScheduler = (
  settle: () => Promise<void>,
  trace: (at: number, owner: string, what: string) => void,
  onThrow: (error: unknown) => void,
): Scheduler => {
  const queue = createQueue()
  let now = 0
  let order = 0
  let count = 0
  let current: Owner | null = null

  const attempt = ({ run }: Event): void => {
    try {
      run()
    } catch (error) {
      onThrow(error)
    }
  }
  const as = async <T>(owner: Owner, what: string, run: () => T): Promise<T> => {
    count++
    trace(now, owner.name, what)
    const before = current
    current = owner
    try {
      const result = run()
      await settle()
      return result
    } finally {
      current = before
    }
  }
  return {
    now: () => now,
    current: () => current,
    after: (ms, owner, what, run) => {
      const event = { at: now + Math.max(0, ms), order: order++, owner, what, run, cancelled: false }
      queue.add(event)
      return () => {
        event.cancelled = true
      }
    },
    step: async (until) => {
      for (;;) {
        const event = queue.first()
        if (event === undefined || event.at > until) {
          now = Math.max(now, until)
          return false
        }
        queue.drop()
        if (event.cancelled || !event.owner.alive) continue
        now = Math.max(now, event.at)
        await as(event.owner, event.what, () => {
          attempt(event)
          // What comes to one device at one moment is handled together.
          for (let next = queue.first(); next?.owner === event.owner && next.at <= now; next = queue.first()) {
            queue.drop()
            if (next.cancelled || !next.owner.alive) continue
            count++
            trace(now, next.owner.name, next.what)
            attempt(next)
          }
        })
        return true
      }
    },
    sleep: (ms) => {
      now += ms
    },
    as,
    count: () => count,
  }
}

/** A binary heap. */
const createQueue = () => {
  const heap: Event[] = []
  const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
  const swap = (i: number, j: number): void => {
    const [a, b] = [heap[i], heap[j]]
    if (a === undefined || b === undefined) return
    heap[i] = b
    heap[j] = a
  }
  const less = (i: number, j: number): boolean => {
    const [a, b] = [heap[i], heap[j]]
    return a !== undefined && b !== undefined && isBefore(a, b)
  }
  return {
    first: (): Event | undefined => heap[0],
    add: (event: Event): void => {
      heap.push(event)
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >>> 1
        if (!less(at, parent)) break
        swap(at, parent)
        at = parent
      }
    },
    drop: (): void => {
      swap(0, heap.length - 1)
      heap.pop()
      for (let at = 0; ; ) {
        const [left, right] = [2 * at + 1, 2 * at + 2]
        let least = less(left, at) ? left : at
        if (less(right, least)) least = right
        if (least === at) break
        swap(at, least)
        at = least
      }
    },
  }
}
