import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../shared/limits.ts'
import type { Screen } from './screen-state.ts'
import { type Row, span } from './theme.ts'
import { cut, widthOf } from './width.ts'

const EXPIRY_WARNED_MS = 2 * DAY_MS // a certificate renews itself long before: something is wrong then

/** The last line: whom we reach, when the CA was seen, how old its list is; at the right what to press. */
export const statusRow = (screen: Screen, now: number): Row => {
  const { facts, chosen, panel, size, leaving } = screen
  const { devices, caSeen, list, certificateUntil } = facts
  const parts: { readonly text: string; readonly warn: boolean }[] = [
    { text: `${devices} ${devices === 1 ? 'peer' : 'peers'}`, warn: devices === 0 },
    { text: caSeen === null ? 'CA not seen yet' : `CA ${ago(now - caSeen)}`, warn: false },
    list.made === null
      ? { text: 'no revocation list', warn: false }
      : { text: `list ${list.number}, ${list.stale ? 'stale: ' : ''}${old(now - list.made)}`, warn: list.stale },
  ]
  if (certificateUntil - now < EXPIRY_WARNED_MS)
    parts.push({
      text: certificateUntil <= now ? 'certificate expired' : `certificate ends in ${age(certificateUntil - now)}`,
      warn: true,
    })
  const keys = leaving
    ? 'Ctrl-C again leaves'
    : panel?.kind === 'found'
      ? '↑↓ choose  Enter goes there  Esc back'
      : panel?.kind === 'help'
        ? '↑↓ scroll  Esc back'
        : chosen !== null
          ? 'r reply  e edit  + react  g get  d take back  Esc'
          : 'F1 help'
  const room = size.columns - 1 - widthOf(keys) - 2
  const left = fitted(parts, Math.max(0, room))
  const used = left.reduce((sum, { text }) => sum + widthOf(text), 0)
  return [...left, span(' '.repeat(Math.max(1, size.columns - 1 - used - widthOf(keys)))), span(keys, 'dim')]
}

/** Whole parts, as many as there is room for. */
const fitted = (parts: readonly { readonly text: string; readonly warn: boolean }[], room: number): Row => {
  const row = [span(' ')]
  let used = 1
  for (const { text, warn } of parts) {
    const piece = used === 1 ? text : ` · ${text}`
    if (used + widthOf(piece) > room) return used === 1 ? [span(cut(text, room), 'dim')] : row
    if (used > 1) row.push(span(' · ', 'dim'))
    row.push(span(text, warn ? 'warn' : 'dim'))
    used += widthOf(piece)
  }
  return row
}

const age = (ms: number): string => {
  if (ms < MINUTE_MS) return 'now'
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min`
  return ms < 2 * DAY_MS ? `${Math.floor(ms / HOUR_MS)} h` : `${Math.floor(ms / DAY_MS)} d`
}
const old = (ms: number): string => (ms < MINUTE_MS ? 'new' : `${age(ms)} old`)
const ago = (ms: number): string => (ms < MINUTE_MS ? 'seen now' : `seen ${age(ms)} ago`)
