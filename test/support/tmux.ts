import { execFile, execFileSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, vi } from 'vitest'

const run = promisify(execFile)

const hasTmux = (): boolean => {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Whether tests at a terminal are skipped here. */
export const withoutTmux = !hasTmux()
if (withoutTmux) {
  if (process.env.LANYARD_CI !== undefined) throw new Error('LANYARD_CI is set, and tmux is not there')
  console.log('tests at a terminal are skipped: they need tmux')
}

/** A terminal that a program runs in, with somebody who types and looks. */
export type Terminal = {
  /** Keys by tmux's names, as `Enter`, `M-Up`, `C-n`. */
  press(...keys: readonly string[]): Promise<void>
  /** Text as it is, without Enter. */
  type(text: string): Promise<void>
  /** Text, and Enter. */
  enter(text: string): Promise<void>
  /** Text as from a clipboard, in brackets where the program asked for them. */
  paste(text: string): Promise<void>
  resize(columns: number, rows: number): Promise<void>
  /** What stands there now. */
  screen(): Promise<string>
  /** Waits until the screen shows this. @returns the screen */
  sees(text: string | RegExp): Promise<string>
  /** Waits until the screen does not show this any more. @returns the screen */
  sees(text: string | RegExp, not: 'gone'): Promise<string>
  /** The same with the codes of the terminal. */
  painted(): Promise<string>
}

/** Terminals of one tmux server of their own, which nothing outside knows of. */
export type Terminals = AsyncDisposable & {
  /** Starts a command in a terminal of its own. @param command a line for the shell */
  open(name: string, command: string, size?: { readonly columns: number; readonly rows: number }): Promise<Terminal>
}

const WAIT_MS = 60_000
const LOOK_MS = 40

export const startTerminals = (environment: Readonly<Record<string, string>>): Terminals => {
  const socket = join(tmpdir(), `lanyard-tmux-${process.pid}-${counter++}`)
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(LANYARD_|TMUX|NO_COLOR|FORCE_COLOR|ACCESSIBLE|CI$)/.test(name)),
  )
  const env = { ...inherited, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', TZ: 'UTC', TERM: 'xterm-256color', ...environment }
  const tmux = async (...args: readonly string[]): Promise<string> =>
    (await run('tmux', ['-u', '-S', socket, '-f', '/dev/null', ...args], { env })).stdout
  return {
    open: async (name, command, { columns, rows } = { columns: 80, rows: 24 }) => {
      const at = ['-t', name]
      await tmux('new-session', '-d', '-s', name, '-x', String(columns), '-y', String(rows), command)
      await tmux('set-option', '-g', 'status', 'off')
      await tmux('set-option', '-g', 'escape-time', '0')
      await tmux('resize-window', ...at, '-x', String(columns), '-y', String(rows))
      const screen = (): Promise<string> => tmux('capture-pane', '-p', ...at)
      const type = async (text: string): Promise<void> => void (await tmux('send-keys', ...at, '-l', '--', text))
      const press = async (...keys: readonly string[]): Promise<void> => void (await tmux('send-keys', ...at, ...keys))
      return {
        press,
        type,
        enter: async (text) => {
          await type(text)
          await press('Enter')
        },
        paste: async (text) => {
          await tmux('set-buffer', '--', text)
          await tmux('paste-buffer', '-p', ...at)
        },
        resize: async (width, height) =>
          void (await tmux('resize-window', ...at, '-x', String(width), '-y', String(height))),
        screen,
        painted: () => tmux('capture-pane', '-p', '-e', ...at),
        sees: async (text, not?: 'gone') => {
          let shown = ''
          const isThere = (): boolean => (typeof text === 'string' ? shown.includes(text) : text.test(shown))
          await vi.waitFor(
            async () => {
              shown = await screen()
              const words = not === undefined ? 'is not' : 'is still'
              expect(isThere() === (not === undefined), `${text} ${words} on the screen of ${name}:\n${shown}`).toBe(
                true,
              )
            },
            { timeout: WAIT_MS, interval: LOOK_MS },
          )
          return shown
        },
      }
    },
    [Symbol.asyncDispose]: async () => {
      await tmux('kill-server').catch(() => undefined) // it ends by itself with its last terminal
      await rm(socket, { force: true })
    },
  }
}

let counter = 0
