import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'

// A quarter of what a scenario cost was looking for primes: the keys of tests are made beforehand. Each test file gets each
// of them once, and makes new ones after the last. Other programs (those that tests start, the demo, the benches) make their
// own always: two of them must never be the same device.

let rest: string[] | null = null

/** The next of the keys that this test file has not had yet, RSA-2048; null after the last, and outside of tests. */
export const readyKey = (): KeyObject | null => {
  if (!('__vitest_worker__' in globalThis)) return null
  rest ??= readFileSync(new URL('./test-keys.pem', import.meta.url), 'utf8')
    .split(/(?=-----BEGIN)/)
    .slice(1)
  const pem = rest.shift()
  return pem === undefined ? null : createPrivateKey(pem)
}
