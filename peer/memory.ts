import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Lets the heap grow before it is collected; for a program, since it changes the whole process. By its defaults V8 marks
 * everything for each 32 MB of buffers, which is for each few chunks of a file: half of the time of a transfer was that
 * (measured: 2 × the speed, for 50 MB more at the peak). Its nursery stays as large as it is by then: each time that it grows
 * it keeps as much again for good, 40 MB in the end, and a transfer is no faster for it.
 */
export const growHeapFreely = (): void => {
  // V8's flags are no API, and are not what we know in another Node; there its defaults do.
  if (!process.version.startsWith('v24.')) return
  setFlagsFromString('--external-memory-accounted-in-global-limit')
  setFlagsFromString('--heap-growing-percent=300')
  setFlagsFromString('--semi-space-growth-factor=1')
}

const START_OVER_MS = 5_000 // the modules are loaded, the first sessions have begun

/**
 * Gives back to the system, once, what the start has left behind. Reading 700 modules makes 110 MB of heap of which 40 MB are in
 * use, and a device that does nothing never collects the rest. Of a program that goes on.
 */
export const tidyAfterStart = (): void => {
  if (!process.version.startsWith('v24.')) return
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('gc')
  if (typeof collect !== 'function') return
  setTimeout(() => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }), START_OVER_MS).unref()
}
