import { expect, test } from 'vitest'
import { createIngest, type IngestParts } from '../../peer/log/ingest.ts'
import type { ParsedRecord } from '../../peer/log/record.ts'

test('what comes after the end is not taken, and asks nothing of a store that is closed', async () => {
  const touched: string[] = []
  const closed = new Proxy({}, { get: (_parts, name) => void touched.push(String(name)) }) as IngestParts
  const ingest = createIngest(closed)
  await ingest.close()
  touched.splice(0)
  const late = {} as ParsedRecord
  expect(await ingest.take(late)).toMatchObject({ code: 'given-up' })
  expect(await ingest.takeWith(late, new Uint8Array(32), () => expect.fail('a wrong key'))).toMatchObject({
    code: 'given-up',
  })
  await ingest.idle()
  expect(touched).toEqual([])
})
