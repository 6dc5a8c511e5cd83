import { resolve } from 'node:path'
import { z } from 'zod'
import { LanyardError, orThrow, type Refusal } from '../../../shared/errors.ts'
import type { ListedFile } from '../../files/shelf.ts'
import type { Peer } from '../../peer.ts'
import { operation } from '../operation.ts'
import { findFile, findPlace, placeOf } from '../places.ts'
import { placeInput } from './rooms.ts'

/** A file or a folder that was offered. */
export const fileShape = z.object({
  id: z.string().describe('of the message that offers it'),
  room: z.string().describe('#room or @user'),
  roomId: z.string(),
  user: z.string(),
  name: z.string(),
  size: z.number().describe('bytes'),
  type: z.string(),
  files: z.number().nullable().describe('of a folder: how many files are in it'),
  state: z.enum(['offered', 'declined', 'wanted', 'fetching', 'held']),
  paused: z.boolean(),
  bytes: z.number().describe('that are here, of one that is being fetched'),
  path: z.string().nullable().describe('of one that is held'),
  holders: z
    .array(z.object({ device: z.string(), user: z.string() }))
    .readonly()
    .describe('who is known to have all of it, besides us'),
})
export type FileJson = z.output<typeof fileShape>

const fileJson = (peer: Pick<Peer, 'rooms'>, file: ListedFile): FileJson => ({
  ...file,
  roomId: file.room,
  room: placeOf(peer, file.room),
})

const fileInput = z.object({ file: z.string().min(1).describe('the id of the offer, or its beginning') })
const idOutput = z.object({ id: z.string() })

export const offerFile = operation({
  name: 'files.offer',
  method: 'POST',
  path: '/rooms/:room/files',
  summary:
    'Offers a file or a folder of this machine in a room, or several as one; they are served from where they are. Progress comes as events.',
  input: z.object({
    room: placeInput,
    paths: z.array(z.string().min(1)).min(1).describe('absolute, or from the folder of files'),
  }),
  output: z.object({ id: z.string(), skipped: z.number().describe('links and the like, which are left out') }),
  run: (peer, { room, paths }) =>
    peer.files.offer(orThrow(findPlace(peer, room)), ...paths.map((path) => resolve(peer.files.folder(), path))),
})

export const listFiles = operation({
  name: 'files.list',
  method: 'GET',
  path: '/files',
  summary: 'What was offered in a room, or in all of them, the oldest first.',
  input: z.object({ room: placeInput.optional() }),
  output: z.object({ files: z.array(fileShape) }),
  run: (peer, { room }) => {
    const listed = peer.files.list(room === undefined ? undefined : orThrow(findPlace(peer, room)))
    return { files: listed.map((file) => fileJson(peer, file)) }
  },
})

export const fetchFile = operation({
  name: 'files.fetch',
  method: 'POST',
  path: '/files/:file/fetch',
  summary: 'Fetches what was offered, also when it was paused or declined. Progress comes as events.',
  input: fileInput,
  output: idOutput,
  run: (peer, { file }) => done(findFile(peer, file), (id) => peer.files.fetch(id)),
})

export const pauseFile = operation({
  name: 'files.pause',
  method: 'POST',
  path: '/files/:file/pause',
  summary: 'Stops fetching or serving a file until it is resumed.',
  input: fileInput,
  output: idOutput,
  run: (peer, { file }) => done(findFile(peer, file), (id) => peer.files.pause(id)),
})

export const resumeFile = operation({
  name: 'files.resume',
  method: 'POST',
  path: '/files/:file/resume',
  summary: 'Goes on fetching or serving a file.',
  input: fileInput,
  output: idOutput,
  run: (peer, { file }) => done(findFile(peer, file), (id) => peer.files.resume(id)),
})

export const cancelFile = operation({
  name: 'files.cancel',
  method: 'POST',
  path: '/files/:file/cancel',
  summary: 'Stops fetching a file for good, or takes an offer of ours back.',
  input: fileInput,
  output: idOutput,
  run: (peer, { file }) => done(findFile(peer, file), (id) => peer.files.cancel(id)),
})

export const removeFile = operation({
  name: 'files.remove',
  method: 'DELETE',
  path: '/files/:file',
  summary: 'Deletes what was fetched from this disk; of our own only the serving ends.',
  input: fileInput,
  output: idOutput,
  run: (peer, { file }) => done(findFile(peer, file), (id) => peer.files.remove(id)),
})

export const folder = operation({
  name: 'files.folder',
  method: 'GET',
  path: '/folder',
  summary: 'The folder that files go to, and where relative paths begin.',
  input: z.object({}),
  output: z.object({ folder: z.string() }),
  run: (peer) => ({ folder: peer.files.folder() }),
})

export const setFolder = operation({
  name: 'files.setFolder',
  method: 'PUT',
  path: '/folder',
  summary: 'Another folder for files, from the next one on.',
  input: z.object({ path: z.string().min(1) }),
  output: z.object({ folder: z.string() }),
  run: async (peer, { path }) => ({ folder: await peer.files.setFolder(path) }),
})

const done = async <Id extends string>(
  id: Id,
  what: (id: Id) => Refusal | null | Promise<Refusal | null>,
): Promise<{ id: string }> => {
  const refusal = await what(id)
  if (refusal !== null) throw new LanyardError(refusal)
  return { id }
}
