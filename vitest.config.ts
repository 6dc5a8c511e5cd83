import { defineConfig } from 'vitest/config'

// Where .ci/run wants the outcome as JSON.
const report = process.env.LANYARD_TEST_REPORT

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // `expect.poll` gives up after a second otherwise, which is nothing on a machine that has other work.
    expect: { poll: { timeout: 50_000 } },
    // Two cores, and tests that start real processes: more at once only time each other out.
    maxWorkers: 2,
    ...(report === undefined ? {} : { reporters: ['default', ['json', { outputFile: report }]] }),
  },
})
