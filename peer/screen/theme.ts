import { plain } from '../terminal/lines.ts'

/** How a piece of a line looks; `name-…` are colours of people. */
export type Style = 'plain' | 'dim' | 'bold' | 'accent' | 'warn' | 'mark' | 'chosen' | 'self' | `name-${number}`

/** A piece of a line. */
export type Span = { readonly text: string; readonly style: Style }
/** One line of the screen, from left to right. */
export type Row = readonly Span[]

export const THEMES = ['dark', 'light', 'none'] as const
export type ThemeName = (typeof THEMES)[number]
export const DEFAULT_THEME: ThemeName = 'dark'

export const isTheme = (name: string): name is ThemeName => THEMES.some((one) => one === name)

// SGR parameters (ECMA-48 §8.3.117). Names take calm colours of the 256, far apart, readable on their ground; `none` has
// weight and inversion only, as NO_COLOR asks.
const DARK_NAMES = [110, 150, 180, 175, 116, 223, 147, 114, 209, 139, 80, 186]
const LIGHT_NAMES = [25, 28, 94, 125, 30, 130, 61, 22, 160, 90, 24, 58]

type Palette = {
  readonly styles: Readonly<Record<Exclude<Style, `name-${number}`>, string>>
  readonly names: readonly number[]
}

const PALETTES: Readonly<Record<ThemeName, Palette>> = {
  dark: {
    styles: {
      plain: '',
      dim: '38;5;244',
      bold: '1',
      accent: '1;38;5;117',
      warn: '38;5;215',
      mark: '38;5;203',
      chosen: '48;5;237',
      self: '1;38;5;252',
    },
    names: DARK_NAMES,
  },
  light: {
    styles: {
      plain: '',
      dim: '38;5;245',
      bold: '1',
      accent: '1;38;5;25',
      warn: '38;5;130',
      mark: '38;5;160',
      chosen: '48;5;254',
      self: '1',
    },
    names: LIGHT_NAMES,
  },
  none: {
    styles: { plain: '', dim: '', bold: '1', accent: '1', warn: '1', mark: '1', chosen: '7', self: '1' },
    names: [],
  },
}

/** How many colours names are spread over. */
const NAMES = DARK_NAMES.length

/** The colour of a user: the same one everywhere, and at every start. */
export const styleOfName = (user: string): Style => {
  let sum = 0x811c9dc5 // FNV-1a
  for (const one of user) sum = Math.imul(sum ^ (one.codePointAt(0) ?? 0), 0x01000193) >>> 0
  return `name-${sum % NAMES}`
}

/** One line with the terminal's own codes; every one that it opens it closes. */
export const paint = (row: Row, theme: ThemeName): string => {
  const { styles, names } = PALETTES[theme]
  return row
    .map(({ text: given, style }) => {
      const text = plain(given).replaceAll('\n', ' ') // whatever was forgotten above: nothing of others reaches the terminal as a code
      const code = style.startsWith('name-')
        ? names.length === 0
          ? ''
          : `38;5;${names[Number(style.slice(5))] ?? 7}`
        : styles[style as keyof typeof styles]
      return code === '' || text === '' ? text : `\u001b[${code}m${text}\u001b[0m`
    })
    .join('')
}

export const span = (text: string, style: Style = 'plain'): Span => ({ text, style })
