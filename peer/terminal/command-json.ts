import { z } from 'zod'
import { eventShape } from '../api/event-json.ts'
import { comparisonShape } from '../api/operations/compare.ts'
import { listFiles } from '../api/operations/files.ts'
import { users } from '../api/operations/people.ts'
import { listRooms } from '../api/operations/rooms.ts'
import { refusalShape } from '../api/refusal-json.ts'
import { renewedJson } from '../commands/renew.ts'
import { reportShape } from '../transcript/report.ts'
import { offeredJson, servedJson, steeredJson, wholeJson } from './file-once.ts'
import { doctorJson } from './finding.ts'
import { devicesJson, foundJson, messageEventJson, searchEndJson, statusJson } from './look.ts'
import { roomChangedJson, roomLeftJson } from './program-rooms.ts'
import { storedJson } from './say.ts'
import { exportedJson, receiptJson } from './transcript.ts'

/** What any command prints with `--json` when it is refused. */
export const errorJson = refusalShape.extend({ event: z.literal('error') })

const device = { user: z.string(), device: z.string() }
const rekeyed = z.object({ event: z.literal('rekeyed'), ...device, before: z.string(), until: z.iso.datetime() })
const joined = z.object({ event: z.literal('joined'), ...device, network: z.string() })
const folder = z.object({ folder: z.string() })
const entry = z.object({ name: z.string(), kind: z.enum(['file', 'folder']), size: z.number() })
const compared = comparisonShape.extend({ event: z.enum(['comparison', 'scanned']) })
const roomChanged = [roomChangedJson]

/**
 * What each command prints with `--json`, one object a line, besides `errorJson`. It is stable: names and meanings stay, and
 * what is new comes beside them.
 */
export const COMMAND_JSON: Readonly<Record<string, readonly z.ZodType[]>> = {
  join: [joined],
  login: [joined, renewedJson, rekeyed],
  renew: [renewedJson],
  rekey: [rekeyed],
  passwd: [
    z.object({ event: z.literal('password-changed'), user: z.string() }),
    z.object({ event: z.literal('passphrase-changed') }),
  ],
  config: [
    z.object({
      strict: z.boolean(),
      mdns: z.boolean().optional(),
      acceptMb: z.number().optional(),
      acceptFrom: z.array(z.string()).optional(),
      quotaMb: z.number().optional(),
      limitKb: z.number().optional(),
    }),
  ],
  backup: [z.object({ event: z.literal('backed-up'), file: z.string(), bytes: z.number() })],
  restore: [z.object({ event: z.literal('restored'), user: z.string(), network: z.string(), made: z.iso.datetime() })],
  'service install': [z.object({ event: z.literal('service-installed'), unit: z.string() })],
  run: [eventShape],
  status: [statusJson],
  doctor: [doctorJson],
  devices: [devicesJson],
  users: [users.output],
  rooms: [listRooms.output],
  'room create': roomChanged,
  'room join': roomChanged,
  'room leave': [roomLeftJson],
  'room invite': roomChanged,
  'room remove': roomChanged,
  'room admin': roomChanged,
  'room member': roomChanged,
  'room topic': roomChanged,
  'room rename': roomChanged,
  'room keep': roomChanged,
  say: [storedJson],
  history: [messageEventJson],
  search: [foundJson, searchEndJson],
  send: [offeredJson, servedJson, eventShape],
  files: [listFiles.output],
  'files delete': [steeredJson],
  get: [wholeJson, eventShape],
  resume: [wholeJson, eventShape],
  pause: [steeredJson],
  cancel: [steeredJson],
  pwd: [folder],
  cd: [folder],
  ls: [folder.extend({ entries: z.array(entry) })],
  'certificate verify': [
    z.object({
      file: z.string(),
      ok: z.boolean(),
      ...z.object({ serial: z.string(), notBefore: z.iso.datetime(), notAfter: z.iso.datetime() }).partial().shape,
      ...z.object({ user: z.string(), device: z.string(), network: z.string() }).partial().shape,
      ...refusalShape.omit({ next: true }).partial().shape,
    }),
  ],
  'transcript export': [exportedJson],
  'transcript receipt': [receiptJson],
  'transcript verify': [reportShape],
  verify: [reportShape, compared],
}
