import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { fault } from '../shared/errors.ts'
import { replaceFile } from '../shared/folder.ts'

/** How far this CA has come, by its own word: what no restored database may fall behind. */
export type Mark = {
  /** The number of the newest CRL that may have left the house; 0 before the first. */
  readonly crlNumber: number
  /** A row of the audit and its hash, when that CRL was made: an audit that was cut or rewritten doesn't have it. */
  readonly audit: { readonly id: number; readonly hash: string } | null
}

/** The mark, in a file beside the database: a backup of the one is no backup of the other. */
export type HighWater = {
  read(): Promise<Mark>
  /** Written through to the disk; a lower CRL number changes nothing, and the same one the audit row alone. */
  raise(mark: Mark): Promise<void>
}

const FILE = 'high-water.json'
const NOTHING: Mark = { crlNumber: 0, audit: null }

const shape = z.strictObject({
  crlNumber: z.int().nonnegative(),
  audit: z.strictObject({ id: z.int().nonnegative(), hash: z.string().max(64) }).nullable(),
})

/** @throws LanyardError `profile-damaged` when the file is there and is not ours */
export const createHighWater = (home: string): HighWater => {
  const path = join(home, FILE)
  const read = async (): Promise<Mark> => {
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null
      throw fault('profile-damaged', path, cause)
    })
    if (text === null) return NOTHING
    const parsed = shape.safeParse(parseJson(text))
    if (!parsed.success) throw fault('profile-damaged', path)
    return parsed.data
  }
  return {
    read,
    raise: async (mark) => {
      const before = await read()
      if (mark.crlNumber < before.crlNumber) return
      if (mark.crlNumber === before.crlNumber && mark.audit?.id === before.audit?.id) return
      await replaceFile(path, `${JSON.stringify(mark)}\n`)
    },
  }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
