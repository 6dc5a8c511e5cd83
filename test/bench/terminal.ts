import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** A program in a terminal of its own, by Python's pty: what it draws comes as it would come to a terminal. */
export type PlayedTerminal = AsyncDisposable & {
  /** Of the program. */
  readonly pid: number
  write(keys: string): void
  /** Resolves once something is drawn from now on that has this in it. @param ms how long to wait @throws when it does not come */
  drawn(text: string, ms?: number): Promise<void>
}

const WAIT_MS = 120_000
const KEPT = 65_536 // characters of what was drawn before somebody looks

export const playTerminal = async (
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  { columns = 80, rows = 24 } = {},
): Promise<PlayedTerminal> => {
  const program = fileURLToPath(new URL('terminal.py', import.meta.url))
  const child = spawn('python3', ['-B', program, String(columns), String(rows), ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, TERM: 'xterm-256color', ...env },
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let drawn = ''
  let looking: { readonly text: string; readonly resolve: () => void } | null = null
  const look = (): void => {
    const at = looking === null ? -1 : drawn.indexOf(looking.text)
    if (looking === null || at < 0) return
    drawn = drawn.slice(at + looking.text.length)
    looking.resolve()
    looking = null
  }
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    drawn = (drawn + text).slice(-KEPT)
    look()
  })
  const pid = await new Promise<number>((resolve, reject) => {
    child.stderr.once('data', (line) => resolve(Number(String(line))))
    child.once('error', reject)
  })
  return {
    pid,
    write: (keys) => void child.stdin.write(keys),
    drawn: async (text, ms = WAIT_MS) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const timer = setTimeout(
        () => reject(new Error(`${text} was not drawn; the last was ${drawn.slice(-2_000)}`)),
        ms,
      )
      drawn = '' // what stands there already is no answer
      looking = { text, resolve }
      await promise.finally(() => clearTimeout(timer))
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin.end()
      await ended
    },
  }
}

/** Milliseconds of processor, and bytes of memory, of any process of ours (Linux). */
export const usageOf = async (pid: number): Promise<{ readonly cpuMs: number; readonly rssBytes: number }> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // proc(5): fields 14 and 15, counted from behind the name, which may have spaces; in hundredths of a second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const rssKib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0)
  return { cpuMs: (Number(fields[11]) + Number(fields[12])) * 10, rssBytes: rssKib * 1024 }
}
