import { emojiNamed } from './emoji.ts'

/** What could stand where the cursor is. Tab puts the next one there. */
export type Completion = {
  /** The part of the text that is completed, in UTF-16 code units. */
  readonly from: number
  readonly to: number
  readonly offers: readonly Offer[]
  /** Which of them stands in the text; −1 before the first Tab. */
  readonly chosen: number
}

/** `put` goes into the text; `shown` is what people choose by. */
export type Offer = { readonly put: string; readonly shown: string }

/** What there is to be completed to. */
export type Known = {
  readonly commands: readonly string[]
  readonly users: readonly string[]
  /** As they are written: `#plans`, `@bob`. */
  readonly places: readonly string[]
}

export type Wanted =
  | { readonly kind: 'offers'; readonly completion: Completion }
  /** Files and folders are for somebody else to look up. */
  | { readonly kind: 'paths'; readonly from: number; readonly to: number; readonly start: string }

const OFFERS_MAX = 40
const PATH_COMMANDS = /^\/(?:send|cd)\s+/

/** What the word before the cursor could become; null for nothing. */
export const wantedAt = (text: string, at: number, known: Known): Wanted | null => {
  const before = text.slice(0, at)
  const path = PATH_COMMANDS.exec(before)?.[0].length
  if (path !== undefined) {
    const from = path + lastPath(before.slice(path))
    return { kind: 'paths', from, to: at, start: before.slice(from) }
  }
  const from = /\S*$/.exec(before)?.index ?? at
  const word = before.slice(from)
  const offers = offersFor(word, from === 0, known)
  const emoji = /(?<![\p{L}\p{N}]):[\w+-]{2,}$/u.exec(word)
  if (offers.length > 0) return found(from, at, offers)
  if (emoji === null) return null
  return found(from + emoji.index, at, emojiOffers(emoji[0].slice(1)))
}

/** Where the last of several paths begins; one in quotes may have spaces. */
const lastPath = (text: string): number => /(?:"[^"]*|'[^']*|\S*)$/.exec(text)?.index ?? 0

const found = (from: number, to: number, offers: readonly Offer[]): Wanted | null =>
  offers.length === 0
    ? null
    : { kind: 'offers', completion: { from, to, offers: offers.slice(0, OFFERS_MAX), chosen: -1 } }

const offersFor = (word: string, isFirst: boolean, { commands, users, places }: Known): readonly Offer[] => {
  const after = isFirst && !word.startsWith('/') ? ': ' : ' '
  const start = word.toLowerCase()
  const offer = (names: readonly string[], end = ' '): Offer[] =>
    names.filter((name) => name.toLowerCase().startsWith(start)).map((name) => ({ put: `${name}${end}`, shown: name }))
  if (word.startsWith('/')) return isFirst ? offer(commands) : []
  if (word.startsWith('#')) return offer(places.filter((place) => place.startsWith('#')))
  if (word.startsWith('@')) return offer(['@all', ...users.map((user) => `@${user}`)])
  return word.length === 0 ? [] : offer(users, after)
}

const emojiOffers = (name: string): Offer[] =>
  emojiNamed(name, OFFERS_MAX).map(({ name, emoji }) => ({ put: `${emoji} `, shown: `${emoji} ${name}` }))

/** Paths, as `wantedAt` asked for them, that a folder has. One with spaces is put in quotes. */
export const pathCompletion = (from: number, to: number, paths: readonly string[]): Completion | null => {
  const offers = paths.slice(0, OFFERS_MAX).map((path) => {
    const isFolder = path.endsWith('/')
    const quoted = /\s/.test(path)
    const put = quoted ? `"${path}${isFolder ? '' : '" '}` : `${path}${isFolder ? '' : ' '}`
    return { put, shown: path }
  })
  return offers.length === 0 ? null : { from, to, offers, chosen: -1 }
}

/** The next offer (or the one before) in the place of what stands there: the text, its cursor, and what comes after. */
export const chooseNext = (
  text: string,
  completion: Completion,
  by: 1 | -1,
): { readonly text: string; readonly at: number; readonly completion: Completion } => {
  const { offers, from, to } = completion
  const chosen =
    completion.chosen < 0 && by < 0 ? offers.length - 1 : (completion.chosen + by + offers.length) % offers.length
  const put = offers[chosen]?.put ?? ''
  const at = from + put.length
  return { text: text.slice(0, from) + put + text.slice(to), at, completion: { ...completion, to: at, chosen } }
}
