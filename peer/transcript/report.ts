import { z } from 'zod'
import { isCode } from '../../shared/words.ts'

// What `verify` finds, as scripts get it: stable, and described by this schema.

const time = z.iso.datetime()
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const log = { device: z.string(), incarnation: z.string().regex(/^[0-9a-f]{16}$/) }

/** One thing that is wrong. */
const problemShape = z.strictObject({
  code: z.string().refine(isCode),
  /** One sentence, with what is known of it. */
  reason: z.string(),
  /** The item of the file (from 0) and its first byte; absent where no single one is at fault. */
  item: z.int().nonnegative().optional(),
  byte: z.int().nonnegative().optional(),
  /** Of a record: whose it is, in which log, and its number. */
  user: z.string().optional(),
  device: z.string().optional(),
  incarnation: log.incarnation.optional(),
  seq: z.int().nonnegative().optional(),
})

const logShape = z.strictObject({
  ...log,
  user: z.string(),
  first: z.int().nonnegative(),
  last: z.int().nonnegative(),
  /** Records that are here. */
  records: z.int().nonnegative(),
  /** Of a log whose beginning is not here: the hash of the record before the first, to which it is chained. */
  prev: hash.nullable(),
})

const authorShape = z.strictObject({
  user: z.string(),
  device: z.string(),
  certificate: hash,
  serial: z.string(),
  notBefore: time,
  notAfter: time,
  /** When it was revoked, by the lists that are here. */
  revoked: time.nullable(),
})

const messageShape = z.strictObject({
  id: hash,
  time,
  user: z.string(),
  ...log,
  seq: z.int().nonnegative(),
  /** False: its author was removed or revoked by then, or signed two records with one number. */
  counts: z.boolean(),
  kind: z.enum(['text', 'edit', 'delete', 'reaction', 'file', 'unreadable', 'closed', 'erased']),
  text: z.string().optional(),
  emoji: z.string().optional(),
  on: z.boolean().optional(),
  file: z.strictObject({ name: z.string(), size: z.int().nonnegative(), type: z.string() }).optional(),
  /** The message that it answers, changes, takes back or reacts to. */
  of: hash.optional(),
})

/** The report of `verify --json`. */
export const reportShape = z.strictObject({
  event: z.literal('verified'),
  ok: z.boolean(),
  /** Null where not even the beginning could be read. */
  transcript: z
    .strictObject({
      network: z.string(),
      room: hash,
      name: z.string(),
      what: z.enum(['records', 'receipt']),
      made: time,
      from: time.nullable(),
      to: time.nullable(),
      withKeys: z.boolean(),
    })
    .nullable(),
  /** Who signed the receipt at the end, if that is in order. */
  exporter: z.strictObject({ user: z.string(), device: z.string(), certificate: hash }).nullable(),
  /** The newest list that it was judged by. */
  revocationList: z
    .strictObject({ number: z.int().nonnegative(), made: time, due: time, staleThen: z.boolean() })
    .nullable(),
  /** Records that were read, and those of them that count for nobody by the rules of the room. */
  records: z.int().nonnegative(),
  hidden: z.int().nonnegative(),
  /** Whether membership was judged: of a part of a room it can't be. */
  membership: z.enum(['judged', 'not-judged']),
  authors: z.array(authorShape),
  logs: z.array(logShape),
  problems: z.array(problemShape),
  /** How many there are, which may be more than are listed. */
  problemCount: z.int().nonnegative(),
  /** In the order of their time; null without keys. */
  messages: z.array(messageShape).nullable(),
})

export type Report = z.infer<typeof reportShape>
export type Problem = z.infer<typeof problemShape>
export type TranscriptMessage = z.infer<typeof messageShape>

/** The last time that has a year of four digits, milliseconds. A file may claim a later one. */
const DATE_MAX_MS = Date.UTC(10_000, 0, 1) - 1
/** As reports tell times. */
export const iso = (ms: number): string => new Date(Math.min(ms, DATE_MAX_MS)).toISOString()
export const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))
