import stringWidth from 'string-width'

// Columns of a terminal, not characters: an ideograph or an emoji takes two, a combining mark none. The one door to string-width.

const segmenter = new Intl.Segmenter()
const ASCII = /^[\x20-\x7e]*$/

/** What people take for one character: a letter with its marks, a flag, a family. */
export const graphemes = (text: string): readonly string[] =>
  ASCII.test(text) ? [...text] : Array.from(segmenter.segment(text), ({ segment }) => segment)

/** Columns that a text of one line takes. */
export const widthOf = (text: string): number => (ASCII.test(text) ? text.length : stringWidth(text))

/** At most so many columns, with a mark where something is left out. */
export const cut = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  if (columns <= 1) return columns === 1 ? '…' : ''
  return `${fitting(text, columns - 1)}…`
}

/** Exactly so many columns. */
export const fill = (text: string, columns: number): string => {
  const short = cut(text, columns)
  return short + ' '.repeat(Math.max(0, columns - widthOf(short)))
}

/** As `fill`, from the left. */
export const fillLeft = (text: string, columns: number): string => {
  const short = cut(text, columns)
  return ' '.repeat(Math.max(0, columns - widthOf(short))) + short
}

/** The lines of a text in a column of so many columns: broken between words, and within one that is longer than a line. */
export const wrap = (text: string, columns: number): readonly string[] =>
  text.split('\n').flatMap((line) => wrapLine(line, Math.max(1, columns)))

const wrapLine = (line: string, columns: number): readonly string[] => {
  if (widthOf(line) <= columns) return [line]
  const lines: string[] = []
  let current = ''
  let used = 0
  for (const word of line.match(/\s+|\S+/gu) ?? []) {
    const width = widthOf(word)
    if (used + width <= columns) {
      current += word
      used += width
      continue
    }
    if (word.trim() === '') {
      // The space at which a line breaks stands on neither.
      lines.push(current)
      current = ''
      used = 0
      continue
    }
    if (used > 0) lines.push(current.trimEnd())
    const pieces = width <= columns ? [word] : hardWrap(word, columns)
    lines.push(...pieces.slice(0, -1))
    current = pieces.at(-1) ?? ''
    used = widthOf(current)
  }
  if (current !== '' || lines.length === 0) lines.push(current)
  return lines
}

/** Broken wherever a line is full. */
export const hardWrap = (text: string, columns: number): readonly string[] => {
  const lines: string[] = []
  let current = ''
  let used = 0
  for (const one of graphemes(text)) {
    const width = widthOf(one)
    if (used + width > columns && used > 0) {
      lines.push(current)
      current = ''
      used = 0
    }
    current += one
    used += width
  }
  lines.push(current)
  return lines
}

const fitting = (text: string, columns: number): string => {
  let taken = ''
  let used = 0
  for (const one of graphemes(text)) {
    used += widthOf(one)
    if (used > columns) break
    taken += one
  }
  return taken
}
