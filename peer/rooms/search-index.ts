import type { RecordHash, RoomId, UserName } from '../../shared/ids.ts'
import { comparePositions, type Position } from './timeline.ts'

/** A message as the index knows it. */
export type Indexed = Position & { readonly room: RoomId; readonly user: UserName }

/** What a message must have to be found. */
export type Wanted = {
  /** All of these … */
  readonly words: readonly string[]
  /** … the last of which may go on. */
  readonly open: boolean
  readonly fits: (message: Indexed) => boolean
}

/** Which words are in which messages, in memory: no text is kept, and nothing is written anywhere. */
export type SearchIndex = {
  /** Takes the place of what it knew of the same message. */
  put(message: Indexed, words: readonly string[]): void
  remove(id: RecordHash): void
  /** The newest that fit, newest first, in steps: between two of them other work may have its turn. */
  find(wanted: Wanted, limit: number): Generator<void, readonly Indexed[]>
  /** Messages that can be found. */
  size(): number
  /** Whether more than half of it is about messages that are gone: time to build it anew. */
  isWorn(): boolean
}

const STEPS = 4_096 // postings looked at between two pauses: 0.1 ms
const WORN_MIN = 1_000 // messages gone before it is worth a thought
const WORDS_MAX = 100 // of one question

export const createSearchIndex = (): SearchIndex => {
  /** By number; null: gone. Numbers are not given again. */
  const messages: (Indexed | null)[] = []
  const numbers = new Map<RecordHash, number>()
  const postings = new Map<string, number[]>()
  /** All words by their first two characters, to find those that go on from a beginning. */
  const beginnings = new Map<string, string[]>()

  const post = (word: string, number: number): void => {
    const known = postings.get(word)
    if (known !== undefined) {
      if (known.at(-1) !== number) known.push(number)
      return
    }
    postings.set(word, [number])
    const beginning = word.slice(0, 2)
    const words = beginnings.get(beginning)
    if (words === undefined) beginnings.set(beginning, [word])
    else words.push(word)
  }
  const remove = (id: RecordHash): void => {
    const number = numbers.get(id)
    if (number === undefined) return
    numbers.delete(id)
    messages[number] = null
  }
  function* goingOn(word: string): Generator<string> {
    for (const [beginning, words] of beginnings) {
      if (!beginning.startsWith(word.slice(0, 2))) continue
      for (const one of words) if (one.startsWith(word)) yield one
    }
  }

  /** Marks the messages that have the first `n` words with `n`. */
  function* marked({ words, open }: Wanted): Generator<void, Uint8Array> {
    const marks = new Uint8Array(messages.length)
    let steps = 0
    for (const [at, word] of words.slice(0, WORDS_MAX).entries()) {
      const same = open && at === words.length - 1 ? goingOn(word) : [word]
      for (const one of same) {
        for (const number of postings.get(one) ?? []) {
          if (marks[number] === at) marks[number] = at + 1
          if (++steps % STEPS === 0) yield
        }
      }
    }
    return marks
  }

  return {
    put: (message, words) => {
      remove(message.hash)
      const number = messages.push(message) - 1
      numbers.set(message.hash, number)
      for (const word of words) post(word, number)
    },
    remove,
    find: function* (wanted, limit) {
      const marks = yield* marked(wanted)
      const all = Math.min(wanted.words.length, WORDS_MAX)
      const found: Indexed[] = []
      // Those that came last are mostly the newest: few that follow find a place.
      for (let number = marks.length - 1; number >= 0; number--) {
        if (number % STEPS === 0) yield
        const message = messages[number]
        if (message == null || marks[number] !== all || !wanted.fits(message)) continue
        insert(found, message, limit)
      }
      return found
    },
    size: () => numbers.size,
    isWorn: () => messages.length - numbers.size > Math.max(WORN_MIN, numbers.size),
  }
}

/** Keeps `found` sorted, newest first, and no longer than `limit`. */
const insert = (found: Indexed[], message: Indexed, limit: number): void => {
  const last = found[limit - 1]
  if (last !== undefined && comparePositions(message, last) < 0) return
  let [low, high] = [0, found.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const other = found[middle]
    if (other !== undefined && comparePositions(other, message) > 0) low = middle + 1
    else high = middle
  }
  found.splice(low, 0, message)
  if (found.length > limit) found.pop()
}
