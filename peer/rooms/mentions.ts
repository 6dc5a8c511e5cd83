import type { UserName } from '../../shared/ids.ts'
import { MENTIONS_MAX } from '../../shared/limits.ts'

/** Whom a text calls by name: `@name` of a user of the network, and `@all` for everybody who reads it. */
export type Mentions = { readonly users: readonly UserName[]; readonly all: boolean }

export const NO_MENTIONS: Mentions = { users: [], all: false }

/** The mentions of a text, each user once. @param known whether there is a user of this name */
export const mentionsOf = (text: string, known: (name: string) => boolean): Mentions => {
  if (!text.includes('@')) return NO_MENTIONS
  const users = new Set<string>()
  let all = false
  for (const [, written = ''] of text.matchAll(MENTION)) {
    const name = nameIn(written.toLowerCase(), (one) => one === ALL || known(one))
    if (name === ALL) all = true
    if (name !== null && known(name) && users.size < MENTIONS_MAX) users.add(name)
  }
  return { users: [...users] as UserName[], all }
}

/** Whether a user is among those whom a text calls. */
export const callsFor = ({ users, all }: Mentions, user: UserName): boolean => all || users.includes(user)

const ALL = 'all'

// Not within a word or an address: `mail@example.org` calls nobody.
const MENTION = /(?<![\p{L}\p{N}._@-])@([a-z0-9._-]{1,64})/giu

/** Names may end in the marks that end sentences: `@anna.` is Anna, unless there is an `anna.`. */
const nameIn = (written: string, known: (name: string) => boolean): string | null => {
  for (let name = written; name !== ''; name = name.slice(0, -1)) {
    if (known(name)) return name
    if (!/[._-]$/.test(name)) return null
  }
  return null
}
