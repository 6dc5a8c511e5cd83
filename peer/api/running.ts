import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Refusal } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/folder.ts'

/** The process that has a home, and where it can be asked; a process that does one thing and leaves can't be. */
export type Running = {
  readonly pid: number
  /** The command that it runs. */
  readonly command: string
  /** Of 127.0.0.1. */
  readonly port: number | null
  /** Path of the Unix socket. */
  readonly socket: string | null
}

/** Where a running device can be asked, and what lets us in. */
export type Door = Pick<Running, 'port' | 'socket'> & { readonly token: string }

const runningShape = z.object({
  pid: z.int().positive(),
  command: z.string(),
  port: z.int().nullable(),
  socket: z.string().nullable(),
})

const runningPath = (home: string): string => join(home, 'running.json')
export const tokenPath = (home: string): string => join(home, 'api-token')
export const socketPath = (home: string): string => join(home, 'api.sock')

/** Notes who has the home; whoever calls it has the lock of its database. */
export const noteRunning = (home: string, running: Running): Promise<void> =>
  replaceFile(runningPath(home), `${JSON.stringify(running)}\n`)

export const forgetRunning = (home: string): Promise<void> => rm(runningPath(home), { force: true })

/** Who has the home; null when nobody has noted so, or that process is gone. */
export const readRunning = async (home: string): Promise<Running | null> => {
  const text = await readFile(runningPath(home), 'utf8').catch(() => '')
  const parsed = runningShape.safeParse(parseJson(text))
  return parsed.success && isAlive(parsed.data.pid) ? parsed.data : null
}

/** A refusal with the process that has the home, when it is for that one. */
export const withHolder = async (refusal: Refusal, home: string): Promise<Refusal> => {
  const running = refusal.code === 'profile-in-use' ? await readRunning(home) : null
  if (running === null) return refusal
  return { ...refusal, detail: `process ${running.pid}: lanyard ${running.command}` }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0) // sends nothing
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
