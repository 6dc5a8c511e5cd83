import { stripVTControlCharacters } from 'node:util'

/** How a long text is parted. */
export type PasteOptions = {
  /** As a block of code, which every part is by itself. */
  readonly code: boolean
  /** Of UTF-8, a part. */
  readonly maxBytes: number
}

/**
 * What a program printed, as messages: without its colours, parted at the ends of lines. A line that is longer than a message
 * is parted where it must be, never within a character.
 */
export const partsOf = (printed: string, { code, maxBytes }: PasteOptions): readonly string[] => {
  const text = stripVTControlCharacters(printed)
    .replace(/\r\n?/g, '\n')
    .replace(/^\n+|\s+$/g, '')
  if (text === '') return []
  const fence = '`'.repeat(Math.max(3, longestRun(text) + 1)) // CommonMark §4.5: longer than any within
  const room = maxBytes - (code ? 2 * fence.length + 2 : 0)
  const parts: string[] = []
  let part = ''
  for (const line of text.split('\n').flatMap((one) => pieces(one, room))) {
    const longer = part === '' ? line : `${part}\n${line}`
    if (part !== '' && bytes(longer) > room) {
      parts.push(part)
      part = line
    } else {
      part = longer
    }
  }
  parts.push(part)
  return parts.map((one) => (code ? `${fence}\n${one}\n${fence}` : one)).filter((one) => one.trim() !== '')
}

const bytes = (text: string): number => Buffer.byteLength(text)
const longestRun = (text: string): number => Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))

const pieces = (line: string, room: number): readonly string[] => {
  if (bytes(line) <= room) return [line]
  const found: string[] = []
  let piece: string[] = []
  let size = 0
  for (const character of line) {
    const more = bytes(character)
    if (size + more > room) {
      found.push(piece.join(''))
      piece = []
      size = 0
    }
    piece.push(character)
    size += more
  }
  return [...found, piece.join('')]
}
