import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findPassword } from '../../ca-node/database-password.ts'
import { temporaryFolder } from '../support/enrolment.ts'

const FILE = [
  '# a comment: localhost:5432:lanyard:ca:none',
  'db.example:5432:lanyard:ca:first',
  'db.example:*:lanyard:*:with\\:colon and \\\\',
  'localhost:5432:*:ca:here',
  'too:short:by:one',
  '',
].join('\n')

let folder: Awaited<ReturnType<typeof temporaryFolder>>
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

const fileOf = async (mode: number): Promise<string> => {
  const path = join(folder.path, `pgpass-${mode}`)
  await writeFile(path, FILE, { mode })
  return path
}

test.each([
  [{ host: 'db.example', port: 5432, database: 'lanyard', user: 'ca' }, 'first'],
  [{ host: 'db.example', port: 5433, database: 'lanyard', user: 'ca' }, 'with:colon and \\'],
  [{ host: 'localhost', port: 5432, database: 'any', user: 'ca' }, 'here'],
  [{ host: '/run/postgresql', port: 5432, database: 'any', user: 'ca' }, 'here'],
  [{ host: 'localhost', port: 5432, database: 'any', user: 'other' }, null],
  [{ host: 'too', port: 5432, database: 'by', user: 'one' }, null],
])('the password for %j is %j', async (target, password) => {
  expect(await findPassword(target, await fileOf(0o600))).toBe(password)
})

test('a password file that others may read does not count, and none is none', async () => {
  const target = { host: 'db.example', port: 5432, database: 'lanyard', user: 'ca' }
  expect(await findPassword(target, await fileOf(0o640))).toBeNull()
  expect(await findPassword(target, join(folder.path, 'none'))).toBeNull()
})
