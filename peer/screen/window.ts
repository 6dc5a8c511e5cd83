import { messageArea } from './areas.ts'
import { itemsOf } from './items.ts'
import { columnsFor, heightOf, rowsOf } from './rows.ts'
import type { Screen, Scroll } from './screen-state.ts'
import type { Row } from './theme.ts'

// Which lines of a room are on the screen. Only those items are laid out that are on it, or that a step passes over:
// how long the room's past is makes no difference.

/** The lines that are shown, from the top, at most as many as there is height for. */
export const visibleRows = (screen: Screen): readonly Row[] => {
  const { height, width } = messageArea(screen)
  const items = itemsOf(screen)
  const columns = columnsFor(items, width)
  const { at, skip } = bottom(screen, items)
  const rows: Row[] = []
  let below = skip
  for (let index = at; index >= 0 && rows.length < height; index--) {
    const item = items[index]
    if (item === undefined) break
    const all = rowsOf(item, columns, screen)
    rows.unshift(...all.slice(0, all.length - below))
    below = 0
  }
  return rows.slice(-height)
}

/** Keys of the items of which at least a line is shown. */
export const visibleKeys = (screen: Screen): ReadonlySet<string> => {
  const { height, width } = messageArea(screen)
  const items = itemsOf(screen)
  const columns = columnsFor(items, width)
  const { at, skip } = bottom(screen, items)
  const keys = new Set<string>()
  let used = -skip
  for (let index = at; index >= 0 && used < height; index--) {
    const item = items[index]
    if (item === undefined) break
    used += heightOf(item, columns, screen)
    keys.add(item.key)
  }
  return keys
}

/** Where a step of so many lines leads (up is positive), and how many items are left unseen above, and below, of what is held. */
export const scrolledBy = (
  screen: Screen,
  lines: number,
): { readonly scroll: Scroll | null; readonly above: number } => {
  const { height, width } = messageArea(screen)
  const items = itemsOf(screen)
  const columns = columnsFor(items, width)
  const heightAt = (index: number): number => {
    const item = items[index]
    return item === undefined ? 0 : heightOf(item, columns, screen)
  }
  let { at, skip } = bottom(screen, items)
  skip += lines
  while (skip < 0 && at < items.length - 1) {
    at += 1
    skip += heightAt(at)
  }
  while (at > 0 && skip >= heightAt(at)) {
    skip -= heightAt(at)
    at -= 1
  }
  if (at >= items.length - 1 && skip <= 0) return { scroll: null, above: items.length }
  const top = topFilled(items.length, height, heightAt)
  if (at < top.at || (at === top.at && skip > top.skip)) ({ at, skip } = top)
  if (at >= items.length - 1 && skip <= 0) return { scroll: null, above: at }
  return { scroll: { key: items[at]?.key ?? '', skip: Math.max(0, skip) }, above: at }
}

/** The bottom line when the first item of all is at the top. */
const topFilled = (count: number, height: number, heightAt: (index: number) => number) => {
  let used = 0
  for (let at = 0; at < count; at++) {
    used += heightAt(at)
    if (used >= height) return { at, skip: used - height }
  }
  return { at: count - 1, skip: 0 }
}

const bottom = ({ scroll }: Screen, items: ReturnType<typeof itemsOf>): { at: number; skip: number } => {
  const at = scroll === null ? -1 : items.findLastIndex(({ key }) => key === scroll.key)
  return at < 0 || scroll === null ? { at: items.length - 1, skip: 0 } : { at, skip: scroll.skip }
}
