import { cuts } from './cuts.ts'
import { enrolments } from './enrolments.ts'
import type { Bench } from './figures.ts'
import { lists } from './lists.ts'

/** What the CA and its lists cost: joining and renewing, lists and checks, and how soon somebody is out. */
export const ca: Bench = async (say) => ({
  ...(await lists(say)),
  ...(await enrolments(say)),
  ...(await cuts(say)),
})
