import { createReadStream } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { Command } from 'commander'
import { z } from 'zod'
import type { Clock } from '../../shared/clock.ts'
import { fault, orThrow } from '../../shared/errors.ts'
import { CERTIFICATE_FILE_MAX_BYTES, CRL_FILE_MAX_BYTES, KIB } from '../../shared/limits.ts'
import { exportTranscript, receipt as receiptOf } from '../api/operations/transcripts.ts'
import type { Report } from '../transcript/report.ts'
import { verifyTranscript } from '../transcript/verify.ts'
import { readAtMost, timeOf } from './certificate.ts'
import { compareOnce } from './compare-once.ts'
import { roomOf } from './once.ts'
import { reportLines } from './transcript-lines.ts'
import type { Helper, Work } from './with-peer.ts'

type Parts<Options> = {
  readonly clock: Clock
  readonly print: (line: string) => void
  readonly withClient: (options: Options, work: Work, run: (helper: Helper) => Promise<void>) => Promise<void>
}

export const exportedJson = z.object({
  event: z.literal('exported'),
  room: z.string(),
  file: z.string(),
  bytes: z.number(),
  withKeys: z.boolean(),
})
export const receiptJson = exportedJson.omit({ withKeys: true }).extend({ event: z.literal('receipt') })

type Common = { readonly json?: boolean }
type ExportOptions = Common & {
  readonly from?: string
  readonly to?: string
  readonly withKeys?: boolean
  readonly out?: string
}
type VerifyOptions = Common & {
  readonly root?: string
  readonly crl?: readonly string[]
  readonly scanned?: string
  readonly yes?: boolean
}

/** `transcript export`, `transcript receipt` and `transcript verify`. */
export const transcriptCommand = <Options extends Common>(parts: Parts<Options>): Command => {
  const { print, withClient } = parts
  const make = new Command('export')
    .argument('<room>', '#room, @user, or the beginning of an id')
    .option('--from <time>', 'only what was written then or later, as 2026-05-03T10:00:00Z or 2026-05-03')
    .option('--to <time>', 'only what was written then or earlier')
    .option('--with-keys', 'with the keys of the messages: whoever has the file can read them', false)
    .option('--out <file>', 'where to; - is standard output (default: ROOM.transcript)')
    .description('write a room to a file that proves who said what: see `verify`')
    .action(async (word: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options & ExportOptions>()
      const { from, to, withKeys, json } = options
      const range = {
        ...(from === undefined ? {} : { from: isoOf(timeOf('--from', from)) }),
        ...(to === undefined ? {} : { to: isoOf(timeOf('--to', to)) }),
      }
      await withClient(options, { command: 'transcript export' }, async (helper) => {
        const { id, place } = await roomOf(helper, word, 0)
        const file = options.out ?? fileNameOf(place, 'transcript')
        const order = { room: id, ...range, withKeys: withKeys === true }
        const bytes = await write(file, helper.client.read(exportTranscript, order))
        told(file, exportedJson, { event: 'exported', room: place, file, bytes, withKeys: withKeys === true }, json)
      })
    })
  const receipt = new Command('receipt')
    .argument('<room>', '#room, @user, or the beginning of an id')
    .option('--out <file>', 'where to; - is standard output (default: ROOM.receipt)')
    .description('sign what this device holds of a room now; of a room that you left, what it signed then')
    .action(async (word: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options & ExportOptions>()
      await withClient(options, { command: 'transcript receipt' }, async (helper) => {
        const { id, place } = await roomOf(helper, word, 0)
        const file = options.out ?? fileNameOf(place, 'receipt')
        const bytes = await write(file, helper.client.read(receiptOf, { room: id }))
        told(file, receiptJson, { event: 'receipt', room: place, file, bytes }, options.json)
      })
    })
  const told = <Shape extends z.ZodType<{ bytes: number }>>(
    file: string,
    shape: Shape,
    object: z.output<Shape>,
    json = false,
  ): void => {
    if (file !== STDOUT) print(json ? JSON.stringify(shape.parse(object)) : `${file}: ${object.bytes} bytes`)
  }
  return new Command('transcript')
    .description('rooms as evidence: who said what, provable to whoever has the root certificate')
    .addCommand(make)
    .addCommand(receipt)
    .addCommand(verifyCommand(parts))
}

/**
 * `verify FILE` needs no profile, and no network; the exit code is 1 when anything is wrong. `verify @bob` compares keys with
 * a user in person. (A file of such a name is ./@bob.)
 */
export const verifyCommand = <Options extends Common>({ clock, print, withClient }: Parts<Options>): Command =>
  new Command('verify')
    .argument('<what>', 'a transcript or a receipt, - is standard input; or @user, to compare keys in person')
    .option('--root <file>', 'of a transcript: the root certificate of the network, PEM or DER, from whom you trust')
    .option('--crl <file>', 'a revocation list that may be newer; may come again', listed)
    .option('--scanned <link>', 'of @user: what you scanned from their screen, lanyard://compare/1#…, in quotes')
    .option('--yes', 'of @user: both screens show the same; note it')
    .description(
      'say what is wrong with a transcript, offline: exit code 1 when anything is; or compare keys with @user',
    )
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Options & VerifyOptions>()
      if (file.startsWith('@')) {
        const { scanned, yes = false, json = false } = options
        await withClient(options, { command: 'verify' }, ({ client }) =>
          compareOnce(client, { user: file, scanned, yes, json }),
        )
        return
      }
      if (options.root === undefined) throw fault('input-missing', '--root FILE, the root certificate of the network')
      const root = orThrow(await readAtMost(options.root, CERTIFICATE_FILE_MAX_BYTES))
      const crls: Uint8Array[] = []
      for (const path of options.crl ?? []) crls.push(orThrow(await readAtMost(path, CRL_FILE_MAX_BYTES)))
      const report = await readReport(file, { root, crls, now: clock.now() })
      if (options.json === true) print(JSON.stringify(report))
      else for (const line of reportLines(report)) print(line)
      if (!report.ok) process.exitCode = 1
    })

const listed = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
const STDOUT = '-'
const READ_BYTES = 256 * KIB

const readReport = async (file: string, grounds: Parameters<typeof verifyTranscript>[1]): Promise<Report> => {
  const pieces = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: READ_BYTES })
  try {
    return await verifyTranscript(pieces, grounds)
  } catch (cause) {
    if (cause instanceof Error && 'syscall' in cause) throw fault('file-unreadable', `${file}: ${cause.message}`, cause)
    throw cause
  } finally {
    pieces.destroy()
  }
}

const isoOf = (ms: number): string => new Date(ms).toISOString()

/** A plain name in the folder where we are, whatever the room is called. */
const fileNameOf = (place: string, ending: string): string =>
  `${
    place
      .replace(/^[#@]/, '')
      .replace(/[^\p{L}\p{N}._-]+/gu, '-')
      .replace(/^\.+/, '') || 'room'
  }.${ending}`

/** Writes beside the file first: a name that is there holds all of it. @returns how many bytes */
const write = async (file: string, pieces: AsyncIterable<Uint8Array>): Promise<number> => {
  if (file === STDOUT) return await pour(pieces, toStdout)
  await refuseExisting(file)
  const draft = `${file}.part`
  try {
    await using handle = await openNew(draft)
    const bytes = await pour(pieces, (piece) => handle.writeFile(piece))
    await handle.sync()
    await rename(draft, file)
    return bytes
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

const pour = async (pieces: AsyncIterable<Uint8Array>, put: (piece: Uint8Array) => Promise<void>): Promise<number> => {
  let bytes = 0
  for await (const piece of pieces) {
    await put(piece)
    bytes += piece.byteLength
  }
  return bytes
}

const toStdout = (piece: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(piece, (error) => (error == null ? resolve() : reject(error)))
  })

/** Readable by its owner alone: it may hold keys. */
const openNew = (path: string): Promise<FileHandle> =>
  open(path, 'w', 0o600).catch((cause: unknown) => {
    throw fault('storage-failed', path, cause)
  })

const refuseExisting = async (file: string): Promise<void> => {
  const there = await open(file).catch(() => null)
  await there?.close()
  if (there !== null) throw fault('output-exists', file)
}
