import { SEARCH_WORD_MAX } from '../../shared/limits.ts'

/** What is looked for: all of the words, the last of which may be only the beginning of one. */
export type SearchQuery = {
  readonly words: readonly string[]
  /** Whether the last word may go on. */
  readonly open: boolean
  /** User names of `from:`; any of them will do. */
  readonly from: readonly string[]
  /** Names of rooms of `in:`, without their mark; any of them will do. */
  readonly in: readonly string[]
}

/** Reads `words from:user in:#room`, in any order; a word that ends in a space is whole. */
export const parseQuery = (text: string): SearchQuery => {
  const from: string[] = []
  const rooms: string[] = []
  const rest = text.replace(FILTER, (_, name: string, value: string) => {
    if (name.toLowerCase() === 'from') from.push(value.replace(/^@/, '').toLowerCase())
    else rooms.push(value.replace(/^[#@]/, '').toLowerCase())
    return ' '
  })
  const words = wordsOf(rest)
  return { words, open: /[\p{L}\p{N}\p{M}]$/u.test(rest.trimStart()), from, in: rooms }
}

const FILTER = /(?<=^|\s)(from|in):(\S+)/giu

/** The words of a text, folded: `Café` and `cafe` are one (NFKC, lower case, without diacritics; UAX #15). */
export const wordsOf = (text: string): string[] =>
  [...fold(text).matchAll(WORD)].map(([word]) => word.slice(0, SEARCH_WORD_MAX))

/** Lower case, compatibility forms resolved, marks taken off. */
export const fold = (text: string): string =>
  ASCII.test(text) ? text.toLowerCase() : text.normalize('NFKC').toLowerCase().normalize('NFD').replace(MARKS, '')

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is what these are
const ASCII = /^[\x00-\x7f]*$/
const MARKS = /\p{M}/gu
// Scripts that write no spaces have each sign as a word; a search for several of them finds messages that have them all.
const CHARACTER_WORDS = '\\p{Script=Han}|\\p{Script=Hiragana}+|\\p{Script=Katakana}+'
const WORD = new RegExp(`${CHARACTER_WORDS}|(?:(?!${CHARACTER_WORDS})[\\p{L}\\p{N}])+`, 'gu')
