/** Waits for a turn of the event loop. */
export type Turn = () => Promise<void>

/** After what the network has brought by now, and before the next wait for more. By the global, which the simulator turns. */
export const turn: Turn = () => new Promise((resolve) => setImmediate(resolve))

/**
 * Work that takes long gives way after each few milliseconds. All such work shares these turns: each lets one go on, of one
 * client after the other, so that a hundred works hold up the event loop no longer than one, and a client with many gets
 * ahead no faster than one with few.
 */
export const createTurns = (): ((client: string) => Promise<void>) => {
  const waiting = new Map<string, (() => void)[]>()
  let planned = false
  const next = (): void => {
    planned = false
    for (const [client, [first, ...rest]] of waiting) {
      waiting.delete(client)
      if (rest.length > 0) waiting.set(client, rest) // behind all others
      first?.()
      break
    }
    plan()
  }
  const plan = (): void => {
    if (planned || waiting.size === 0) return
    planned = true
    setImmediate(next)
  }
  return (client) =>
    new Promise((resolve) => {
      const line = waiting.get(client)
      if (line === undefined) waiting.set(client, [resolve])
      else line.push(resolve)
      plan()
    })
}

/** A few milliseconds of work. */
export const sliceOf = (ms: number): { isOver(): boolean; begin(): void } => {
  let until = performance.now() + ms
  return {
    isOver: () => performance.now() >= until,
    begin: () => {
      until = performance.now() + ms
    },
  }
}
