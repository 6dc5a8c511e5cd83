import { describe } from 'vitest'
import { inFile } from '../support/ca-databases.ts'
import { backupContract } from './backup.ts'
import { crowdContract } from './crowd.ts'
import { doorsContract } from './doors.ts'
import { ledgerContract } from './ledger.ts'
import { registryContract } from './registry.ts'

describe('on SQLite', () => {
  registryContract(inFile)
  ledgerContract(inFile)
  doorsContract(inFile)
  crowdContract(inFile)
  backupContract(inFile, inFile)
})
