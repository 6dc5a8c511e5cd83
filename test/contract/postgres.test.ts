import { afterAll, beforeAll, describe } from 'vitest'
import { inFile, onServer } from '../support/ca-databases.ts'
import { describeWithPostgres, type Postgres, startPostgres } from '../support/postgres.ts'
import { backupContract } from './backup.ts'
import { crowdContract } from './crowd.ts'
import { doorsContract } from './doors.ts'
import { ledgerContract } from './ledger.ts'
import { registryContract } from './registry.ts'

describeWithPostgres('on PostgreSQL', () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres?.stop())
  const server = onServer(() => postgres)

  registryContract(server)
  ledgerContract(server)
  doorsContract(server)
  crowdContract(server)
  describe('into PostgreSQL', () => backupContract(server, server))
  describe('into SQLite', () => backupContract(server, inFile))
  describe('from SQLite', () => backupContract(inFile, server))
})
