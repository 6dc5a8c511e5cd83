import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../shared/folder.ts'

// A peer keeps its TCP port from one start to the next, so that the addresses which others remember stay good.

const settingsShape = z.object({ port: z.int().min(1).max(65_535) })

const pathOf = (home: string): string => join(home, 'settings.json')

/** Every interface, at the port of the last time if it is free, else at one that the system picks. */
export const listenAddresses = async (home: string): Promise<string[]> => {
  const port = await lastPort(home)
  return [`/ip4/0.0.0.0/tcp/${port !== null && (await isFree(port)) ? port : 0}`]
}

/** @param addresses that the peer listens on now */
export const rememberPort = async (home: string, addresses: readonly string[]): Promise<void> => {
  const port = Number(
    addresses.map((address) => /\/tcp\/(\d+)/.exec(address)?.[1]).find((found) => found !== undefined),
  )
  if (settingsShape.safeParse({ port }).success && port !== (await lastPort(home))) {
    await replaceFile(pathOf(home), `${JSON.stringify({ port })}\n`)
  }
}

const lastPort = async (home: string): Promise<number | null> => {
  try {
    return settingsShape.parse(JSON.parse(await readFile(pathOf(home), 'utf8'))).port
  } catch {
    return null // a lost port costs others one search by multicast, no more
  }
}

const isFree = (port: number): Promise<boolean> => {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen({ port, host: '0.0.0.0' }, () => server.close(() => resolve(true)))
  return promise
}
