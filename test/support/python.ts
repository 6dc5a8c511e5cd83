import { spawnSync } from 'node:child_process'
import { test } from 'vitest'

const lacking = [
  ['python3', '--version'],
  ['openssl', 'version'],
].flatMap(([program = '', question = '']) => (spawnSync(program, [question]).status === 0 ? [] : [program]))
/** Whether such tests are skipped here. */
export const isSkipped = lacking.length > 0 && process.env.LANYARD_CI !== '1'
if (isSkipped) console.warn(`skipped: the tests of the second verifier, without ${lacking.join(' and ')}`)

/** A test that asks the second verifier: skipped without python3 and openssl, but not in CI (LANYARD_CI=1), where it then fails. */
export const testWithPython = test.skipIf(isSkipped)
