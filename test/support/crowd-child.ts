import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Whereabouts } from './ca-databases.ts'
import type { Outcome } from './crowd.ts'

const PROGRAM = fileURLToPath(new URL('./crowd-process.ts', import.meta.url))

/** Where, which of the crowd, and when it is to kill itself: so many steps after so many were told that they are in. */
export type CrowdTask = {
  readonly at: Whereabouts
  readonly members: readonly number[]
  readonly death?: { readonly after: number; readonly steps: number }
}

/** A process of the CA that enrols these of the crowd, all at once, when it is told to. */
export type CrowdChild = {
  /** It has looked at all of them. */
  readonly ready: Promise<void>
  /** What it has told so far. */
  readonly outcomes: readonly Outcome[]
  go(): void
  kill(): void
  /** Its exit code, null where it was killed; and what it said of errors. */
  readonly ended: Promise<{ readonly code: number | null; readonly errors: string }>
}

export const crowdChild = (task: CrowdTask): CrowdChild => {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(task)], { stdio: 'pipe' })
  const outcomes: Outcome[] = []
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  let errors = ''
  child.stderr.on('data', (data) => {
    errors += String(data)
  })
  child.stdin.on('error', () => undefined) // it was killed
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = JSON.parse(line)
    if (said === 'ready') return resolve()
    outcomes.push(said)
  })
  const ended = new Promise<{ code: number | null; errors: string }>((done) =>
    child.once('close', (code) => done({ code, errors })),
  )
  return {
    ready: Promise.race([ready, ended.then(({ errors }) => Promise.reject(new Error(`it ended: ${errors}`)))]),
    outcomes,
    go: () => void child.stdin.write('\n'),
    kill: () => void child.kill('SIGKILL'),
    ended,
  }
}
