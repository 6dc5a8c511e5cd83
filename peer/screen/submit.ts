import { edit } from './editor.ts'
import type { Effect, Step } from './effects.ts'
import { isEmoji, withEmoji } from './emoji.ts'
import { toEnd, withNotice } from './moves.ts'
import type { Screen } from './screen-state.ts'
import { isTheme, THEMES } from './theme.ts'

/** Commands of the screen itself; all others are the device's. */
export const SCREEN_COMMANDS = ['/help', '/search', '/theme', '/bell', '/notify', '/quit'] as const

export const SCREEN_HELP = `/theme dark|light|none     the colours
/bell on|off               ring when somebody calls you, or writes to you alone
/notify on|off             tell the desktop of it, where the terminal can
/quit                      leave`

/** Enter: does with what is written what it is for. */
export const submit = (screen: Screen, now: number): Step => {
  const { editor, intent, here } = screen
  const { text } = editor
  if (text.trim() === '') return [screen, []]
  const written: Screen = {
    ...screen,
    editor: edit(editor, { kind: 'done' }),
    intent: { kind: 'say' },
    chosen: null,
    completion: null,
  }
  const draft: Effect = { kind: 'draft', room: here, text: '' }
  switch (intent.kind) {
    case 'edit':
      return [written, [{ kind: 'edit', id: intent.to.id, text: withEmoji(text) }]]
    case 'react': {
      const emoji = withEmoji(text).trim()
      if (!isEmoji(emoji)) return [withNotice(screen, { text: NO_EMOJI, tone: 'warn' }, now), []]
      return [written, [{ kind: 'react', id: intent.to.id, emoji }]]
    }
    case 'reply':
      return said(written, { kind: 'say', room: here, text: withEmoji(text), reply: intent.to.id })
    case 'say': {
      if (text.startsWith('/') && !text.startsWith('//')) return command(written, text.trim(), now)
      const plainText = text.startsWith('//') ? text.slice(1) : text
      const [next, effects] = said(written, { kind: 'say', room: here, text: withEmoji(plainText), reply: null })
      return [next, [...effects, draft]]
    }
  }
}

const NO_EMOJI = 'a reaction is one emoji, or its name, as :tada:'

/** Who says something looks at the end. */
const said = (screen: Screen, effect: Effect): Step => {
  const [next, effects] = toEnd(screen)
  return [next, [effect, ...effects]]
}

const command = (screen: Screen, line: string, now: number): Step => {
  const [name = '', ...words] = line.split(/\s+/)
  const rest = words.join(' ')
  const tell = (text: string): Step => [withNotice(screen, { text, tone: 'calm' }, now), []]
  const wrong = (usage: string): Step => [withNotice(screen, { text: usage, tone: 'warn' }, now), []]
  switch (name) {
    case '/quit':
      return [screen, [{ kind: 'quit' }]]
    case '/help':
      return [{ ...screen, panel: { kind: 'help', top: 0 } }, []]
    case '/search':
      return rest === ''
        ? wrong('/search WORDS, with from:anna or in:#room')
        : [screen, [{ kind: 'search', words: rest }]]
    case '/theme':
      if (!isTheme(rest)) return wrong(`/theme ${THEMES.join(', ')}`)
      return [{ ...screen, theme: rest }, []]
    case '/bell':
    case '/notify': {
      if (rest !== 'on' && rest !== 'off') return wrong(`${name} on, or ${name} off`)
      const [next] = tell(`${name.slice(1)} is ${rest}`)
      return [{ ...next, ...(name === '/bell' ? { bell: rest === 'on' } : { notify: rest === 'on' }) }, []]
    }
    default:
      return [screen, [{ kind: 'run', line, room: screen.here }]]
  }
}
