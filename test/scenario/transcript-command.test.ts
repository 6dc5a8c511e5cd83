import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openKeystore } from '../../peer/identity/keystore.ts'
import { reportShape } from '../../peer/transcript/report.ts'
import { PASSPHRASE, type TestCa, testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'
import { type PeerCommand, peerCommand } from '../support/peer-command.ts'

let ca: TestCa
let homes: Awaited<ReturnType<typeof openHomes>>
let home: PeerCommand
beforeAll(async () => {
  ca = await testCa()
  homes = await openHomes(ca)
  home = peerCommand(await homes.settle('tess'))
})
afterAll(async () => {
  home.stop()
  await homes[Symbol.asyncDispose]()
  await ca.stop()
})

test('npm run peer -- transcript export, receipt, and verify, from a home to a file and a verdict', async () => {
  const at = (name: string): string => join(homes.folder, name)
  await writeFile(at('root.der'), (await openKeystore(at('tess'), PASSPHRASE)).root)
  expect(await home.json(['say', 'for the record', '--wait', '0'])).toMatchObject({ exit: 0 })
  const exported = await home.json(['transcript', 'export', '#general', '--with-keys', '--out', at('general')])
  expect(exported).toMatchObject({ exit: 0, event: 'exported', room: '#general', file: at('general'), withKeys: true })
  const { size, mode } = await stat(at('general'))
  expect([size, mode & 0o777]).toEqual([exported.bytes, 0o600])
  const { exit, ...report } = await home.json(['verify', at('general'), '--root', at('root.der')])
  expect({ exit, ...reportShape.parse(report) }).toMatchObject({ exit: 0, ok: true, exporter: { user: 'tess' } })
  expect(reportShape.parse(report).messages?.map(({ text }) => text)).toEqual(['for the record'])

  const again = await home.json(['transcript', 'export', '#general', '--out', at('general')])
  expect(again).toMatchObject({ exit: 1, event: 'error', code: 'output-exists' })
  const part = await home.json(['transcript', 'export', '#general', '--to', '2020-01-01', '--out', at('part')])
  expect(part).toMatchObject({ exit: 0, withKeys: false })
  expect(await home.json(['verify', at('part'), '--root', at('root.der')])).toMatchObject({ exit: 0, records: 0 })
  expect(await home.json(['transcript', 'receipt', '#general', '--out', at('receipt')])).toMatchObject({ exit: 0 })
  const receipt = await home.run(['verify', at('receipt'), '--root', at('root.der')])
  expect(receipt.out).toContain('VERIFIED: the device that signed it held this')
  for (const [args, code] of [
    [['export', '#nowhere'], 'room-unknown'],
    [['export', '#general', '--from', 'yesterday'], 'input-invalid'],
    [['export', '#general', '--out', at('no/such/folder')], 'storage-failed'],
  ] as const) {
    expect(await home.json(['transcript', ...args])).toMatchObject({ exit: 1, event: 'error', code })
  }
  expect((await readdir(homes.folder)).filter((name) => name.endsWith('.part'))).toEqual([])
})
