import { cut } from './width.ts'

/** Where the terminal runs, as its environment tells. */
export type TerminalEnvironment = Readonly<Record<string, string | undefined>>

export const BELL = '\u0007'

const TEXT_MAX = 160 // columns: what a desktop shows of a notification

/**
 * What makes a terminal tell its desktop: OSC 777 where that is known to be understood, else OSC 9, which the others take or
 * leave. Within tmux it is wrapped, so that tmux hands it on. @param text harmless already: without control characters
 */
export const notification = (text: string, { TERM = '', TMUX }: TerminalEnvironment): string => {
  const body = cut(text, TEXT_MAX).replaceAll(';', ',')
  const sequence = /^(rxvt|foot)/.test(TERM) ? `\u001b]777;notify;Lanyard;${body}\u0007` : `\u001b]9;${body}\u0007`
  return TMUX === undefined ? sequence : `\u001bPtmux;${sequence.replaceAll('\u001b', '\u001b\u001b')}\u001b\\`
}
