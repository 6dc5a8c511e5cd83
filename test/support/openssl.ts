import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'vitest'

const missing = spawnSync('openssl', ['version']).status !== 0
if (missing && process.env.LANYARD_CI !== '1')
  console.warn('skipped: the tests that ask openssl, which is not installed')

/** A test that asks the openssl program: skipped without it, but not in CI (LANYARD_CI=1), where it then fails. */
export const testWithOpenssl = test.skipIf(missing && process.env.LANYARD_CI !== '1')

/**
 * Runs openssl over files.
 * @param files name → content; where an argument is one of the names, it becomes that file's path
 * @returns what openssl wrote, both streams
 * @throws when openssl says no
 */
export const openssl = (args: readonly string[], files: Readonly<Record<string, string | Uint8Array>>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-openssl-'))
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
    const paths = args.map((argument) => (Object.hasOwn(files, argument) ? join(folder, argument) : argument))
    const run = spawnSync('openssl', paths, { encoding: 'utf8' })
    if (run.error !== undefined) throw run.error
    if (run.status !== 0) throw new Error(`openssl ${args[0]}: ${run.stderr}`)
    return run.stdout + run.stderr
  } finally {
    rmSync(folder, { recursive: true })
  }
}
