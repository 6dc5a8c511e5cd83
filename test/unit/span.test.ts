import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSpan } from '../../peer/files/span.ts'
import { temporaryFolder } from '../support/enrolment.ts'

const SIZE = 100
let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

/** Files of the folder that this process has open. (On Linux; elsewhere nothing can be seen, and nothing is.) */
const openOnes = (): string[] => {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.startsWith(folder.path) ? [path] : []
    } catch {
      return [] // the one that this very list was read by
    }
  })
}

test('files laid end to end that are closed in the middle of a chunk stay closed', async () => {
  const parts = Array.from({ length: 10 }, (_, at) => ({ path: join(folder.path, `${at}`), size: SIZE }))
  for (const { path } of parts) writeFileSync(path, new Uint8Array(SIZE))
  const span = openSpan(parts, { size: 10 * SIZE, chunkBytes: 10 * SIZE })
  const reading = span.read(0).catch((error: unknown) => error)
  await span.close()
  expect(await reading).toMatchObject({ code: 'stream-closed' })
  await expect(span.read(0)).rejects.toMatchObject({ code: 'stream-closed' })
  expect(openOnes()).toEqual([])
})
