import { plain } from '../terminal/lines.ts'
import type { Entry, Facts, News } from './backend.ts'
import { offered } from './completing.ts'
import { pathCompletion } from './completion.ts'
import { type Editor, edit } from './editor.ts'
import type { Effect, ScreenEvent, Step } from './effects.ts'
import { joined, withEntry } from './items.ts'
import { go, intoView, isFollowing, readSoFar, scrollBy, trimmed, withMore, withNotice } from './moves.ts'
import { press } from './press.ts'
import type { Screen } from './screen-state.ts'
import { visibleKeys } from './window.ts'

/** What an event makes of the screen. Nothing else changes it; all that is to be done outside is told as effects. */
export const update = (screen: Screen, event: ScreenEvent, now: number): Step => {
  switch (event.kind) {
    case 'key':
      return press(screen, event.key, now)
    case 'size':
      return scrollBy({ ...screen, size: { columns: event.columns, rows: event.rows } }, 0)
    case 'news':
      return heard(screen, event.news, now)
    case 'facts':
      return withFacts(screen, event.facts, now)
    case 'go':
      return go(screen, event.room)
    case 'told':
      return [withNotice(screen, { ...event, room: screen.here }, now), []]
    case 'refused':
      return [
        withNotice(
          { ...screen, editor: givenBack(screen.editor, event.draft) },
          { ...event, tone: 'warn', room: screen.here },
          now,
        ),
        [],
      ]
    case 'found':
      return [{ ...screen, panel: { kind: 'found', words: event.words, hits: event.hits, at: 0 } }, []]
    case 'paths': {
      const completion = screen.editor.text === event.text ? pathCompletion(event.from, event.to, event.paths) : null
      return [completion === null ? screen : offered({ ...screen, completion }, 1), []]
    }
    case 'opened': {
      if (event.room !== screen.here) return [screen, []]
      const { entries, atStart, atEnd, firstUnread, draft, transfers } = event.opened
      return readSoFar({
        ...screen,
        entries,
        atStart,
        atEnd,
        firstUnread,
        editor: givenBack(screen.editor, draft),
        // What has moved since knows better.
        transfers: new Map([...transfers.map((one) => [one.id, one] as const), ...screen.transfers]),
        loading: false,
        scroll: null,
        missed: 0,
      })
    }
    case 'more':
      return event.room === screen.here ? [withMore(screen, event.side, event.piece), []] : [screen, []]
    case 'again':
      if (event.room !== screen.here || !screen.atEnd) return [screen, []]
      return readSoFar({ ...screen, entries: joined(screen.entries, event.piece.entries) })
    case 'around': {
      const { room, id, piece } = event
      if (room !== screen.here) return [screen, []]
      return intoView({ ...screen, ...piece, loading: false, missed: 0, chosen: id, firstUnread: null }, { id })
    }
  }
}

/** What was not taken, or was left behind here, is given back, unless something else is being written by now. */
const givenBack = (editor: Editor, text: string): Editor =>
  editor.text === '' && text !== '' ? edit(editor, { kind: 'set', text }) : editor

const heard = (screen: Screen, news: News, now: number): Step => {
  switch (news.kind) {
    case 'message':
      return withMessage(screen, news.entry, now)
    case 'updated':
      return [replaced(screen, news.entry), []]
    case 'erased': {
      const gone = new Set(news.ids)
      const entries = screen.entries.filter(({ id }) => !gone.has(id))
      return news.room === screen.here ? [{ ...screen, entries }, []] : [screen, []]
    }
    case 'spread': {
      if (news.room !== screen.here) return [screen, []]
      const shown = visibleKeys(screen)
      const ids = screen.entries.filter(({ id, own }) => own && shown.has(id)).map(({ id }) => id)
      return [screen, ids.length === 0 ? [] : [{ kind: 'look', ids }]]
    }
    case 'changed':
      return [screen, [{ kind: 'facts' }]]
    case 'gap':
      return [{ ...screen, loading: true }, [{ kind: 'open', room: screen.here }]]
    case 'ended':
      return [screen, [{ kind: 'quit' }]]
    case 'typing': {
      if (news.room !== screen.here) return [screen, []]
      const still = [...screen.typing].filter(([, until]) => until > now)
      return [{ ...screen, typing: new Map([...still, [news.user, news.until]]) }, []]
    }
    case 'file': {
      const { transfer } = news
      // What is hashed has no message yet: it shows among the notices when it is done.
      if (transfer.id === '') return [screen, []]
      return [{ ...screen, transfers: new Map(screen.transfers).set(transfer.id, transfer) }, []]
    }
    case 'notice':
      return [withNotice(screen, news, now), []]
  }
}

const replaced = (screen: Screen, entry: Entry): Screen => {
  const at = screen.entries.findIndex(({ id }) => id === entry.id)
  const quoting = screen.entries.some(({ reply }) => reply === entry.id)
  if (at < 0 && !quoting) return screen
  const quote = entry.content?.kind === 'text' ? { user: entry.user, text: entry.content.text } : null
  const entries = screen.entries.map((one) =>
    one.id === entry.id ? entry : one.reply === entry.id && quote !== null ? { ...one, quote } : one,
  )
  return { ...screen, entries }
}

const withMessage = (screen: Screen, entry: Entry, now: number): Step => {
  const isStranger = !screen.facts.people.some(({ user }) => user === entry.user)
  const calls: readonly Effect[] = [...callsOf(screen, entry), ...(isStranger ? [{ kind: 'facts' } as const] : [])]
  if (entry.room !== screen.here) return [screen, calls]
  const typing = new Map([...screen.typing].filter(([user, until]) => user !== entry.user && until > now))
  const isNew = !entry.own && !isFollowing(screen)
  const missed = screen.missed + (isNew ? 1 : 0)
  if (!screen.atEnd) return [{ ...screen, typing, missed }, calls]
  const last = screen.entries.at(-1)
  const entries = withEntry(screen.entries, entry)
  const [next, effects] = readSoFar(trimmed({ ...screen, typing, missed, entries }))
  // Of two of one millisecond the room's own order decides, which is not known here.
  const isCertain = last === undefined || entry.time > last.time
  return [next, [...calls, ...effects, ...(isCertain ? [] : [{ kind: 'again', room: entry.room } as const])]]
}

/** Noise, for who is called by name or written to alone, and does not look at it; a muted room makes none. */
const callsOf = ({ facts, here, focused, bell, notify }: Screen, entry: Entry): readonly Effect[] => {
  const room = facts.rooms.find(({ id }) => id === entry.room)
  if (entry.own || room === undefined || room.muted || (entry.room === here && focused)) return []
  if (!room.label.startsWith('@') && !entry.mentions.all && !entry.mentions.users.includes(facts.user)) return []
  const said = entry.content?.kind === 'text' ? entry.content.text : (entry.content?.name ?? '')
  const text = `${entry.user}${room.label.startsWith('@') ? '' : ` in ${room.label}`}: ${said}`
  return [
    ...(bell ? [{ kind: 'bell' } as const] : []),
    ...(notify ? [{ kind: 'notify', text: plain(text).replaceAll('\n', ' ') } as const] : []),
  ]
}

/** Who has come into the network, and who was put out of it, is told once it is known. */
const withFacts = (screen: Screen, facts: Facts, now: number): Step => {
  const before = new Map(screen.facts.people.map((person) => [person.user, person]))
  let next: Screen = { ...screen, facts }
  const come = facts.people
    .filter(({ user, self, revoked }) => !before.has(user) && !self && !revoked)
    .map(({ user }) => user)
  if (come.length > 0) next = withNotice(next, { text: comeWords(come), tone: 'calm' }, now)
  for (const { user, revoked } of facts.people) {
    if (revoked && before.get(user)?.revoked === false)
      next = withNotice(
        next,
        { text: `${user} was revoked: nothing goes to or comes from that certificate any more`, tone: 'warn' },
        now,
      )
  }
  if (facts.rooms.some(({ id }) => id === screen.here)) return [next, []]
  const home = facts.rooms.find(({ members }) => members === null)
  return home === undefined ? [next, []] : go(next, home.id)
}

const COME_NAMED = 3 // of more than that, as when a device first learns of everybody, the number says enough

const comeWords = (users: readonly string[]): string => {
  if (users.length > COME_NAMED) return `${users.length} more people are in the network`
  return `${users.join(' and ')} ${users.length === 1 ? 'has' : 'have'} joined the network`
}
