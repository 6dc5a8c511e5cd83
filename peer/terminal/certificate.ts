import { open } from 'node:fs/promises'
import { Command, Option } from 'commander'
import type { Path, Usage } from '../../shared/certificate/link.ts'
import { verifyPath } from '../../shared/certificate/path.ts'
import { checkProfile, trustAnchor } from '../../shared/certificate/verify.ts'
import type { Clock } from '../../shared/clock.ts'
import { fault, isRefusal, type Refusal, refuse } from '../../shared/errors.ts'
import { CERTIFICATE_FILE_MAX_BYTES, CRL_FILE_MAX_BYTES } from '../../shared/limits.ts'
import { refusalJson } from '../api/refusal-json.ts'

type Options = {
  readonly root: readonly string[]
  readonly crl?: readonly string[]
  readonly at?: string
  readonly usage: Usage
  readonly profile: boolean
}

type Parts = { readonly clock: Clock; readonly print: (line: string) => void }

/** `certificate verify`: an object a file on a line of its own; the exit code is 1 when any is refused. */
export const certificateCommand = ({ clock, print }: Parts): Command => {
  const listed = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  const verify = new Command('verify')
    .description('check certificates against a root: one JSON object a line and file, exit code 1 when one is refused')
    .argument('<file...>', 'a certificate each, PEM or DER')
    .requiredOption('--root <file>', 'a root that is trusted; may come again', listed)
    .option('--crl <file>', 'a revocation list; may come again', listed)
    .option('--at <time>', 'as 2026-05-03T10:00:00Z, or in seconds since 1970 (default: now)')
    .addOption(new Option('--usage <usage>', 'what for').choices(['clientAuth', 'serverAuth', 'any']).default('any'))
    .option('--profile', "hold them to the profile of lanyard's certificates as well", false)
    .action(async (files: readonly string[], options: Options) => {
      const verdicts = await verifyFiles(files, options, clock.now())
      for (const verdict of verdicts) print(JSON.stringify(verdict))
      if (verdicts.some(({ ok }) => !ok)) process.exitCode = 1
    })
  return new Command('certificate').description('what certificates are worth').addCommand(verify)
}

type Verdict = { readonly file: string; readonly ok: boolean; readonly [fact: string]: unknown }

const verifyFiles = async (files: readonly string[], options: Options, now: number): Promise<readonly Verdict[]> => {
  const at = options.at === undefined ? now : timeOf('--at', options.at)
  const anchors = await readAll('--root', options.root, CERTIFICATE_FILE_MAX_BYTES)
  const crls = await readAll('--crl', options.crl ?? [], CRL_FILE_MAX_BYTES)
  const verify = async (file: string): Promise<Verdict> => {
    const leaf = await readAtMost(file, CERTIFICATE_FILE_MAX_BYTES)
    const path = isRefusal(leaf) ? leaf : verifyPath({ leaf, anchors, crls, at, usage: options.usage })
    const facts = isRefusal(path) ? path : factsOf(path, options.profile, at)
    return isRefusal(facts) ? { file, ok: false, ...verdictOf(facts) } : { file, ok: true, ...facts }
  }
  return Promise.all(files.map(verify))
}

/** What is wrong with it. What a device would do next about a certificate of its own does not fit somebody's file, or a root. */
const verdictOf = (refusal: Refusal): Record<string, unknown> => {
  const { next: _, ...verdict } = refusalJson(refusal)
  return verdict
}

const factsOf = ({ leaf, root, ...path }: Path, profile: boolean, at: number): Record<string, unknown> | Refusal => {
  const { serial, notBefore, notAfter } = leaf
  const facts = { serial, notBefore: new Date(notBefore).toISOString(), notAfter: new Date(notAfter).toISOString() }
  if (!profile) return facts
  const anchor = trustAnchor(root.certificate.der, at)
  const device = isRefusal(anchor) ? anchor : checkProfile({ leaf, root, ...path }, anchor)
  if (isRefusal(device)) return device
  const { user, peerId, network } = device
  return { ...facts, user, device: peerId, network }
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/

/** Milliseconds since the Unix epoch. A time of day needs its zone: a bare one would mean something else on each machine. */
export const timeOf = (option: string, text: string): number => {
  const ms = /^\d{1,12}$/.test(text) ? Number(text) * 1_000 : dateOf(text)
  if (!Number.isNaN(ms)) return ms
  throw fault('input-invalid', `${option} ${text}: a time as 2026-05-03T10:00:00Z, or whole seconds since 1970`)
}

const dateOf = (text: string): number => {
  const [year = 0, month = 0, day = 0] = (TIME.exec(text) ?? []).slice(1).map(Number)
  // Date.parse takes 31 February for 3 March.
  return day > 0 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate() ? Date.parse(text) : Number.NaN
}

const readAll = (option: string, files: readonly string[], most: number): Promise<readonly Uint8Array[]> =>
  Promise.all(
    files.map(async (file) => {
      const content = await readAtMost(file, most)
      if (isRefusal(content)) throw fault(content.code, `${option} ${content.detail}`)
      return content
    }),
  )

/** The file, or its beginning when it has more bytes: then it is too long for what it should hold, and refused for that. */
export const readAtMost = async (path: string, most: number): Promise<Uint8Array | Refusal> => {
  try {
    await using file = await open(path)
    const buffer = new Uint8Array(most + 1)
    let length = 0
    for (let read = -1; read !== 0; length += read) ({ bytesRead: read } = await file.read(buffer, length))
    return buffer.subarray(0, length)
  } catch (cause) {
    return refuse('file-unreadable', `${path}: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
