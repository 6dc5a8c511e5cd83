import { plain } from '../terminal/lines.ts'
import type { Hit } from './backend.ts'
import type { Panel, Screen } from './screen-state.ts'
import { type Row, span, styleOfName } from './theme.ts'
import { cut, fill, widthOf, wrap } from './width.ts'

/** What lies over the messages, cut to their place. */
export const panelRows = (panel: Panel, { help }: Screen, width: number, height: number): readonly Row[] => {
  if (panel.kind === 'help') return helpRows(help, width).slice(panel.top, panel.top + height)
  return foundRows(panel, width, height)
}

/** The whole help, before it is cut. @param commands a line each: how it is written, and behind two spaces what it does */
export const helpRows = (commands: readonly string[], width: number): readonly Row[] => [
  [span('Keys', 'bold')],
  ...KEYS.flatMap(([key, what]) => told(key, what, width)),
  [],
  [span('Commands', 'bold')],
  ...commands.flatMap((line) => {
    const [, how = line, what = ''] = /^(.*?)\s{2,}(.*)$/.exec(line) ?? []
    return told(how, what, width)
  }),
]

const KEY_COLUMNS = 20

/** Two columns; what is too long for the first has a line of its own. */
const told = (how: string, what: string, width: number): readonly Row[] => {
  const lines = wrap(what, Math.max(10, width - KEY_COLUMNS))
  const indent = span(' '.repeat(KEY_COLUMNS))
  if (widthOf(how) >= KEY_COLUMNS)
    return [[span(cut(how, width), 'accent')], ...lines.map((line): Row => [indent, span(line)])]
  return lines.map((line, at): Row => [at === 0 ? span(fill(how, KEY_COLUMNS), 'accent') : indent, span(line)])
}

const KEYS: readonly (readonly [key: string, what: string])[] = [
  ['Enter', 'say it; Alt-Enter or Ctrl-J begins a new line'],
  ['Tab', 'complete a command, #room, @name, path or :emoji:'],
  ['Ctrl-N, Ctrl-P', 'the next room, or the one before; Alt-1 … Alt-9 by its place'],
  ['Alt-A', 'the next room with something unread'],
  ['PgUp, PgDn', 'scroll; End with nothing written: back to the newest'],
  ['Alt-↑, Alt-↓', 'choose a message: r reply, e edit, + react, g get its file'],
  ['↑, ↓', 'what you wrote before; ↑ within several lines moves'],
  ['Ctrl-F', 'search all that you can read'],
  ['Ctrl-A E U K W Y', 'start, end, cut before, cut after, cut a word, put back'],
  ['Esc', 'back out of whatever it is'],
  ['Ctrl-C twice, /quit', 'leave'],
]

const LINES_A_HIT = 2

const foundRows = (
  { words, hits, at }: Extract<Panel, { kind: 'found' }>,
  width: number,
  height: number,
): readonly Row[] => {
  const title: Row = [
    span(hits.length === 0 ? 'nothing found for ' : `${hits.length} found for `, 'dim'),
    span(cut(plain(words), width - 20), 'bold'),
  ]
  const shown = Math.max(1, Math.floor((height - 2) / LINES_A_HIT))
  const first = Math.max(0, Math.min(at - Math.floor(shown / 2), hits.length - shown))
  const rows = hits.slice(first, first + shown).flatMap((hit, index) => hitRows(hit, first + index === at, width))
  return [title, [], ...rows]
}

const hitRows = ({ entry, label, snippet }: Hit, isChosen: boolean, width: number): readonly Row[] => {
  const when = new Date(entry.time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
  const text = plain(snippet).replaceAll('\n', ' ')
  if (isChosen) {
    return [
      [span(fill(`▌ ${entry.user}  ${label}  ${when}`, width), 'chosen')],
      [span(fill(`▌ ${text}`, width), 'chosen')],
    ]
  }
  return [
    [
      span('  '),
      span(entry.user, styleOfName(entry.user)),
      span(cut(`  ${label}  ${when}`, width - 2 - entry.user.length), 'dim'),
    ],
    [span(`  ${cut(text, width - 2)}`)],
  ]
}
