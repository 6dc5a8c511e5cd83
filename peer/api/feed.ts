import { API_EVENTS_KEPT, API_EVENTS_KEPT_BYTES } from '../../shared/limits.ts'
import type { ApiEvent } from './event-json.ts'

/** The events of a device, numbered, with the newest of them kept: a program that lost its connection goes on where it was. */
export type Feed = {
  put(event: ApiEvent): void
  /** The place after the newest event. It is good as long as this device runs. */
  cursor(): string
  /** Events after a place, as they are sent; null when they are not here any more, or it is of another run. */
  since(cursor: string): readonly string[] | null
  /** @returns a function that ends the listening */
  on(listener: (sent: string) => void): () => void
}

/** @param run hex; tells this run of the device from others */
export const createFeed = (run: string): Feed => {
  const kept: { readonly sent: string; readonly bytes: number }[] = []
  let bytes = 0
  let last = 0
  const listeners = new Set<(sent: string) => void>()
  const cursor = (): string => `${run}-${last}`
  const keep = (sent: string): void => {
    const size = Buffer.byteLength(sent)
    kept.push({ sent, bytes: size })
    bytes += size
    while (kept.length > API_EVENTS_KEPT || bytes > API_EVENTS_KEPT_BYTES) bytes -= kept.shift()?.bytes ?? 0
  }
  return {
    put: (event) => {
      const lasting = isLasting(event)
      if (lasting) last += 1
      const sent = JSON.stringify({ ...event, cursor: cursor() })
      if (lasting) keep(sent)
      for (const listener of listeners) listener(sent)
    },
    cursor,
    since: (from) => {
      const [, of, number] = /^([0-9a-f]+)-(\d{1,15})$/.exec(from) ?? []
      const lacking = last - Number(number)
      if (of !== run || lacking < 0 || lacking > kept.length) return null
      return kept.slice(kept.length - lacking).map(({ sent }) => sent)
    },
    on: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** How far a file has come is told many times a second, and who writes just now is soon over: nobody wants that afterwards. */
const isLasting = (event: ApiEvent): boolean =>
  event.event !== 'typing' &&
  !(event.event === 'file' && (event.state === 'hashing' || event.state === 'fetching' || event.state === 'serving'))
