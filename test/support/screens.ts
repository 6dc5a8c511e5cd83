import type { Entry, Facts, ScreenRoom } from '../../peer/screen/backend.ts'
import type { Effect, ScreenEvent } from '../../peer/screen/effects.ts'
import { readKeys } from '../../peer/screen/keys.ts'
import { type Screen, startScreen } from '../../peer/screen/screen-state.ts'
import { update } from '../../peer/screen/update.ts'
import { frameOf } from '../../peer/screen/view.ts'

export const NOON = Date.parse('2026-05-04T12:00:00Z')

const room = (id: string, label: string, more: Partial<ScreenRoom> = {}): ScreenRoom => ({
  id,
  label,
  topic: '',
  members: null,
  unread: 0,
  mentions: 0,
  muted: false,
  ...more,
})

export const FACTS: Facts = {
  user: 'alice',
  network: 'Home',
  rooms: [
    room('general', '#general'),
    room('plans', '#plans', { topic: 'What we build next', members: ['alice', 'bob'], unread: 3 }),
    room('bob', '@bob', { members: ['alice', 'bob'] }),
  ],
  people: ['alice', 'bob', 'carol'].map((user) => ({
    user,
    self: user === 'alice',
    here: user !== 'carol',
    away: false,
    revoked: false,
  })),
  devices: 1,
  caSeen: NOON - 120_000,
  list: { number: 3, made: NOON - 3_600_000, stale: false },
  certificateUntil: NOON + 14 * 86_400_000,
}

let count = 0
/** A message of bob in #general, a minute after the one before, unless told otherwise. */
export const entry = (text: string, more: Partial<Entry> = {}): Entry => {
  count += 1
  return {
    id: `${String(count).padStart(8, '0')}${'e'.repeat(56)}`,
    room: 'general',
    user: 'bob',
    time: NOON - 86_400_000 + count * 60_000,
    own: false,
    content: { kind: 'text', text },
    reply: null,
    quote: null,
    edited: false,
    deleted: false,
    reactions: [],
    mentions: { users: [], all: false },
    state: null,
    ...more,
  }
}

export const own = (text: string, more: Partial<Entry> = {}): Entry =>
  entry(text, { user: 'alice', own: true, state: { devices: 0, readBy: [] }, ...more })

/** A screen that is played: what is typed goes in, and what it wants done is noted. */
export const playScreen = (
  entries: readonly Entry[] = [],
  { columns = 80, rows = 24, atStart = true }: { columns?: number; rows?: number; atStart?: boolean } = {},
) => {
  let screen: Screen = startScreen({
    size: { columns, rows },
    facts: FACTS,
    here: 'general',
    commands: ['/help', '/join', '/leave', '/send', '/search', '/quit', '/users'],
    help: ['/users   who is there'],
  })
  const wanted: Effect[] = []
  const happens = (event: ScreenEvent, now = NOON): void => {
    const [next, effects] = update(screen, event, now)
    screen = next
    wanted.push(...effects)
  }
  happens({
    kind: 'opened',
    room: 'general',
    opened: { entries, atStart, atEnd: true, draft: '', firstUnread: null, transfers: [] },
  })
  wanted.length = 0
  return {
    get screen() {
      return screen
    },
    happens,
    /** As it comes from a terminal. */
    type: (input: string) => {
      for (const key of readKeys(input).keys) happens({ kind: 'key', key })
    },
    /** A key by its name. */
    press: (...names: readonly string[]) => {
      for (const name of names) happens({ kind: 'key', key: { kind: 'key', name } })
    },
    /** What has been wanted since this was last asked. */
    wanted: (): readonly Effect[] => wanted.splice(0),
    /** The lines of the screen, without colours. */
    lines: (now = NOON): readonly string[] => linesOf(screen, now),
    text: (now = NOON): string => linesOf(screen, now).join('\n'),
  }
}

const linesOf = (screen: Screen, now: number): readonly string[] =>
  frameOf(screen, now).rows.map((row) =>
    row
      .map(({ text }) => text)
      .join('')
      .trimEnd(),
  )
