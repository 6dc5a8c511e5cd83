import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'vitest'

const MOUNT = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && shift && exec "$@"'

/** Why this machine lets us mount no disk of our own; null when it does. */
const unable: string | null = (() => {
  if (process.getuid?.() !== 0) return 'not run as root'
  const probe = spawnSync('unshare', ['-m', 'sh', '-c', MOUNT, '1m', '/mnt', 'true'], { encoding: 'utf8' })
  if (probe.error !== undefined) return 'no unshare program (Debian: util-linux)'
  return probe.status === 0 ? null : `none may be mounted: ${probe.stderr.trim()}`
})()
if (unable !== null && process.env.LANYARD_CI !== '1') console.warn(`skipped: the tests that fill a disk: ${unable}`)

/** A test that needs a disk of its own: skipped where none can be mounted, but not in CI (LANYARD_CI=1), where it then fails. */
export const testWithSmallDisk = test.skipIf(unable !== null && process.env.LANYARD_CI !== '1')

/** A disk in memory that only the programs started here see. */
export type SmallDisk = {
  /** Where it is, for them. */
  readonly path: string
  start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess
  /** Leaves no room on it. */
  fill(): void
  /** Makes room again. */
  clear(): void
}

/**
 * The first program that is started brings the disk with it, and takes it away at its end; the others join that one.
 * @param size as `mount` has it: `4m`
 */
export const createSmallDisk = (path: string, size: string): SmallDisk => {
  mkdirSync(path)
  let first: ChildProcess | null = null
  const filling = (): string => join(`/proc/${first?.pid}/root`, path, 'filling')
  return {
    path,
    start: (program, args, options) => {
      if (first !== null) return spawn('nsenter', ['-t', String(first.pid), '-m', program, ...args], options)
      first = spawn('unshare', ['-m', 'sh', '-c', MOUNT, size, path, program, ...args], options)
      return first
    },
    fill: () => {
      for (let page = 0; ; page++) {
        try {
          writeFileSync(filling(), Buffer.alloc(4_096), { flag: 'a' })
        } catch (error) {
          if (page > 0 && error instanceof Error && 'code' in error && error.code === 'ENOSPC') return
          throw error
        }
      }
    },
    clear: () => rmSync(filling()),
  }
}
