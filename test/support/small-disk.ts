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

/** Writes pieces behind each other until there is no room for one more. */
const append = (path: string, pieceBytes: number): void => {
  writeFileSync(path, '', { flag: 'a' })
  for (;;) {
    try {
      writeFileSync(path, Buffer.alloc(pieceBytes), { flag: 'a' })
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return
      throw error
    }
  }
}

/** A disk in memory that only the programs started here see. */
export type SmallDisk = {
  /** Where it is, for them. */
  readonly path: string
  start(program: string, args: readonly string[], options: SpawnOptions): ChildProcess
  /** Leaves no room on it. */
  fill(): void
  /** Makes room again. */
  clear(): void
  /** A path on it as we see it from outside, while a program runs there. */
  seen(path: string): string
}

/**
 * The first program that is started brings the disk with it, and takes it away at its end; the others join that one.
 * @param size as `mount` has it: `4m`
 */
export const createSmallDisk = (path: string, size: string): SmallDisk => {
  mkdirSync(path)
  let first: ChildProcess | null = null
  const seen = (inside: string): string => join(`/proc/${first?.pid}/root`, inside)
  const filling = (): string => seen(join(path, 'filling'))
  return {
    path,
    start: (program, args, options) => {
      if (first !== null) return spawn('nsenter', ['-t', String(first.pid), '-m', program, ...args], options)
      first = spawn('unshare', ['-m', 'sh', '-c', MOUNT, size, path, program, ...args], options)
      return first
    },
    fill: () => {
      for (const bytes of [1_048_576, 4_096]) append(filling(), bytes)
    },
    clear: () => rmSync(filling()),
    seen,
  }
}
