/**
 * What comes from the keyboard: text that was typed or pasted, or a key by its name, as `up`, `enter`, `alt-enter`, `ctrl-n`.
 * `focus` and `blur` tell whether the terminal is looked at, where it says so.
 */
export type Key =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'paste'; readonly text: string }
  | { readonly kind: 'key'; readonly name: string }

/** Asks the terminal to mark what is pasted, and to tell whether it is looked at; and takes that back. */
export const KEYS_ON = '\u001b[?2004h\u001b[?1004h'
export const KEYS_OFF = '\u001b[?1004l\u001b[?2004l'

/** How long the rest of a sequence may take, before what has come of it is the Escape key itself. */
export const ESCAPE_MS = 25 // a terminal writes a sequence at once; over a slow line its parts may come apart

/** The keys of what came from a terminal; `rest`: the beginning of a sequence that is not whole yet. */
export const readKeys = (input: string): { readonly keys: readonly Key[]; readonly rest: string } => {
  const keys: Key[] = []
  let at = 0
  let text = ''
  const flush = (): void => {
    if (text !== '') keys.push({ kind: 'text', text })
    text = ''
  }
  const press = (name: string | null): void => {
    flush()
    if (name !== null) keys.push({ kind: 'key', name })
  }
  while (at < input.length) {
    const one = input[at] ?? ''
    if (one === ESC) {
      if (input.startsWith(PASTE_START, at)) {
        const end = input.indexOf(PASTE_END, at)
        if (end < 0) break
        flush()
        keys.push({ kind: 'paste', text: input.slice(at + PASTE_START.length, end).replace(/\r\n?/g, '\n') })
        at = end + PASTE_END.length
        continue
      }
      const sequence = sequenceAt(input, at)
      if (sequence === null) break
      press(nameOfSequence(sequence))
      at += sequence.length
      continue
    }
    const code = one.charCodeAt(0)
    if (code < 0x20 || code === 0x7f) press(nameOfControl(one, code))
    else text += one
    at += 1
  }
  flush()
  return { keys, rest: input.slice(at) }
}

/** Nothing more has come: what was begun is Escape, and what follows it was typed. */
export const readRest = (rest: string): readonly Key[] => [
  { kind: 'key', name: 'esc' },
  ...readKeys(rest.slice(1).replaceAll(ESC, '')).keys,
]

const ESC = '\u001b'
const PASTE_START = '\u001b[200~'
const PASTE_END = '\u001b[201~'
const SEQUENCE_MAX = 32
// ECMA-48: CSI parameters, intermediates, final; SS3 and one letter; or a key with Alt, which is Escape and the key.
const AFTER_ESC = /^(?:\[[0-9:;<=>?]*[ -/]*[@-~]|O[ -~]|[^[O])/u
/** With these Alt makes a key of its own; before any other control character Escape was a key by itself. */
const WITH_ALT = '\r\n\b\u007f'

/** The sequence that begins here; null while it is not whole. Two Escapes before it are Alt; two alone are Escape. */
const sequenceAt = (input: string, at: number): string | null => {
  const rest = input.slice(at + 1, at + SEQUENCE_MAX)
  if (rest.startsWith(ESC)) {
    const inner = AFTER_ESC.exec(rest.slice(1))?.[0]
    if (inner === undefined) return null
    return inner.startsWith('[') || inner.startsWith('O') ? ESC + ESC + inner : ESC
  }
  const inner = AFTER_ESC.exec(rest)?.[0]
  if (inner === undefined) return null
  return inner < ' ' && !WITH_ALT.includes(inner) ? ESC : ESC + inner
}

const CONTROL: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'ctrl-j',
  '\t': 'tab',
  '\u007f': 'backspace',
  '\b': 'backspace',
  '\0': 'ctrl-space',
}
const nameOfControl = (one: string, code: number): string => CONTROL[one] ?? `ctrl-${String.fromCharCode(code + 0x60)}`

const LETTERS: Readonly<Record<string, string>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
  Z: 'shift-tab',
  I: 'focus',
  O: 'blur',
}
const NUMBERS: Readonly<Record<string, string>> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
}

const nameOfSequence = (sequence: string): string | null => {
  if (sequence === ESC) return 'esc'
  const twice = sequence.startsWith(`${ESC}${ESC}`)
  const body = sequence.slice(twice ? 2 : 1)
  if (body.length > 1 && (body.startsWith('[') || body.startsWith('O'))) {
    const [, , first = '', modifiers = '', final = ''] = /^(\[|O)(\d*)(?:;(\d+))?([@-~])$/.exec(body) ?? []
    const name = final === '~' ? NUMBERS[first] : final === 'u' ? UNICODE[first] : LETTERS[final]
    return name === undefined ? null : `${modifier(Number(modifiers || 1), twice)}${name}`
  }
  if (body === '\r' || body === '\n') return 'alt-enter'
  if (body === '\u007f' || body === '\b') return 'alt-backspace'
  return body < ' ' ? null : `alt-${body}`
}

const UNICODE: Readonly<Record<string, string>> = { 9: 'tab', 13: 'enter', 27: 'esc', 127: 'backspace' }

// xterm's: one more than the sum of shift 1, alt 2, ctrl 4.
const modifier = (code: number, alt: boolean): string => {
  const bits = code - 1
  if ((bits & 4) !== 0) return 'ctrl-'
  if ((bits & 2) !== 0 || alt) return 'alt-'
  return (bits & 1) !== 0 ? 'shift-' : ''
}
