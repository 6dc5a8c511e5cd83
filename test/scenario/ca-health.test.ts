import { request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../ca-node/database.ts'
import { CRL_LIFETIME_MS } from '../../shared/limits.ts'
import { enrolAs, newcomer, type TestCa, temporaryFolder, testCa } from '../support/enrolment.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await testCa({ healthPort: 0 })
})
afterAll(() => ca.stop())

const get = (path: string, host = '127.0.0.1', method = 'GET') =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: ca.healthPort ?? 0, path, method, headers: { host } }
    request(options, (response) => {
      let body = ''
      response.on('data', (data) => {
        body += String(data)
      })
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
      .once('error', reject)
      .end()
  })

test('a CA says that it is well, and counts what it does', async () => {
  await using device = await newcomer()
  expect(await enrolAs(device, ca.clock, { user: 'alice', invite: await ca.oneInvite() })).toHaveProperty('certificate')
  const wrong = { ...(await ca.oneInvite()), token: new Uint8Array(16) }
  await using stranger = await newcomer()
  expect(await enrolAs(stranger, ca.clock, { user: 'bob', invite: wrong })).toMatchObject({ code: 'token-wrong' })
  const { status, body } = await get('/health')
  expect([status, JSON.parse(body)]).toMatchObject([200, { ok: true, crl: { number: 1 } }])
  const metrics = (await get('/metrics')).body
  expect(metrics).toContain('\nlanyard_ca_users 1\n')
  expect(metrics).toContain('\nlanyard_ca_enrolled_total{door="token"} 1\n')
  expect(metrics).toContain('\nlanyard_ca_refused_total{code="token-wrong"} 1\n')
  for (const line of metrics.trimEnd().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) |\w+(\{\w+="[\w-]*"\})? -?[\d.e+-]+$)/)
})

test('answers nobody who came by another name, and nothing but these two pages', async () => {
  expect((await get('/health', 'evil.example')).status).toBe(403)
  expect((await get('/')).status).toBe(404)
  expect((await get('/health', '127.0.0.1', 'POST')).status).toBe(405)
})

test('nobody reaches these pages from another address than 127.0.0.1', async () => {
  const others = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  // Linux has the whole of 127.0.0.0/8: a server on all addresses would answer there.
  const tried = new Set(['::1', ...(process.platform === 'linux' ? ['127.0.0.2'] : []), ...others])
  for (const host of tried) {
    if (host === '127.0.0.1' || host.startsWith('fe80')) continue
    const outcome = await new Promise((resolve) => {
      const socket = connect({ host, port: ca.healthPort ?? 0 })
      socket.once('connect', () => resolve('connected'))
      socket.once('error', () => resolve('refused'))
    })
    expect({ host, outcome }).toEqual({ host, outcome: 'refused' })
  }
})

test('is not well when its list is stale', async () => {
  ca.clock.advance(CRL_LIFETIME_MS + 1)
  expect(await get('/health')).toEqual({ status: 503, body: '{"ok":false,"reason":"crl-stale"}\n' })
})

test('a database that somebody keeps locked is named as that', async () => {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'ca.db')
  await openDatabase(path).destroy()
  const other = new DatabaseSync(path)
  other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE')
  expect(() => openDatabase(path)).toThrowError(expect.objectContaining({ code: 'database-locked' }))
  other.close()
  await folder.remove()
})
