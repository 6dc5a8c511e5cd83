import type { createRack } from '../disk.ts'
import type { Evidence } from '../evidence.ts'
import type { Reference } from '../reference.ts'

/** (6) Who gets all records in any order, some of them twice, comes to the same. */
export async function* anyOrder(
  _evidence: Evidence,
  _references: readonly Reference[],
  _rack: ReturnType<typeof createRack>,
): AsyncGenerator<string> {}
