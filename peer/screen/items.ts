import { MINUTE_MS } from '../../shared/limits.ts'
import type { Entry } from './backend.ts'
import type { Notice, Screen } from './screen-state.ts'

/** What stands in the column of messages, from top to bottom. */
export type Item =
  | {
      readonly kind: 'entry'
      readonly key: string
      readonly entry: Entry
      /** Whether the name, and the time, is told again. */
      readonly named: boolean
      readonly timed: boolean
    }
  | { readonly kind: 'notice'; readonly key: string; readonly notice: Notice }
  | { readonly kind: 'day'; readonly key: string; readonly time: number }
  | { readonly kind: 'new'; readonly key: string }

type Part = Pick<Screen, 'entries' | 'notices' | 'firstUnread' | 'here' | 'atStart' | 'atEnd'>

/** Asked several times for each key, and changed by few of them. */
const known = new WeakMap<readonly Entry[], { readonly part: Part; readonly items: readonly Item[] }>()

/** Messages and notices in the order of time, with days, and the place where reading begins. */
export const itemsOf = (part: Part): readonly Item[] => {
  const before = known.get(part.entries)
  if (before !== undefined && isSame(before.part, part)) return before.items
  const items = made(part)
  known.set(part.entries, { part, items })
  return items
}

const isSame = (a: Part, b: Part): boolean =>
  a.notices === b.notices &&
  a.firstUnread === b.firstUnread &&
  a.here === b.here &&
  a.atStart === b.atStart &&
  a.atEnd === b.atEnd

const made = ({ entries, notices, firstUnread, here, atStart, atEnd }: Part): readonly Item[] => {
  const first = entries[0]?.time ?? 0
  const final = entries.at(-1)?.time ?? 0
  const told = notices.filter(
    ({ room, time }) => (room === null || room === here) && (atStart || time >= first) && (atEnd || time <= final),
  )
  const items: Item[] = []
  let before: Entry | null = null
  let day = ''
  let at = 0
  const tellUntil = (time: number): void => {
    for (let notice = told[at]; notice !== undefined && notice.time < time; notice = told[++at]) {
      items.push({ kind: 'notice', key: notice.key, notice })
      before = null
    }
  }
  for (const entry of entries) {
    tellUntil(entry.time)
    const today = new Date(entry.time).toDateString()
    if (today !== day) {
      items.push({ kind: 'day', key: `day ${today}`, time: entry.time })
      day = today
      before = null
    }
    if (entry.id === firstUnread) {
      items.push({ kind: 'new', key: 'new' })
      before = null
    }
    const earlier: Entry | null = before
    const timed = earlier === null || minuteOf(earlier) !== minuteOf(entry)
    items.push({
      kind: 'entry',
      key: entry.id,
      entry,
      timed,
      named: earlier === null || earlier.user !== entry.user || entry.time - earlier.time > RUN_MS,
    })
    before = entry
  }
  tellUntil(Number.POSITIVE_INFINITY)
  return items
}

const RUN_MS = 5 * MINUTE_MS // what one says within it is read as one piece
const minuteOf = ({ time }: Entry): number => Math.floor(time / MINUTE_MS)

/** Where a message belongs among others: after all that are not later. */
export const withEntry = (entries: readonly Entry[], entry: Entry): readonly Entry[] => {
  const held = entries.findIndex(({ id }) => id === entry.id)
  if (held >= 0) return entries.with(held, entry)
  let at = entries.length
  while (at > 0 && (entries[at - 1]?.time ?? 0) > entry.time) at--
  return entries.toSpliced(at, 0, entry)
}

/** Two pieces of one room that follow each other, or overlap. */
export const joined = (older: readonly Entry[], newer: readonly Entry[]): readonly Entry[] => {
  const ids = new Set<string>(newer.map(({ id }) => id))
  return [...older.filter(({ id }) => !ids.has(id)), ...newer]
}
