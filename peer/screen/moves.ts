import { messageArea } from './areas.ts'
import type { Entry, Piece, Tone } from './backend.ts'
import { edit } from './editor.ts'
import type { Effect, Step } from './effects.ts'
import { itemsOf, joined } from './items.ts'
import { helpRows } from './panels.ts'
import type { Notice, Screen } from './screen-state.ts'
import { inOrder } from './side.ts'
import { scrolledBy, visibleKeys } from './window.ts'

/** Messages of the open room that are held: many screens full; what is further away is asked for again. */
export const KEPT = 400
const AHEAD = 40 // messages before the edge of what is held: then more is asked for, so that nobody waits for it
const NOTICES_MAX = 200

/** Whether the end of the room is on the screen, and stays there. */
export const isFollowing = ({ scroll, atEnd }: Screen): boolean => scroll === null && atEnd

/** Scrolls by lines, up when positive; asks for more of the room where its edge is near. */
export const scrollBy = (screen: Screen, lines: number): Step => {
  const { scroll, above } = scrolledBy(screen, lines)
  const items = itemsOf(screen)
  const last = items.at(-1)
  const held = scroll ?? (screen.atEnd || last === undefined ? null : { key: last.key, skip: 0 })
  const next: Screen = { ...screen, scroll: held, ...(held === null ? { missed: 0 } : {}) }
  const [first, final] = [screen.entries.at(0), screen.entries.at(-1)]
  if (screen.loading) return readSoFar(next)
  if (lines > 0 && !screen.atStart && above < AHEAD && first !== undefined) return asking(next, 'before', first.id)
  if (lines < 0 && !screen.atEnd && items.length - above < AHEAD && final !== undefined)
    return asking(next, 'after', final.id)
  return readSoFar(next)
}

const asking = (screen: Screen, side: 'before' | 'after', id: string): Step => [
  { ...screen, loading: true },
  [{ kind: 'more', room: screen.here, side, id }],
]

/** A page is what is on the screen, but for two lines that stay to hold on to. */
export const pageOf = (screen: Screen): number => Math.max(1, messageArea(screen).height - 2)

/** Back to the newest. */
export const toEnd = (screen: Screen): Step =>
  screen.atEnd
    ? readSoFar({ ...screen, scroll: null, missed: 0, chosen: null })
    : [{ ...screen, chosen: null, loading: true }, [{ kind: 'open', room: screen.here }]]

/** More of the room has come, on one side of what is held; as much is let go at the other. */
export const withMore = (screen: Screen, side: 'before' | 'after', { entries, atStart, atEnd }: Piece): Screen => {
  const limit = 2 * KEPT
  if (side === 'before') {
    const all = joined(entries, screen.entries)
    const kept = all.length > limit ? all.slice(0, limit) : all
    return { ...screen, entries: kept, atStart, atEnd: screen.atEnd && kept.length === all.length, loading: false }
  }
  const all = joined(screen.entries, entries)
  const kept = all.length > limit ? all.slice(-limit) : all
  return { ...screen, entries: kept, atEnd, atStart: screen.atStart && kept.length === all.length, loading: false }
}

/** After a message was put among the others: no more is held than there is use for. */
export const trimmed = (screen: Screen): Screen => {
  const { entries } = screen
  if (isFollowing(screen)) {
    return entries.length > KEPT * 1.5 ? { ...screen, entries: entries.slice(-KEPT), atStart: false } : screen
  }
  return entries.length > 2 * KEPT ? { ...screen, entries: entries.slice(0, KEPT), atEnd: false } : screen
}

/** Goes to another message than the one that is chosen; the screen follows. */
export const choose = (screen: Screen, by: 1 | -1): Step => {
  const { entries, chosen } = screen
  const shown = visibleKeys(screen)
  const from =
    chosen === null
      ? entries.findLastIndex(({ id }) => shown.has(id)) + 1
      : entries.findIndex(({ id }) => id === chosen)
  const next = entries[from + by]
  if (next === undefined) return by > 0 && chosen !== null ? [{ ...screen, chosen: null }, []] : scrollBy(screen, 0)
  const moved: Screen = { ...screen, chosen: next.id }
  if (shown.has(next.id)) return by < 0 ? scrollBy(moved, 0) : [moved, []]
  return intoView(moved, next)
}

/** Puts a message into the middle of what is shown. */
export const intoView = (screen: Screen, { id }: Pick<Entry, 'id'>): Step =>
  scrollBy({ ...screen, scroll: { key: id, skip: 0 } }, -Math.floor(messageArea(screen).height / 2))

/** Notes what has been read: when the end is on the screen, and somebody looks at it. */
export const readSoFar = (screen: Screen): Step => {
  const last = screen.entries.at(-1)
  if (!isFollowing(screen) || !screen.focused || screen.panel !== null || last === undefined) return [screen, []]
  return [screen, [{ kind: 'read', room: screen.here, upTo: last.id }]]
}

/** Another room; what was being written stays behind in this one. */
export const go = (screen: Screen, room: string): Step => {
  const { here, intent, editor } = screen
  const text = intent.kind === 'say' && !editor.text.startsWith('/') ? editor.text : ''
  const next: Screen = {
    ...screen,
    here: room,
    entries: [],
    atStart: true,
    atEnd: true,
    loading: true,
    scroll: null,
    missed: 0,
    firstUnread: null,
    editor: edit(editor, { kind: 'clear' }),
    intent: { kind: 'say' },
    chosen: null,
    panel: null,
    completion: null,
    typing: new Map(),
  }
  const draft: readonly Effect[] = here === room ? [] : [{ kind: 'draft', room: here, text }]
  return [next, [...draft, { kind: 'open', room }]]
}

/** The next room in the order in which they are listed, or the one before. */
export const goBeside = (screen: Screen, by: 1 | -1): Step => {
  const rooms = inOrder(screen.facts.rooms)
  const at = rooms.findIndex(({ id }) => id === screen.here)
  const next = rooms[(at + by + rooms.length) % Math.max(1, rooms.length)]
  return next === undefined ? [screen, []] : go(screen, next.id)
}

/** The next room after this one in which something is unread. */
export const goToUnread = (screen: Screen): Step => {
  const rooms = inOrder(screen.facts.rooms)
  const at = rooms.findIndex(({ id }) => id === screen.here)
  const next = [...rooms.slice(at + 1), ...rooms.slice(0, Math.max(0, at))].find(
    ({ unread, muted }) => unread > 0 && !muted,
  )
  return next === undefined ? [screen, []] : go(screen, next.id)
}

/** With a few words among the messages. What was said just before is not said again. */
export const withNotice = (
  screen: Screen,
  { text, tone, room = null }: { readonly text: string; readonly tone: Tone; readonly room?: string | null },
  now: number,
): Screen => {
  const before = screen.notices.at(-1)
  if (tone === 'warn' && before?.text === text && now - before.time < REPEATED_MS) return screen
  // By the clock of the messages: one whose author's clock is ahead must not stand below it for ever.
  const time = Math.max(now, screen.atEnd ? (screen.entries.at(-1)?.time ?? 0) + 1 : 0)
  const notice: Notice = {
    key: `notice ${(before === undefined ? 0 : Number(before.key.slice(7))) + 1}`,
    time,
    text,
    tone,
    room,
  }
  return { ...screen, notices: [...screen.notices, notice].slice(-NOTICES_MAX) }
}

const REPEATED_MS = 10 * 60_000 // a peer that can't be reached is tried again and again

/** Keys within what lies over the messages. */
export const scrollPanel = (screen: Screen, by: number): Screen => {
  const { panel } = screen
  if (panel === null) return screen
  if (panel.kind === 'found') {
    const at = Math.min(Math.max(0, panel.at + by), Math.max(0, panel.hits.length - 1))
    return { ...screen, panel: { ...panel, at } }
  }
  const { width, height } = messageArea(screen)
  const most = Math.max(0, helpRows(screen.help, width).length - height)
  return { ...screen, panel: { ...panel, top: Math.min(most, Math.max(0, panel.top + by)) } }
}
