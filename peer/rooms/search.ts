import { fault } from '../../shared/errors.ts'
import type { RecordHash, RoomId } from '../../shared/ids.ts'
import { SEARCH_HITS_MAX, SLICE_MS, SNIPPET_CHARACTERS } from '../../shared/limits.ts'
import type { Inbox, Message } from './inbox.ts'
import { createSearchIndex, type Indexed, type SearchIndex } from './search-index.ts'
import { fold, parseQuery, type SearchQuery, wordsOf } from './search-query.ts'
import type { Position } from './timeline.ts'

/** A message that was looked for, and the part of its text in which it was found. */
export type SearchHit = { readonly message: Message; readonly snippet: string }

export type SearchOptions = { readonly limit?: number; readonly signal?: AbortSignal }

/** Search over all that can be read here; the index is made in memory when the first question comes, and kept up since. */
export type Search = {
  /**
   * Messages that have all words, newest first. `from:anna` and `in:#room` narrow it; the last word may be a beginning.
   * @throws LanyardError `given-up` when it was aborted
   */
  find(text: string, options?: SearchOptions): Promise<SearchHit[]>
  /** A message can be read, was edited, or is gone. */
  changed(id: RecordHash): void
  /** More has changed than can be told one by one: the next question makes the index anew. */
  forget(): void
  stop(): void
}

export type SearchParts = {
  readonly rooms: () => readonly RoomId[]
  /** Rooms of a name, folded: of `#general`, `general`. */
  readonly roomsNamed: (name: string) => readonly RoomId[]
  readonly older: Inbox['older']
  readonly get: Inbox['get']
  readonly positionOf: (id: RecordHash) => Position | null
}

const LIMIT = 50 // hits in an answer, unless more are asked for
const PAGE = 10 // messages opened in one go: 1 ms

export const createSearch = (parts: SearchParts): Search => {
  let built: { readonly index: SearchIndex; readonly ready: Promise<void> } | null = null
  let stopped = false

  const put = (index: SearchIndex, message: Message, at: Position): void => {
    const { room, user, content } = message
    if (content === null) index.remove(message.id)
    else index.put({ ...at, room, user }, wordsOf(content.kind === 'text' ? content.text : content.name))
  }
  const build = async (index: SearchIndex): Promise<void> => {
    const turns = createTurns()
    for (const room of parts.rooms()) {
      let page = parts.older(room, null, PAGE)
      while (page.length > 0) {
        for (const { message, ...at } of page) if (message !== null) put(index, message, at)
        await turns.next()
        if (stopped || built?.index !== index) return // nobody waits for it any more, or for another one
        page = parts.older(room, page.at(-1) ?? null, PAGE)
      }
    }
  }
  const current = () => {
    if (built !== null && !built.index.isWorn()) return built
    const index = createSearchIndex()
    built = { index, ready: build(index) }
    return built
  }

  return {
    find: async (text, { limit = LIMIT, signal } = {}) => {
      const query = parseQuery(text)
      if (query.words.length + query.from.length + query.in.length === 0) return []
      const { index, ready } = current()
      await (signal === undefined ? ready : Promise.race([ready, isAborted(signal)]))
      const rooms = new Set(query.in.flatMap(parts.roomsNamed))
      const fits = ({ room, user }: Indexed): boolean =>
        (query.in.length === 0 || rooms.has(room)) && (query.from.length === 0 || query.from.includes(user))
      const wanted = { words: query.words, open: query.open, fits }
      const found = await runInTurns(index.find(wanted, Math.min(limit, SEARCH_HITS_MAX)), signal)
      // What is hidden or past its time since, the index need not know.
      return found.flatMap(({ hash }) => hitOf(parts.get(hash), query) ?? [])
    },
    changed: (id) => {
      if (built === null) return
      const message = parts.get(id)
      const at = message === null ? null : parts.positionOf(id)
      if (message === null || at === null) built.index.remove(id)
      else put(built.index, message, at)
    },
    forget: () => {
      built = null
    },
    stop: () => {
      stopped = true
    },
  }
}

const hitOf = (message: Message | null, query: SearchQuery): SearchHit | null => {
  if (message === null || message.content === null) return null
  const { content } = message
  return { message, snippet: snippetOf(content.kind === 'text' ? content.text : content.name, query) }
}

/** What stands around the first word that was looked for. */
export const snippetOf = (text: string, { words }: Pick<SearchQuery, 'words'>): string => {
  if (text.length <= SNIPPET_CHARACTERS) return text
  let at = 0
  for (const { 0: token, index } of text.matchAll(/\S+/gu)) {
    const folded = fold(token)
    if (!words.some((word) => folded.includes(word))) continue
    at = Math.max(0, index - SNIPPET_CHARACTERS / 4)
    break
  }
  const end = at + SNIPPET_CHARACTERS
  const part = text.slice(at, end).replace(/^[\uDC00-\uDFFF]|[\uD800-\uDBFF]$/g, '')
  return `${at > 0 ? '…' : ''}${part.trim()}${end < text.length ? '…' : ''}`
}

/** Gives other work its turn whenever a slice of ours is over. */
const createTurns = () => {
  let until = performance.now() + SLICE_MS
  return {
    next: async (): Promise<void> => {
      if (performance.now() < until) return
      await new Promise((resolve) => setImmediate(resolve))
      until = performance.now() + SLICE_MS
    },
  }
}

const runInTurns = async <T>(steps: Generator<void, T>, signal: AbortSignal | undefined): Promise<T> => {
  const turns = createTurns()
  for (;;) {
    if (signal?.aborted === true) throw fault('given-up', 'the search')
    const step = steps.next()
    if (step.done === true) return step.value
    await turns.next()
  }
}

const isAborted = (signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) resolve()
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })
