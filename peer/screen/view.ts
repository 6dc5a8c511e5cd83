import { plain } from '../terminal/lines.ts'
import { areasOf, cursorIn, inputLines, promptOf } from './areas.ts'
import type { Completion } from './completion.ts'
import { panelRows } from './panels.ts'
import { openRoom, type Screen } from './screen-state.ts'
import { peopleRows, roomRows, widened } from './side.ts'
import { statusRow } from './status.ts'
import { type Row, type Span, span } from './theme.ts'
import { cut, widthOf } from './width.ts'
import { visibleRows } from './window.ts'

/** All lines of the screen, exactly as many as it has, and where the cursor stands. */
export type Frame = { readonly rows: readonly Row[]; readonly cursor: { readonly x: number; readonly y: number } }

export const frameOf = (screen: Screen, now: number): Frame => {
  const { size } = screen
  const areas = areasOf(screen)
  const body = bodyRows(screen, areas)
  const above: Row[] = [...titleRows(screen, areas), ...body, edgeRow(screen, now), ...hintRows(screen)]
  const { rows: written, cursor } = inputRows(screen, areas.input)
  const all = [...above, ...written, statusRow(screen, now)].slice(0, size.rows)
  const rows = all.map((row) => clipped(row, size.columns)) // of a terminal that is smaller than anything was meant for
  return {
    rows,
    cursor: { x: Math.min(cursor.x, size.columns - 1), y: Math.min(above.length + cursor.y, size.rows - 1) },
  }
}

const clipped = (row: Row, columns: number): Row => {
  let room = columns
  return row.map(({ text, style }) => {
    const short = cut(text, room)
    room = Math.max(0, room - widthOf(short))
    return { text: short, style }
  })
}

type Areas = ReturnType<typeof areasOf>

/** Where we are and what it is about, over a thin rule. */
const titleRows = (screen: Screen, { left, middle, right }: Areas): readonly Row[] => {
  const { facts } = screen
  const room = openRoom(screen)
  const label = plain(room?.label ?? '')
  const size = room === undefined ? '' : room.members === null ? 'everybody' : `${room.members.length} members`
  const width = middle + (right === 0 ? 0 : right + 2)
  const topic = cut(
    plain(room?.topic ?? '').replaceAll('\n', ' '),
    Math.max(0, width - widthOf(label) - size.length - 6),
  )
  const used = widthOf(label) + (topic === '' ? 0 : widthOf(topic) + 2) + size.length
  const title: Span[] = [
    span(label, 'bold'),
    span(topic === '' ? '' : `  ${topic}`, 'dim'),
    span(' '.repeat(Math.max(1, width - used - 1))),
    span(size, 'dim'),
  ]
  const us: Row =
    left === 0
      ? []
      : [...widened([span(` ${cut(facts.user, left - 3)}`, 'self'), ...networkSpan(screen, left)], left), span('  ')]
  return [
    [...us, ...title],
    [...(left === 0 ? [] : [span(`${'─'.repeat(left)}  `, 'dim')]), span('─'.repeat(width), 'dim')],
  ]
}

const networkSpan = ({ facts }: Screen, left: number): Row => {
  const room = left - facts.user.length - 3
  return room < 4 ? [] : [span(cut(` · ${plain(facts.network)}`, room), 'dim')]
}

const bodyRows = (screen: Screen, { left, middle, right, height }: Areas): readonly Row[] => {
  const messages = screen.panel === null ? visibleRows(screen) : panelRows(screen.panel, screen, middle, height)
  const lead = screen.panel === null ? height - messages.length : 0 // the newest stands next to what is written
  const rooms = left === 0 ? [] : sideRows(screen, left, height, right === 0)
  const people = right === 0 ? [] : peopleRows(screen, right)
  return Array.from({ length: height }, (_, line) => {
    const message = messages[line - lead] ?? []
    return [
      ...(left === 0 ? [] : [...widened(rooms[line] ?? [], left), span('  ')]),
      ...(right === 0 ? message : [...widened(message, middle), span('  '), ...(people[line] ?? [])]),
    ]
  })
}

const PEOPLE_MIN = 4 // lines that people keep, however many rooms there are

/** The rooms, and below them the people where these have no column of their own. */
const sideRows = (screen: Screen, width: number, height: number, withPeople: boolean): readonly Row[] => {
  const rooms = roomRows(screen, width)
  if (!withPeople) return rooms.slice(0, height)
  const people = peopleRows(screen, width)
  const forPeople = Math.min(people.length, Math.max(PEOPLE_MIN, height - rooms.length - 1))
  return [...rooms.slice(0, Math.max(1, height - forPeople - 1)), [], ...people].slice(0, height)
}

/** The rule above what is written: who writes at its left, what lies below at its right. */
const edgeRow = ({ size, typing, scroll, missed, atEnd, facts }: Screen, now: number): Row => {
  const writers = [...typing].filter(([user, until]) => until > now && user !== facts.user).map(([user]) => user)
  const who =
    writers.length === 0
      ? ''
      : writers.length > 2
        ? ' several people are writing '
        : ` ${writers.join(' and ')} ${writers.length === 1 ? 'is' : 'are'} writing `
  const below = scroll === null && atEnd ? '' : missed > 0 ? ` ↓ ${missed} new · End ` : ' ↓ End '
  const rule = Math.max(0, size.columns - widthOf(who) - widthOf(below) - 2)
  return [
    span('─', 'dim'),
    span(who, 'dim'),
    span('─'.repeat(rule), 'dim'),
    span(below, missed > 0 ? 'accent' : 'dim'),
    span('─', 'dim'),
  ]
}

/** What is answered or changed, and what could be completed. */
const hintRows = ({ intent, completion, size }: Screen): readonly Row[] => {
  const rows: Row[] = []
  if (intent.kind !== 'say') {
    const { user, content } = intent.to
    const text = content?.kind === 'text' ? content.text : (content?.name ?? '')
    const line = `${user}: ${plain(text).replaceAll('\n', ' ')}`
    rows.push([span(intent.kind === 'edit' ? ' ✎ ' : ' ↳ ', 'accent'), span(cut(line, size.columns - 6), 'dim')])
  }
  if (completion !== null) rows.push(offersRow(completion, size.columns))
  return rows
}

const offersRow = ({ offers, chosen }: Completion, columns: number): Row => {
  const row: Span[] = [span(' ')]
  let used = 1
  // The chosen one is always among those that are shown.
  const first = Math.max(0, chosen - 3)
  for (const [index, { shown }] of offers.entries()) {
    if (index < first) continue
    const text = plain(shown)
    if (used + widthOf(text) + 4 > columns) {
      row.push(span('…', 'dim'))
      break
    }
    row.push(span(text, index === chosen ? 'accent' : 'dim'), span('  '))
    used += widthOf(text) + 2
  }
  return row
}

const inputRows = (screen: Screen, shown: number) => {
  const prompt = promptOf(screen)
  const lines = inputLines(screen)
  const { line, column } = cursorIn(screen)
  const first = Math.max(0, Math.min(line - shown + 1, lines.length - shown))
  const indent = ' '.repeat(widthOf(prompt) + 1)
  const rows = lines.slice(first, first + shown).map((text, index): Row => {
    const isFirst = first + index === 0
    return [isFirst ? span(` ${prompt}`, 'accent') : span(indent), span(plain(text))]
  })
  return { rows, cursor: { x: widthOf(indent) + column, y: line - first } }
}
