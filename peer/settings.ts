import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { fault } from '../shared/errors.ts'
import { replaceFile } from '../shared/folder.ts'

/** What a home has settled for all starts. */
export type Settings = {
  /** A peer keeps its TCP port from one start to the next, so that the addresses which others remember stay good. */
  readonly port?: number | undefined
  /** … and its local API the one of 127.0.0.1. */
  readonly apiPort?: number | undefined
  /** Whether new sessions are refused while the revocation list is stale. */
  readonly strict: boolean
  /** Where files go, as `cd` has left it. */
  readonly folder?: string | undefined
  /** Files that come unasked: up to so many MB (10^6 bytes) … */
  readonly acceptMb?: number | undefined
  /** … from these users; from everybody unless given. */
  readonly acceptFrom?: readonly string[] | undefined
  /** That fetched files together may take, in MB. */
  readonly quotaMb?: number | undefined
  /** How fast files may come and go, in KB a second each. */
  readonly limitKb?: number | undefined
}

const settingsShape = z.object({
  port: z.int().min(1).max(65_535).optional(),
  apiPort: z.int().min(1).max(65_535).optional(),
  strict: z.boolean().default(false),
  folder: z.string().optional(),
  acceptMb: z.number().nonnegative().optional(),
  acceptFrom: z.array(z.string()).optional(),
  quotaMb: z.number().nonnegative().optional(),
  limitKb: z.number().positive().optional(),
})
const NONE: Settings = { strict: false }

/** The file of a home's settings. */
export const settingsPath = (home: string): string => join(home, 'settings.json')

/**
 * What the home has settled, or what holds where nothing is.
 * @throws LanyardError `profile-damaged` when the file can't be read as one: whoever chose to be strict must not be lax unawares
 */
export const readSettings = async (home: string): Promise<Settings> => {
  const text = await readFile(settingsPath(home), 'utf8').catch(() => null)
  if (text === null) return NONE
  const parsed = settingsShape.safeParse(parseJson(text))
  if (!parsed.success) throw fault('profile-damaged', settingsPath(home))
  return parsed.data
}

export const changeSettings = async (home: string, changes: Partial<Settings>): Promise<Settings> => {
  const settings = { ...(await readSettings(home)), ...changes }
  await replaceFile(settingsPath(home), `${JSON.stringify(settings)}\n`)
  return settings
}

/** Every interface, at the port of the last time if it is free, else at one that the system picks. */
export const listenAddresses = async (home: string): Promise<string[]> => {
  const { port } = await readSettings(home)
  return [`/ip4/0.0.0.0/tcp/${port !== undefined && (await isFree(port)) ? port : 0}`]
}

/** @param addresses that the peer listens on now */
export const rememberPort = async (home: string, addresses: readonly string[]): Promise<void> => {
  const port = Number(
    addresses.map((address) => /\/tcp\/(\d+)/.exec(address)?.[1]).find((found) => found !== undefined),
  )
  const known = (await readSettings(home)).port
  if (settingsShape.safeParse({ port }).success && port !== known) await changeSettings(home, { port })
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Whether a TCP port can be listened on. */
export const isFree = (port: number, host = '0.0.0.0'): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ port, host }, () => server.close(() => resolve(true)))
  return promise
}
