import { plain, sizeOf } from '../terminal/lines.ts'
import type { Entry, Transfer } from './backend.ts'
import type { Item } from './items.ts'
import type { Screen } from './screen-state.ts'
import { type Row, type Span, span, styleOfName } from './theme.ts'
import { cut, fill, fillLeft, widthOf, wrap } from './width.ts'

/** How the column of messages is divided. */
export type Columns = { readonly width: number; readonly name: number }

/** As much of the screen as decides how a message looks. */
export type Look = Pick<Screen, 'transfers' | 'chosen'>

const TIME = 7 // `09:41` and two spaces
const NAME_MAX = 14
const NAME_MIN = 5
const GAP = '  '

/** @param width columns of all */
export const columnsFor = (items: readonly Item[], width: number): Columns => {
  const longest = items.reduce(
    (most, item) => (item.kind === 'entry' ? Math.max(most, item.entry.user.length) : most),
    0,
  )
  return { width, name: width < 50 ? NAME_MIN : Math.min(NAME_MAX, Math.max(NAME_MIN, longest)) }
}

/** How many lines an item takes. */
export const heightOf = (item: Item, columns: Columns, look: Look): number =>
  item.kind === 'entry' ? bodyOf(item.entry, textWidth(columns), look).length : rowsOf(item, columns, look).length

/** An item as lines. */
export const rowsOf = (item: Item, columns: Columns, look: Look): readonly Row[] => {
  const { width } = columns
  switch (item.kind) {
    case 'day':
      return [ruled(dayOf(item.time), width, 'dim')]
    case 'new':
      return [ruled('new', width, 'mark')]
    case 'notice': {
      const { text, tone } = item.notice
      const style = ({ warn: 'warn', calm: 'dim', answer: 'plain' } as const)[tone]
      const indent = ' '.repeat(TIME)
      return wrap(plain(text), Math.max(10, width - TIME)).map((line) => [span(indent), span(line, style)])
    }
    case 'entry': {
      const { entry } = item
      const isChosen = look.chosen === entry.id
      return bodyOf(entry, textWidth(columns), look).map((row, at) => {
        const time = at === 0 && (item.timed || isChosen) ? clockOf(entry.time) : ''
        const name = at === 0 && (item.named || isChosen) ? cut(entry.user, columns.name) : ''
        const head: Row = [
          span(fill(time, TIME), 'dim'),
          span(fillLeft(name, columns.name), entry.own ? 'self' : styleOfName(entry.user)),
          span(GAP),
        ]
        return isChosen ? [span(flat([...head, ...row], width), 'chosen')] : [...head, ...row]
      })
    }
  }
}

const flat = (row: Row, width: number): string => fill(row.map(({ text }) => text).join(''), width)

const textWidth = ({ width, name }: Columns): number => Math.max(10, width - TIME - name - GAP.length)

const ruled = (label: string, width: number, style: 'dim' | 'mark'): Row => {
  const text = ` ${label} `
  return [span(`──${text}${'─'.repeat(Math.max(0, width - widthOf(text) - 2))}`, style)]
}

/** Laid out once for each message, width and transfer: what is not on the screen, and not next to it, never is. */
const bodies = new WeakMap<
  Entry,
  { readonly width: number; readonly transfer: Transfer | undefined; readonly rows: readonly Row[] }
>()

const bodyOf = (entry: Entry, width: number, { transfers }: Look): readonly Row[] => {
  const transfer = transfers.get(entry.id)
  const known = bodies.get(entry)
  if (known !== undefined && known.width === width && known.transfer === transfer) return known.rows
  const rows = laidOut(entry, width, transfer)
  bodies.set(entry, { width, transfer, rows })
  return rows
}

const laidOut = (entry: Entry, width: number, transfer: Transfer | undefined): readonly Row[] => {
  const { quote, reactions } = entry
  const rows: Row[] = []
  if (quote !== null) {
    const text = plain(quote.text).replaceAll('\n', ' ')
    rows.push([
      span('↳ ', 'dim'),
      span(quote.user, styleOfName(quote.user)),
      span(cut(`: ${text}`, width - 2 - quote.user.length), 'dim'),
    ])
  }
  rows.push(...said(entry, width, transfer))
  if (reactions.length > 0) {
    const all = reactions.map(
      ({ emoji, users }) => `${plain(emoji)} ${users.length === 1 ? (users[0] ?? '') : users.length}`,
    )
    rows.push([span(cut(all.join('   '), width), 'dim')])
  }
  return ending(rows, stateOf(entry), width)
}

const said = (entry: Entry, width: number, transfer: Transfer | undefined): Row[] => {
  const { content, deleted } = entry
  if (deleted) return [[span('taken back', 'dim')]]
  if (content === null) return [[span('no key is here for this message yet', 'dim')]]
  if (content.kind === 'file') {
    const many = content.files === null ? '' : `, ${content.files} files`
    const size = ` ${sizeOf(content.size)}${many}`
    const line = [
      span('⇩ ', 'accent'),
      span(cut(plain(content.name), Math.max(8, width - size.length - 2)), 'bold'),
      span(size, 'dim'),
    ]
    return [line, fileRow(entry.id, entry.own, transfer, width)]
  }
  const lines = wrap(plain(content.text), width)
  return lines.map((line) => withMentions(line, entry))
}

/** Whom a text calls stands out. */
const withMentions = (line: string, { mentions: { users, all } }: Entry): Row => {
  if (users.length === 0 && !all) return [span(line)]
  const called = new Set<string>([...users, ...(all ? ['all'] : [])])
  return line.split(/(@[a-z0-9._-]+)/iu).map((piece) =>
    span(
      piece,
      called.has(
        piece
          .slice(1)
          .toLowerCase()
          .replace(/[._-]+$/, ''),
      ) && piece.startsWith('@')
        ? 'accent'
        : 'plain',
    ),
  )
}

const BAR = 20

const fileRow = (id: string, own: boolean, transfer: Transfer | undefined, width: number): Row => {
  const { state, bytes, size } = transfer ?? { state: null, bytes: 0, size: 0 }
  if (state === 'whole') return [span(cut(own ? 'offered' : `here: ${plain(transfer?.path ?? '')}`, width), 'dim')]
  if (state === 'fetching' || state === 'serving' || state === 'hashing') {
    const share = size === 0 ? 1 : Math.min(1, bytes / size)
    const done = Math.round(share * BAR)
    return [
      span('━'.repeat(done), 'accent'),
      span('━'.repeat(BAR - done), 'dim'),
      span(` ${Math.floor(share * 100)} %${state === 'serving' ? ' on its way' : ''}`, 'dim'),
    ]
  }
  const told =
    state === null
      ? own
        ? 'offered'
        : `/get ${id.slice(0, 8)}`
      : state === 'served'
        ? 'fetched'
        : state === 'failed'
          ? `given up: /get ${id.slice(0, 8)}`
          : state === 'waiting'
            ? 'waits for somebody who has it'
            : state
  return [span(cut(told, width), state === 'failed' ? 'warn' : 'dim')]
}

/** How far a message of ours has come. */
const stateOf = ({ state, edited, deleted }: Entry): string => {
  const changed = edited && !deleted ? 'edited' : ''
  if (state === null || deleted) return changed
  const { devices, readBy } = state
  const far =
    readBy.length > 0 ? `✓✓ ${readBy.length === 1 ? (readBy[0] ?? '') : readBy.length}` : devices > 0 ? '✓' : '·'
  return changed === '' ? far : `${changed} ${far}`
}

/** At the right edge of the last line, or below where that is full. */
const ending = (rows: readonly Row[], text: string, width: number): readonly Row[] => {
  if (text === '') return rows
  const final: readonly Span[] = rows.at(-1) ?? []
  const used = final.reduce((sum, one) => sum + widthOf(one.text), 0)
  const room = width - used - widthOf(text)
  const mark = span(text, 'dim')
  if (room >= 1) return [...rows.slice(0, -1), [...final, span(' '.repeat(room)), mark]]
  return [...rows, [span(fillLeft(text, width), 'dim')]]
}

const clockOf = (time: number): string => new Date(time).toTimeString().slice(0, 5)

const dayOf = (time: number): string =>
  new Date(time).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })
