import { get, search } from 'node-emoji'

// The names that people know from elsewhere, as `:smile:`. The one door to node-emoji.

export type NamedEmoji = { readonly name: string; readonly emoji: string }

/** Emoji whose names begin with this, or else have it in them; the shortest names first. */
export const emojiNamed = (start: string, limit: number): readonly NamedEmoji[] => {
  const wanted = start.toLowerCase()
  return search(wanted.replace(/[^\p{L}\p{N}_+-]/gu, ''))
    .toSorted(
      (a, b) =>
        Number(b.name.startsWith(wanted)) - Number(a.name.startsWith(wanted)) ||
        a.name.length - b.name.length ||
        (a.name < b.name ? -1 : 1),
    )
    .slice(0, limit)
}

/** `:smile:` within a text becomes what it names; an unknown name stays, and so does what is in `code`. */
export const withEmoji = (text: string): string =>
  text.replace(/`[^`]*`|:([\w+-]+):/g, (whole, name: string | undefined) =>
    name === undefined ? whole : (get(name) ?? whole),
  )
