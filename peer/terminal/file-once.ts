import { LanyardError, orThrow, type Refusal, refuse } from '../../shared/errors.ts'
import type { RecordHash } from '../../shared/ids.ts'
import { eventJson } from '../api/event-json.ts'
import { findPlace, placeOf } from '../api/places.ts'
import type { FileProgress, PeerEvent } from '../events.ts'
import { previewOf } from '../files/preview.ts'
import type { Peer } from '../peer.ts'
import { fileJson, fileLines, findFile } from './file-commands.ts'
import { type Order, until } from './once.ts'
import { createProgressBar } from './progress.ts'

// Commands about files that start a device, do one thing, and leave.

type Output = NodeJS.WritableStream & { readonly isTTY?: boolean }

/** Shows how files move: a bar on a terminal, an object a line for scripts. @returns how to print, and how to end */
const watch = (peer: Peer, json: boolean, output: Output, concerns: (progress: FileProgress) => boolean) => {
  const bar = createProgressBar(
    (text) => output.write(text),
    () => performance.now(),
  )
  const print = (line: string, object: Record<string, unknown>): void => {
    bar.clear()
    output.write(`${json ? JSON.stringify(object) : line}\n`)
  }
  const end = peer.on((event: PeerEvent) => {
    if (event.kind !== 'file' || !concerns(event.progress)) return
    const told = eventJson(event, (room) => placeOf(peer, room))
    if (json) output.write(`${JSON.stringify(told)}\n`)
    else if (output.isTTY === true && told.event === 'file') bar.draw(told)
  })
  return { print, end }
}

/**
 * Offers files and folders, and serves them until one other device has all of each.
 * @throws LanyardError `too-late` when nobody has within the wait
 */
export const send = async (
  peer: Peer,
  paths: readonly string[],
  { to, waitMs, json }: Order,
  output: Output,
): Promise<void> => {
  const offered = new Map<RecordHash, Set<string>>()
  const { print, end } = watch(peer, json, output, () => true)
  const endServed = peer.on((event) => {
    if (event.kind !== 'file' || event.progress.state !== 'served') return
    const { id, device } = event.progress
    if (id !== '' && device !== undefined) offered.get(id)?.add(device)
  })
  const room = to === undefined ? peer.general : orThrow(findPlace(peer, to))
  for (const path of paths) {
    const { id, skipped } = await peer.files.offer(room, path)
    offered.set(id, new Set())
    const left = skipped === 0 ? '' : `; ${skipped} links and the like are left out`
    print(`offered ${path}; waiting for somebody to fetch it${left}`, { event: 'stored', id, file: path, skipped })
  }
  const all = (): boolean => [...offered.values()].every((devices) => devices.size > 0)
  await until(peer, waitMs, all)
  end()
  endServed()
  if (!all()) throw new LanyardError(refuse('too-late', `nobody has fetched all of it in ${waitMs / 1000} s`))
  for (const [id, devices] of offered) {
    print(`fetched by ${devices.size} ${devices.size === 1 ? 'device' : 'devices'}`, {
      event: 'served',
      id,
      devices: [...devices],
    })
  }
}

/** What was offered, once the wait for news is over. */
export const files = async (peer: Peer, { to, waitMs, json }: Order): Promise<string> => {
  await until(peer, waitMs, () => false)
  const listed = peer.files.list(to === undefined ? undefined : orThrow(findPlace(peer, to)))
  return json ? JSON.stringify({ files: listed.map((file) => fileJson(peer, file)) }) : fileLines(listed).join('\n')
}

/** The offer that is meant, which may have to come first. @throws LanyardError `file-not-held` */
const awaited = async (peer: Peer, start: string, waitMs: number): Promise<RecordHash> => {
  await until(peer, waitMs, () => peer.files.list().some(({ id }) => id.startsWith(start)))
  return findFile(peer, start)
}

/**
 * Fetches a file, also one that was paused, and stays until it is whole.
 * @throws LanyardError why it can't be had, `too-late` after the wait
 */
export const get = async (peer: Peer, start: string, { waitMs, json }: Order, output: Output): Promise<void> => {
  let last: FileProgress | null = null
  const id = await awaited(peer, start, waitMs)
  const { print, end } = watch(peer, json, output, (progress) => progress.id === id)
  const endWatch = peer.on((event) => {
    if (event.kind === 'file' && event.progress.id === id) last = event.progress
  })
  const refusal = peer.files.fetch(id)
  if (refusal !== null) throw new LanyardError(refusal)
  const over = (): FileProgress | null =>
    last !== null && ['whole', 'failed', 'cancelled'].includes(last.state) ? last : null
  await until(peer, waitMs, () => over() !== null)
  end()
  endWatch()
  const { state, path = '', type = '', refusal: why } = over() ?? { state: 'late', refusal: lastRefusal(last) }
  if (state !== 'whole')
    throw new LanyardError(why ?? refuse('too-late', `not whole in ${waitMs / 1000} s; it goes on the next time`))
  const preview = await previewOf(path, type)
  print(`it is here: ${path}${preview === null ? '' : `\n  ${preview}`}`, { event: 'whole', id, path, preview })
}

const lastRefusal = (last: FileProgress | null): Refusal | undefined => last?.refusal

/** What is done to a file that is on its way, or here. */
export type Steering = 'pause' | 'resume' | 'cancel' | 'delete'

/** @throws LanyardError why it can't be done */
export const steer = async (peer: Peer, how: Steering, start: string, { waitMs, json }: Order): Promise<string> => {
  const id = await awaited(peer, start, waitMs)
  const { pause, resume, cancel, remove } = peer.files
  const refusal = await { pause, resume, cancel, delete: remove }[how](id)
  if (refusal !== null) throw new LanyardError(refusal)
  if (json) return JSON.stringify({ event: how, id })
  return { pause: 'paused', resume: 'it goes on', cancel: 'cancelled', delete: 'deleted here' }[how]
}

/** The line of an event, and what is in a file that has come. */
export const preview = async (event: PeerEvent): Promise<string | null> => {
  if (event.kind !== 'file' || event.progress.state !== 'whole') return null
  const { path, type } = event.progress
  return path === undefined || type === undefined ? null : await previewOf(path, type)
}
