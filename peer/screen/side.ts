import { plain } from '../terminal/lines.ts'
import type { Person, ScreenRoom } from './backend.ts'
import type { Screen } from './screen-state.ts'
import { type Row, span, styleOfName } from './theme.ts'
import { cut, fill, widthOf } from './width.ts'

/** The rooms, a line each: the open one is marked, and what is unread stands at the right. */
export const roomRows = ({ facts, here }: Pick<Screen, 'facts' | 'here'>, width: number): readonly Row[] =>
  inOrder(facts.rooms).map((room) => roomRow(room, room.id === here, width))

/** As they are listed, and as Alt-1 to Alt-9 count them: rooms first, then direct messages. */
export const inOrder = (rooms: readonly ScreenRoom[]): readonly ScreenRoom[] =>
  rooms.toSorted((a, b) => rank(a) - rank(b) || (a.label < b.label ? -1 : a.label > b.label ? 1 : 0))

const rank = ({ label, members }: ScreenRoom): number => (members === null ? 0 : label.startsWith('#') ? 1 : 2)

const roomRow = ({ label, unread, mentions, muted }: ScreenRoom, isHere: boolean, width: number): Row => {
  const count = unread === 0 ? (muted ? 'muted' : '') : `${mentions > 0 ? '@' : ''}${unread > 999 ? '999+' : unread}`
  const name = fill(cut(plain(label), width - 2 - (count === '' ? 0 : count.length + 1)), width - 2 - count.length)
  const style = isHere ? 'accent' : unread > 0 && !muted ? 'bold' : 'plain'
  return [
    span(isHere ? '▌ ' : '  ', 'accent'),
    span(name, style),
    span(count, unread === 0 || muted ? 'dim' : mentions > 0 ? 'mark' : 'accent'),
  ]
}

/** Who is here first; of those who are not, as many as there is room for. */
export const peopleRows = ({ facts, typing }: Pick<Screen, 'facts' | 'typing'>, width: number): readonly Row[] =>
  facts.people
    .filter(({ revoked }) => !revoked)
    .toSorted((a, b) => Number(b.here) - Number(a.here) || (a.user < b.user ? -1 : 1))
    .map((person) => personRow(person, typing.has(person.user), width))

const personRow = ({ user, self, here, away }: Person, writes: boolean, width: number): Row => [
  span(here ? (away ? '◐ ' : '● ') : '○ ', here && !away ? 'accent' : 'dim'),
  span(cut(user, width - 2 - (writes ? 2 : 0)), here ? (self ? 'self' : styleOfName(user)) : 'dim'),
  span(writes ? ' …' : '', 'dim'),
]

/** As wide as its column, so that what stands beside it begins where it should. */
export const widened = (row: Row, width: number): Row => {
  const used = row.reduce((sum, { text }) => sum + widthOf(text), 0)
  return [...row, span(' '.repeat(Math.max(0, width - used)))]
}
