import { resolve } from 'node:path'
import { z } from 'zod'
import { fault, LanyardError, refuse } from '../../shared/errors.ts'
import type { ApiEvent } from '../api/event-json.ts'
import {
  cancelFile,
  type FileJson,
  fetchFile,
  listFiles,
  offerFile,
  pauseFile,
  removeFile,
  resumeFile,
} from '../api/operations/files.ts'
import { refusalIn } from '../api/refusal-json.ts'
import { previewOf } from '../files/preview.ts'
import { fileLines } from './file-commands.ts'
import type { FileEvent } from './lines.ts'
import { answer, GENERAL, type Order, roomOf, until } from './once.ts'
import { createProgressBar } from './progress.ts'
import type { Helper } from './with-peer.ts'

// Commands about files that do one thing, and leave.

type Output = NodeJS.WritableStream & { readonly isTTY?: boolean }

export const offeredJson = z.object({
  event: z.literal('stored'),
  id: z.string(),
  file: z.string(),
  skipped: z.number(),
})
export const servedJson = z.object({ event: z.literal('served'), id: z.string(), devices: z.array(z.string()) })
export const wholeJson = z.object({
  event: z.literal('whole'),
  id: z.string(),
  path: z.string(),
  preview: z.string().nullable(),
})
export const steeredJson = z.object({ event: z.enum(['pause', 'resume', 'cancel', 'delete']), id: z.string() })

/** Shows how files move: a bar on a terminal, an object a line for scripts. @returns what ends it */
const watch = (
  { client }: Helper,
  json: boolean,
  output: Output,
  hear: (event: FileEvent) => void,
): { readonly clear: () => void; readonly end: () => void } => {
  const bar = createProgressBar(
    (text) => output.write(text),
    () => performance.now(),
  )
  const end = client.on((event) => {
    if (event.event !== 'file') return
    hear(event)
    if (json) output.write(`${JSON.stringify(event)}\n`)
    else if (output.isTTY === true) bar.draw(event)
  })
  return { clear: bar.clear, end }
}

/**
 * Offers files and folders, and serves them until one other device has all of each.
 * @throws LanyardError `too-late` when nobody has within the wait
 */
export const send = async (helper: Helper, paths: readonly string[], order: Order, output: Output): Promise<void> => {
  const { client } = helper
  const { to = GENERAL, waitMs, json } = order
  const served = new Map<string, Set<string>>()
  const { clear, end } = watch(helper, json, output, ({ id, state, device }) => {
    if (state === 'served' && device !== undefined) served.set(id, (served.get(id) ?? new Set()).add(device))
  })
  try {
    const { id: room } = await roomOf(helper, to, waitMs)
    const offered: string[] = []
    for (const path of paths) {
      const { id, skipped } = await client.call(offerFile, { room, path: resolve(path) })
      offered.push(id)
      const left = skipped === 0 ? '' : `; ${skipped} links and the like are left out`
      clear()
      const line = `offered ${path}; waiting for somebody to fetch it${left}`
      answer(order, offeredJson, { event: 'stored', id, file: path, skipped }, line)
    }
    const all = (): boolean => offered.every((id) => served.has(id))
    await until(client, waitMs, all)
    clear()
    if (!all()) {
      const still = helper.settled ? '; it is served as long as this device runs' : ''
      throw fault('too-late', `nobody has fetched all of it in ${waitMs / 1000} s${still}`)
    }
    for (const id of offered) {
      const devices = [...(served.get(id) ?? [])]
      const line = `fetched by ${devices.length} ${devices.length === 1 ? 'device' : 'devices'}`
      answer(order, servedJson, { event: 'served', id, devices }, line)
    }
  } finally {
    end()
  }
}

/** What was offered, once the wait for news is over. */
export const files = async (helper: Helper, order: Order): Promise<void> => {
  const { client, settled } = helper
  if (!settled) await until(client, order.waitMs, () => false)
  const room = order.to === undefined ? undefined : (await roomOf(helper, order.to, order.waitMs)).id
  const told = await client.call(listFiles, room === undefined ? {} : { room })
  answer(order, listFiles.output, told, fileLines(told.files))
}

/** The offer that is meant, which may have to come first. @throws LanyardError `file-not-held` */
const awaited = async ({ client, settled }: Helper, start: string, waitMs: number): Promise<string> => {
  const find = async (): Promise<FileJson | undefined> =>
    (await client.call(listFiles, {})).files.findLast(({ id }) => id.startsWith(start))
  if (!settled) await until(client, waitMs, async () => (await find()) !== undefined)
  return (await find())?.id ?? start
}

/**
 * Fetches a file, also one that was paused, and stays until it is whole.
 * @throws LanyardError why it can't be had, `too-late` after the wait
 */
export const get = async (helper: Helper, start: string, order: Order, output: Output): Promise<void> => {
  const { client } = helper
  const { waitMs, json } = order
  const id = await awaited(helper, start, waitMs)
  let last: FileEvent | null = null
  const { clear, end } = watch(helper, json, output, (event) => {
    if (event.id === id) last = event
  })
  try {
    const asked = (await client.call(fetchFile, { file: id })).id
    const pathOf = async (): Promise<string | null> => {
      const found = (await client.call(listFiles, {})).files.find((file) => file.id === asked)
      return found?.state === 'held' ? found.path : null
    }
    const isOver = (): boolean => last !== null && ['whole', 'failed', 'cancelled'].includes(last.state)
    await until(client, waitMs, async () => isOver() || (last === null && (await pathOf()) !== null))
    clear()
    const { state, path, type = '', ...why } = lastOf(last)
    const here = path ?? (state === undefined ? await pathOf() : null)
    if (here === null || here === undefined || (state !== undefined && state !== 'whole')) {
      if (why.code !== undefined) throw new LanyardError(refusalIn({ ...why, by: why.by ?? 'here', code: why.code }))
      throw new LanyardError(refuse('too-late', `not whole in ${waitMs / 1000} s; it goes on the next time`))
    }
    const preview = await previewOf(here, type)
    const line = `it is here: ${here}${preview === null ? '' : `\n  ${preview}`}`
    answer(order, wholeJson, { event: 'whole', id: asked, path: here, preview }, line)
  } finally {
    end()
  }
}

const lastOf = (last: FileEvent | null): Partial<FileEvent> => last ?? {}

/** What is done to a file that is on its way, or here. */
export type Steering = 'pause' | 'resume' | 'cancel' | 'delete'

/** @throws LanyardError why it can't be done */
export const steer = async (helper: Helper, how: Steering, start: string, order: Order): Promise<void> => {
  const id = await awaited(helper, start, order.waitMs)
  const what = { pause: pauseFile, resume: resumeFile, cancel: cancelFile, delete: removeFile }[how]
  await helper.client.call(what, { file: id })
  const words = { pause: 'paused', resume: 'it goes on', cancel: 'cancelled', delete: 'deleted here' }[how]
  answer(order, steeredJson, { event: how, id }, words)
}

/** What is in a file that has come, for people. */
export const preview = async (event: ApiEvent): Promise<string | null> => {
  if (event.event !== 'file' || event.state !== 'whole') return null
  const { path, type } = event
  return path === undefined || type === undefined ? null : await previewOf(path, type)
}
