import { test } from 'vitest'
import { namespacesUnable } from './lan.ts'

if (namespacesUnable !== null && process.env.LANYARD_CI !== '1')
  console.warn(`skipped: the tests that need network namespaces: ${namespacesUnable}`)

/** A test that needs network namespaces: skipped where they can't be had, but not in CI (LANYARD_CI=1), where it then fails. */
export const testInNamespaces = test.skipIf(namespacesUnable !== null && process.env.LANYARD_CI !== '1')
