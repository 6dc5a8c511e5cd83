import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Where .ci/run wants the outcome as JSON.
const report = process.env.LANYARD_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Hundreds of real processes are started: half of what a start costs is compiling.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/lanyard', import.meta.url)) },
    // They end what hangs, and measure nothing: on a machine with other work a test of a second took forty.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 150_000 } }, // a second otherwise
    // On a shared machine a scenario may lose a race with the clock: it is tried once more there, and vitest says so.
    retry: process.env.LANYARD_CI === undefined ? 0 : 1,
    // Two cores, and tests of which many wait for timers, disks or each other: with two at a time a fifth of both was idle, with three an eighth.
    maxWorkers: 4,
    ...(report === undefined ? {} : { reporters: ['default', ['json', { outputFile: report }]] }),
  },
})
