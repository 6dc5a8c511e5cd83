import { nextStepOf, refusalOf, wordsOf } from '../../shared/errors.ts'
import type { Backend } from './backend.ts'
import type { Effect, ScreenEvent } from './effects.ts'

export type DeedParts = {
  readonly backend: Backend
  readonly send: (event: ScreenEvent) => void
  readonly here: () => string
  readonly bell: () => void
  readonly notify: (text: string) => void
  readonly redraw: () => void
  readonly quit: () => void
}

// A burst of messages asks for these again and again: once in a while is enough for the eye.
const FACTS_MS = 150
const LOOK_MS = 250
const READ_MS = 300
const AGAIN_MS = 500

/** Does what the screen wants done; what comes of it goes back to the screen. */
export const createDeeds = ({ backend, send, here, ...parts }: DeedParts) => {
  const tell = (error: unknown): void => send({ kind: 'told', text: worded(error), tone: 'warn' })
  const attempt = (work: Promise<void>): void => void work.catch(tell)
  const facts = seldom(FACTS_MS, async () => send({ kind: 'facts', facts: await backend.facts() }), tell)
  let toLook = new Set<string>()
  const look = seldom(
    LOOK_MS,
    async () => {
      const ids = [...toLook]
      toLook = new Set()
      for (const entry of await backend.entries(ids)) send({ kind: 'news', news: { kind: 'updated', entry } })
    },
    tell,
  )
  let toReload = ''
  const reload = seldom(
    AGAIN_MS,
    async () => {
      const room = toReload
      send({ kind: 'again', room, piece: await backend.open(room) })
    },
    tell,
  )
  let unread: { readonly room: string; readonly upTo: string } | null = null
  const read = seldom(
    READ_MS,
    async () => {
      const now = unread
      unread = null
      if (now !== null) await backend.markRead(now.room, now.upTo)
    },
    tell,
  )

  const refusedWith =
    (draft: string) =>
    (error: unknown): void =>
      send({ kind: 'refused', text: worded(error), draft })
  /** A room that a command leads to has its name from the facts. */
  const goTo = (room: string): void => {
    const known = backend.facts().then((facts) => {
      send({ kind: 'facts', facts })
      send({ kind: 'go', room })
    })
    attempt(known)
  }
  const show = (text: string): void => {
    const said = text.replace(/^[*!] /, '').replace(/^ {2}/, '')
    if (said.trim() !== '') send({ kind: 'told', text: said, tone: text.startsWith('!') ? 'warn' : 'answer' })
  }

  const deeds: { readonly [Kind in Effect['kind']]: (effect: Extract<Effect, { kind: Kind }>) => void } = {
    facts: () => facts.ask(),
    look: ({ ids }) => {
      for (const id of ids) toLook.add(id)
      look.ask()
    },
    read: (effect) => {
      unread = effect
      read.ask()
    },
    open: ({ room }) => attempt(backend.open(room).then((opened) => send({ kind: 'opened', room, opened }))),
    again: ({ room }) => {
      toReload = room
      reload.ask()
    },
    more: ({ room, side, id }) => {
      const asked = side === 'before' ? backend.before(room, id) : backend.after(room, id)
      attempt(asked.then((piece) => send({ kind: 'more', room, side, piece })))
    },
    around: ({ room, id }) =>
      attempt(backend.around(room, id).then((piece) => send({ kind: 'around', room, id, piece }))),
    say: ({ room, text, reply }) => void backend.say(room, text, reply).catch(refusedWith(text)),
    edit: ({ id, text }) => attempt(backend.edit(id, text)),
    react: ({ id, emoji }) => attempt(backend.react(id, emoji)),
    'take-back': ({ id }) => attempt(backend.takeBack(id)),
    fetch: ({ id }) => attempt(backend.fetch(id)),
    draft: ({ room, text }) => attempt(backend.setDraft(room, text)),
    run: ({ line }) => {
      const done = backend.run(line, { here, goTo, show })
      // It may have said, sent or changed something here.
      attempt(done.then(() => deeds.again({ kind: 'again', room: here() })))
      facts.ask()
    },
    search: ({ words }) => attempt(backend.search(words).then((hits) => send({ kind: 'found', words, hits }))),
    paths: (effect) => attempt(backend.paths(effect.start).then((paths) => send({ ...effect, paths }))),
    typing: ({ room }) => backend.typing(room),
    present: (effect) => backend.present(effect.here),
    bell: () => parts.bell(),
    notify: ({ text }) => parts.notify(text),
    redraw: () => parts.redraw(),
    quit: () => parts.quit(),
  }
  const perform = <Kind extends Effect['kind']>(effect: Extract<Effect, { kind: Kind }>): void => {
    const deed = deeds[effect.kind as Kind] as (effect: Extract<Effect, { kind: Kind }>) => void
    deed(effect)
  }
  return {
    perform: perform as (effect: Effect) => void,
    stop: () => {
      for (const one of [facts, look, read, reload]) one.stop()
    },
  }
}

/** Why something came to nothing, and what to do. How a command is written says both. */
const worded = (error: unknown): string => {
  const refusal = refusalOf(error)
  if (refusal.code === 'input-invalid' && refusal.detail !== undefined) return refusal.detail
  return `${wordsOf(refusal)}\nnext: ${nextStepOf(refusal)}`
}

/** At the latest so many milliseconds after it is asked for, and never twice within them. */
const seldom = (ms: number, work: () => Promise<void>, failed: (error: unknown) => void) => {
  let timer: NodeJS.Timeout | null = null
  let stopped = false
  return {
    ask: () => {
      if (stopped) return
      timer ??= setTimeout(() => {
        timer = null
        work().catch((error: unknown) => {
          if (!stopped) failed(error)
        })
      }, ms)
    },
    stop: () => {
      stopped = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}
