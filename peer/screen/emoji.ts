import { get, search } from 'node-emoji'

// The names that people know from elsewhere, as `:smile:`. The one door to node-emoji.

export type NamedEmoji = { readonly name: string; readonly emoji: string }

/** Emoji whose names begin with this, or else have it in them; the shortest names first. */
export const emojiNamed = (start: string, limit: number): readonly NamedEmoji[] => {
  const wanted = start.toLowerCase()
  const literal = wanted.replace(/[^\w+-]/g, '').replaceAll('+', '\\+') // it is taken as a regular expression
  return [...search(new RegExp(literal)), ...aliasesNamed(wanted)]
    .toSorted(
      (a, b) =>
        Number(b.name.startsWith(wanted)) - Number(a.name.startsWith(wanted)) ||
        a.name.length - b.name.length ||
        (a.name < b.name ? -1 : 1),
    )
    .slice(0, limit)
}

/** What others call some of them. */
const ALIASES: readonly NamedEmoji[] = [
  { name: 'thumbsup', emoji: '👍' },
  { name: 'thumbsdown', emoji: '👎' },
]
const aliasesNamed = (start: string): readonly NamedEmoji[] => ALIASES.filter(({ name }) => name.startsWith(start))
const named = (name: string): string | undefined => get(name) ?? ALIASES.find((one) => one.name === name)?.emoji

/** `:smile:` within a text becomes what it names; an unknown name stays, and so does what is in `code`. */
export const withEmoji = (text: string): string =>
  text.replace(/`[^`]*`|:([\w+-]+):/g, (whole, name: string | undefined) =>
    name === undefined ? whole : (named(name) ?? whole),
  )

/** Whether a text is one emoji, and nothing else. */
export const isEmoji = (text: string): boolean =>
  /^\p{RGI_Emoji}\u{fe0f}?$/v.test(text) || /^\p{Extended_Pictographic}$/v.test(text)
