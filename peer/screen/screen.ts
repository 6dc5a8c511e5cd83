import type { Clock } from '../../shared/clock.ts'
import { fault } from '../../shared/errors.ts'
import { MINUTE_MS } from '../../shared/limits.ts'
import type { Backend } from './backend.ts'
import { createDeeds } from './deeds.ts'
import type { ScreenEvent } from './effects.ts'
import { openCanvas, type Painted } from './ink.ts'
import { ESCAPE_MS, KEYS_OFF, KEYS_ON, readKeys, readRest } from './keys.ts'
import { BELL, notification, type TerminalEnvironment } from './notify.ts'
import { type Screen, startScreen } from './screen-state.ts'
import { SCREEN_COMMANDS, SCREEN_HELP } from './submit.ts'
import { DEFAULT_THEME, isTheme, paint, type ThemeName } from './theme.ts'
import { update } from './update.ts'
import { frameOf } from './view.ts'

export type ScreenParts = {
  readonly backend: Backend
  readonly clock: Clock
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
  readonly environment: TerminalEnvironment
}

const CALM_FRAME_MS = 100 // what comes from others is drawn ten times a second at most; a key at once

/** The screen, in the whole terminal; resolves when the user leaves. @throws LanyardError when the device can't be asked */
export const runScreen = async ({ backend, clock, input, output, environment }: ScreenParts): Promise<void> => {
  const left = Promise.withResolvers<void>()
  const facts = await backend.facts()
  let screen: Screen = startScreen({
    size: sizeOf(output),
    facts,
    here: backend.general,
    commands: [...new Set([...backend.commands, ...SCREEN_COMMANDS])].sort(),
    help: `${backend.help}\n${SCREEN_HELP}`.split('\n'),
    theme: themeOf(environment),
    bell: environment.LANYARD_BELL === '1',
  })
  const painted = (): Painted => {
    const { rows, cursor } = frameOf(screen, clock.now())
    return { lines: rows.map((row) => paint(row, screen.theme)), cursor }
  }
  const canvas = openCanvas(painted(), input, output)
  const drawing = createDrawing(() => {
    canvas.show(painted())
    // Who writes is shown for a while, and then no more.
    const now = clock.now()
    const until = Math.min(...screen.typing.values())
    if (until > now && until < now + MINUTE_MS) drawing.later(until - now + 1)
  })
  const deeds = createDeeds({
    backend,
    send: (event) => send(event),
    here: () => screen.here,
    bell: () => output.write(BELL),
    notify: (text) => output.write(notification(text, environment)),
    redraw: () => canvas.redraw(painted()),
    quit: left.resolve,
  })
  const send = (event: ScreenEvent): void => {
    try {
      const [next, effects] = update(screen, event, clock.now())
      if (next !== screen) drawing.ask(event.kind !== 'news' && event.kind !== 'facts')
      screen = next
      for (const effect of effects) deeds.perform(effect)
    } catch (error) {
      left.reject(error) // a fault of ours ends the screen, and leaves a terminal that can be used
    }
  }

  const endNews = backend.on((news) => {
    if (news.kind === 'ended') left.reject(fault('api-not-running', 'it has stopped'))
    send({ kind: 'news', news })
  })
  const endKeys = listen(input, output, send)
  const resized = (): void => send({ kind: 'size', ...sizeOf(output) })
  output.on('resize', resized)
  // Ages in the status line; and whom this device has learnt of without meeting them.
  const minutes = setInterval(() => deeds.perform({ kind: 'facts' }), MINUTE_MS / 2)
  try {
    if (facts.list.stale)
      send({
        kind: 'told',
        text: 'The revocation list is stale: who was revoked lately is not known here.',
        tone: 'warn',
      })
    deeds.perform({ kind: 'open', room: screen.here })
    deeds.perform({ kind: 'present', here: true })
    await left.promise
    const { here, editor, intent } = screen
    const text = intent.kind === 'say' && !editor.text.startsWith('/') ? editor.text : ''
    await backend.setDraft(here, text).catch(() => undefined)
  } finally {
    clearInterval(minutes)
    output.off('resize', resized)
    endNews()
    deeds.stop()
    drawing.stop()
    endKeys()
    await canvas.close()
  }
}

const sizeOf = ({ columns, rows }: NodeJS.WriteStream) => ({ columns: columns || 80, rows: rows || 24 })

/** NO_COLOR (no-color.org) is obeyed whatever it is set to. */
const themeOf = ({ NO_COLOR, LANYARD_THEME, TERM }: TerminalEnvironment): ThemeName => {
  if ((NO_COLOR !== undefined && NO_COLOR !== '') || TERM === 'dumb') return 'none'
  return LANYARD_THEME !== undefined && isTheme(LANYARD_THEME) ? LANYARD_THEME : DEFAULT_THEME
}

/** Hands on each key as it comes. @returns a function that gives the keyboard back */
const listen = (input: NodeJS.ReadStream, output: NodeJS.WriteStream, send: (event: ScreenEvent) => void) => {
  let rest = ''
  let timer: NodeJS.Timeout | undefined
  const came = (data: string): void => {
    clearTimeout(timer)
    const read = readKeys(rest + data)
    rest = read.rest
    for (const key of read.keys) send({ kind: 'key', key })
    // A paste may take its time; an Escape alone is Escape.
    if (rest !== '' && !rest.startsWith(PASTE)) timer = setTimeout(flush, ESCAPE_MS)
  }
  const flush = (): void => {
    const keys = readRest(rest)
    rest = ''
    for (const key of keys) send({ kind: 'key', key })
  }
  const restore = (): void => {
    output.write(KEYS_OFF)
    if (input.isTTY) input.setRawMode(false)
  }
  output.write(KEYS_ON)
  input.setRawMode(true)
  input.setEncoding('utf8')
  input.on('data', came)
  input.resume() // whoever asked for the passphrase has paused it
  process.once('exit', restore) // also when a signal ends the program
  return () => {
    clearTimeout(timer)
    input.off('data', came)
    input.pause()
    process.off('exit', restore)
    restore()
  }
}

const PASTE = '\u001b[200~'

/** Draws soon, and once for all that has changed until then. */
const createDrawing = (draw: () => void) => {
  let last = Number.NEGATIVE_INFINITY
  let timer: NodeJS.Timeout | null = null
  let immediate: NodeJS.Immediate | null = null
  let extra: NodeJS.Timeout | null = null
  const now = (): void => {
    if (timer !== null) clearTimeout(timer)
    if (immediate !== null) clearImmediate(immediate)
    timer = null
    immediate = null
    last = performance.now()
    draw()
  }
  return {
    ask: (isUrgent: boolean) => {
      if (isUrgent) immediate ??= setImmediate(now)
      else timer ??= setTimeout(now, Math.max(0, last + CALM_FRAME_MS - performance.now()))
    },
    later: (ms: number) => {
      if (extra !== null) clearTimeout(extra)
      extra = setTimeout(now, ms)
    },
    stop: () => {
      if (timer !== null) clearTimeout(timer)
      if (extra !== null) clearTimeout(extra)
      if (immediate !== null) clearImmediate(immediate)
    },
  }
}
