import type { FileEvent } from './lines.ts'
import { plain, sizeOf } from './lines.ts'

/** Draws a bar for the file that moves, on the last line of a terminal. */
export type ProgressBar = {
  draw(progress: FileEvent): void
  /** Takes the bar away, before something else is printed. */
  clear(): void
}

const WIDTH = 30
const REDRAW_MS = 100 // ten times a second is smooth, and costs nothing

/** @param now milliseconds, from any fixed start */
export const createProgressBar = (write: (text: string) => void, now: () => number): ProgressBar => {
  let drawn = false
  let last = Number.NEGATIVE_INFINITY
  let started: { id: string; at: number; bytes: number } | null = null
  const clear = (): void => {
    if (drawn) write('\r\u001b[K')
    drawn = false
  }
  return {
    clear,
    draw: ({ id, name, bytes, size, state }) => {
      if (state !== 'fetching' && state !== 'serving' && state !== 'hashing') return
      const at = now()
      if (started?.id !== id) started = { id, at, bytes }
      if (at - last < REDRAW_MS && bytes < size) return
      last = at
      const share = size === 0 ? 1 : Math.min(1, bytes / size)
      const rate = ((bytes - started.bytes) / Math.max(1, at - started.at)) * 1000
      const left = rate > 0 ? `${Math.ceil((size - bytes) / rate)} s left` : ''
      const bar = '#'.repeat(Math.round(share * WIDTH)).padEnd(WIDTH, '-')
      write(
        `\r\u001b[K[${bar}] ${Math.floor(share * 100)} %  ${state === 'hashing' ? 'reading ' : ''}${plain(name)}  ${sizeOf(rate)}/s  ${left}`,
      )
      drawn = true
    },
  }
}
