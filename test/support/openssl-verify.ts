import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toPem } from '../../shared/certificate/pem.ts'
import type { Mutant } from './mutants.ts'

/** What stays the same while openssl judges many: DER; the purpose as openssl calls it; milliseconds since 1970. */
type Scene = { readonly purpose: 'any' | 'sslclient' | 'sslserver'; readonly at: number }

const FILES_A_RUN = 500 // as long as a command line may well be

/** The names of the certificates that openssl, at its strictest, does not take under the root. */
export const refusedLeaves = (leaves: readonly Mutant[], root: Uint8Array, scene: Scene): string[] =>
  inFolder((folder) => {
    const roots = write(folder, 'root.pem', 'CERTIFICATE', root)
    return chunks(leaves, FILES_A_RUN).flatMap((chunk) => {
      const files = chunk.map(({ der }, at) => write(folder, `${at}.pem`, 'CERTIFICATE', der))
      const taken = verify(['-CAfile', roots, ...files], scene)
      return chunk.filter((_, at) => !taken.includes(`${files[at]}: OK`)).map(({ name }) => name)
    })
  })

/** The names of the roots under which openssl does not take the leaf. */
export const refusedRoots = (roots: readonly Mutant[], leaf: Uint8Array, scene: Scene): string[] =>
  inFolder((folder) => {
    const file = write(folder, 'leaf.pem', 'CERTIFICATE', leaf)
    const files = roots.map(({ der }, at) => write(folder, `${at}.pem`, 'CERTIFICATE', der))
    const taken = verifyEach(files, ['-check_ss_sig', '-CAfile', EACH, file], scene)
    return roots.filter((_, at) => taken[at] !== true).map(({ name }) => name)
  })

/** The names of the lists with which openssl does not take the leaf under the root. */
export const refusedLists = (
  lists: readonly Mutant[],
  { leaf, root }: { leaf: Uint8Array; root: Uint8Array },
  scene: Scene,
): string[] =>
  inFolder((folder) => {
    const file = write(folder, 'leaf.pem', 'CERTIFICATE', leaf)
    const roots = write(folder, 'root.pem', 'CERTIFICATE', root)
    const files = lists.map(({ der }, at) => write(folder, `${at}.pem`, 'X509 CRL', der))
    const taken = verifyEach(files, ['-crl_check', '-CRLfile', EACH, '-CAfile', roots, file], scene)
    return lists.filter((_, at) => taken[at] !== true).map(({ name }) => name)
  })

const argumentsFor = ({ purpose, at }: Scene): readonly string[] => [
  ...['verify', '-x509_strict', '-purpose', purpose, '-attime', String(Math.floor(at / 1000))],
]

const verify = (args: readonly string[], scene: Scene): readonly string[] => {
  const run = spawnSync('openssl', [...argumentsFor(scene), ...args], { encoding: 'utf8' })
  if (run.error !== undefined) throw run.error
  return run.stdout.split('\n')
}

const EACH = '{}'

/** Whether openssl says yes, for one file after another in the place of EACH: a process a file, all started by one shell. */
const verifyEach = (files: readonly string[], args: readonly string[], scene: Scene): readonly boolean[] => {
  const words = ['openssl', ...argumentsFor(scene), ...args].map((word) => (word === EACH ? '"$file"' : `'${word}'`))
  const script = `while read -r file; do ${words.join(' ')} >/dev/null 2>&1 && echo yes || echo no; done`
  const run = spawnSync('sh', ['-c', script], { encoding: 'utf8', input: files.map((file) => `${file}\n`).join('') })
  if (run.error !== undefined) throw run.error
  return run.stdout.split('\n').map((line) => line === 'yes')
}

const write = (folder: string, name: string, label: string, der: Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, toPem(label, der))
  return path
}

const inFolder = <T>(work: (folder: string) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-openssl-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const chunks = <T>(list: readonly T[], size: number): readonly (readonly T[])[] =>
  list.length === 0 ? [] : [list.slice(0, size), ...chunks(list.slice(size), size)]
