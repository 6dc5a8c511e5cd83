import type { Entry } from './backend.ts'
import { complete } from './completing.ts'
import { type Edit, edit, type Place } from './editor.ts'
import type { Step } from './effects.ts'
import type { Key } from './keys.ts'
import { choose, go, goBeside, goToUnread, intoView, pageOf, readSoFar, scrollBy, scrollPanel, toEnd } from './moves.ts'
import type { Screen } from './screen-state.ts'
import { inOrder } from './side.ts'
import { submit } from './submit.ts'

/** What a key does, by where it is pressed. */
export const press = (screen: Screen, key: Key, now: number): Step => {
  if (key.kind === 'key' && (key.name === 'focus' || key.name === 'blur')) return looked(screen, key.name === 'focus')
  const isLeaving = key.kind === 'key' && key.name === 'ctrl-c'
  const calm = screen.leaving && !isLeaving ? { ...screen, leaving: false } : screen
  if (key.kind !== 'key') return typed(calm, key.text, key.kind === 'paste')
  if (calm.panel !== null) {
    const step = inPanel(calm, key.name)
    if (step !== null) return step
  }
  return (KEYS[key.name] ?? anyOther(key.name))(calm, now)
}

const looked = (screen: Screen, focused: boolean): Step => {
  const [next, effects] = readSoFar({ ...screen, focused })
  return [next, [{ kind: 'present', here: focused }, ...effects]]
}

const typed = (screen: Screen, text: string, isPaste: boolean): Step => {
  const { editor, chosen, panel } = screen
  if (!isPaste && chosen !== null && editor.text === '' && panel === null) {
    const entry = screen.entries.find(({ id }) => id === chosen)
    const step = entry === undefined ? null : onChosen(screen, entry, text)
    if (step !== null) return step
  }
  const next = changed({ ...screen, panel: null }, { kind: 'insert', text })
  const says = next.intent.kind === 'say' && !next.editor.text.startsWith('/')
  return [next, says ? [{ kind: 'typing', room: screen.here }] : []]
}

/** One letter, on the message that is chosen; null: it is text like any other. */
const onChosen = (screen: Screen, to: Entry, letter: string): Step | null => {
  const { content, own, deleted } = to
  switch (letter) {
    case 'r':
      return deleted ? [screen, []] : [{ ...screen, intent: { kind: 'reply', to } }, []]
    case '+':
      return deleted ? [screen, []] : [{ ...screen, intent: { kind: 'react', to } }, []]
    case 'e':
      if (!own || content?.kind !== 'text') return [screen, []]
      return [changed({ ...screen, intent: { kind: 'edit', to } }, { kind: 'set', text: content.text }), []]
    case 'd':
      return own && !deleted ? [{ ...screen, chosen: null }, [{ kind: 'take-back', id: to.id }]] : [screen, []]
    case 'g':
      return content?.kind === 'file' && !own ? [screen, [{ kind: 'fetch', id: to.id }]] : [screen, []]
    default:
      return null
  }
}

/** Every change of the text ends what was offered for the text before it. */
const changed = (screen: Screen, change: Edit): Screen => ({
  ...screen,
  editor: edit(screen.editor, change),
  completion: null,
})

type Pressed = (screen: Screen, now: number) => Step

const change =
  (what: Edit): Pressed =>
  (screen) => [changed(screen, what), []]
const moveTo = (to: Place): Pressed => change({ kind: 'move', to })
const eraseTo = (to: Place): Pressed => change({ kind: 'erase', to })

/** Up and down choose among messages once one is chosen; else they go through lines, and what was written before. */
const upOrDown =
  (by: 1 | -1): Pressed =>
  (screen) =>
    screen.chosen !== null && screen.editor.text === '' && screen.intent.kind === 'say'
      ? choose(screen, by)
      : [changed(screen, { kind: 'move', to: by < 0 ? 'up' : 'down' }), []]

const back: Pressed = (screen) => {
  if (screen.completion !== null) return [{ ...screen, completion: null }, []]
  if (screen.intent.kind !== 'say') {
    const editor = screen.intent.kind === 'edit' ? edit(screen.editor, { kind: 'clear' }) : screen.editor
    return [{ ...screen, intent: { kind: 'say' }, editor }, []]
  }
  if (screen.chosen !== null) return [{ ...screen, chosen: null }, []]
  return toEnd(screen)
}

/** First what is written goes, then whoever means it. */
const interrupt: Pressed = (screen) => {
  const { editor, intent, leaving } = screen
  if (editor.text !== '' || intent.kind !== 'say')
    return [{ ...changed(screen, { kind: 'clear' }), intent: { kind: 'say' }, leaving: false }, []]
  return leaving ? [screen, [{ kind: 'quit' }]] : [{ ...screen, leaving: true }, []]
}

const enter: Pressed = (screen, now) => {
  const entry = screen.chosen === null ? undefined : screen.entries.find(({ id }) => id === screen.chosen)
  if (entry !== undefined && screen.editor.text === '' && screen.intent.kind === 'say')
    return onChosen(screen, entry, 'r') ?? [screen, []]
  return submit(screen, now)
}

const endOrLine: Pressed = (screen) =>
  screen.editor.text === '' ? toEnd(screen) : [changed(screen, { kind: 'move', to: 'line-end' }), []]

const KEYS: Readonly<Record<string, Pressed>> = {
  enter,
  'alt-enter': change({ kind: 'insert', text: '\n' }),
  'shift-enter': change({ kind: 'insert', text: '\n' }),
  'ctrl-j': change({ kind: 'insert', text: '\n' }),
  tab: (screen) => complete(screen, 1),
  'shift-tab': (screen) => complete(screen, -1),
  up: upOrDown(-1),
  down: upOrDown(1),
  'alt-up': (screen) => choose(screen, -1),
  'alt-down': (screen) => choose(screen, 1),
  left: moveTo('left'),
  right: moveTo('right'),
  'ctrl-b': moveTo('left'),
  'alt-left': moveTo('word-left'),
  'ctrl-left': moveTo('word-left'),
  'alt-b': moveTo('word-left'),
  'alt-right': moveTo('word-right'),
  'ctrl-right': moveTo('word-right'),
  'alt-f': moveTo('word-right'),
  'ctrl-a': moveTo('line-start'),
  home: moveTo('line-start'),
  'ctrl-e': moveTo('line-end'),
  end: endOrLine,
  backspace: eraseTo('left'),
  delete: eraseTo('right'),
  'ctrl-w': eraseTo('word-left'),
  'alt-backspace': eraseTo('word-left'),
  'alt-d': eraseTo('word-right'),
  'ctrl-u': eraseTo('line-start'),
  'ctrl-k': eraseTo('line-end'),
  'ctrl-y': change({ kind: 'paste-scrap' }),
  pageup: (screen) => scrollBy(screen, pageOf(screen)),
  pagedown: (screen) => scrollBy(screen, -pageOf(screen)),
  'shift-up': (screen) => scrollBy(screen, 1),
  'shift-down': (screen) => scrollBy(screen, -1),
  'ctrl-n': (screen) => goBeside(screen, 1),
  'ctrl-p': (screen) => goBeside(screen, -1),
  'alt-a': goToUnread,
  'ctrl-f': change({ kind: 'set', text: '/search ' }),
  f1: (screen) => [{ ...screen, panel: { kind: 'help', top: 0 } }, []],
  esc: back,
  'ctrl-c': interrupt,
  'ctrl-d': (screen) =>
    screen.editor.text === '' ? [screen, [{ kind: 'quit' }]] : [changed(screen, { kind: 'erase', to: 'right' }), []],
  'ctrl-l': (screen) => [screen, [{ kind: 'redraw' }]],
}

/** Alt-1 to Alt-9 go to rooms by their place. */
const anyOther =
  (name: string): Pressed =>
  (screen) => {
    const place = /^alt-([1-9])$/.exec(name)?.[1]
    const room = place === undefined ? undefined : inOrder(screen.facts.rooms)[Number(place) - 1]
    return room === undefined ? [screen, []] : go(screen, room.id)
  }

const inPanel = (screen: Screen, name: string): Step | null => {
  const { panel } = screen
  if (panel === null) return null
  const page = panel.kind === 'help' ? pageOf(screen) : Math.max(1, Math.floor(pageOf(screen) / 2))
  const steps: Readonly<Record<string, number>> = { up: -1, down: 1, pageup: -page, pagedown: page }
  const by = steps[name]
  if (by !== undefined) return [scrollPanel(screen, by), []]
  if (name === 'esc' || name === 'f1') return readSoFar({ ...screen, panel: null })
  if (name !== 'enter' || screen.editor.text !== '') return null
  const hit = panel.kind === 'found' ? panel.hits[panel.at] : undefined
  return hit === undefined ? [{ ...screen, panel: null }, []] : toMessage(screen, hit.entry)
}

/** Where a message stands, with what was said around it. */
const toMessage = (screen: Screen, { id, room }: Entry): Step => {
  const isHeld = room === screen.here && screen.entries.some((entry) => entry.id === id)
  if (isHeld) return intoView({ ...screen, panel: null, chosen: id }, { id })
  const [next, effects] = room === screen.here ? ([{ ...screen, panel: null }, []] as Step) : go(screen, room)
  const others = effects.filter(({ kind }) => kind !== 'open')
  return [{ ...next, loading: true }, [...others, { kind: 'around', room, id }]]
}
