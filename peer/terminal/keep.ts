import { LanyardError, refuse } from '../../shared/errors.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../shared/limits.ts'

/** How long a room keeps messages, and how many; 0 is for ever, and all. */
export type Kept = { readonly keepMs: number; readonly keepMessages: number }

const UNITS = { d: DAY_MS, h: HOUR_MS, m: MINUTE_MS } as const

/**
 * What `/keep` and `room keep` take: `7` or `7d` (days), `12h`, `30m`, `100 messages`, `forever`. The one of the two that is not
 * named stays as it is. @throws LanyardError `input-invalid`
 */
export const keptOf = (text: string): Partial<Kept> => {
  const words = text.trim().toLowerCase()
  if (words === 'forever') return { keepMs: 0, keepMessages: 0 }
  const messages = /^(\d{1,9}) ?messages?$/.exec(words)
  if (messages !== null && Number(messages[1]) > 0) return { keepMessages: Number(messages[1]) }
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?(d|days?|h|hours?|m|min|minutes?|)$/.exec(words) ?? []
  const keepMs = Math.round(Number(number) * UNITS[(unit?.[0] ?? 'd') as keyof typeof UNITS])
  if (Number.isSafeInteger(keepMs) && keepMs > 0) return { keepMs }
  throw new LanyardError(refuse('input-invalid', 'keep 7 (days), 12h, 30m, `100 messages`, or forever'))
}

/** What is kept, in words: "messages for 7 days". */
export const keptWords = ({ keepMs, keepMessages }: Kept): string => {
  const newest = keepMessages === 1 ? 'the newest message' : `the newest ${keepMessages} messages`
  if (keepMs === 0) return keepMessages === 0 ? 'messages for ever' : newest
  return `${keepMessages === 0 ? 'messages' : newest} for ${timeWords(keepMs)}`
}

const timeWords = (ms: number): string => {
  const [size, name] =
    ms % DAY_MS === 0 ? [DAY_MS, 'day'] : ms % HOUR_MS === 0 ? [HOUR_MS, 'hour'] : [MINUTE_MS, 'minute']
  const count = Number((ms / size).toFixed(2))
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
