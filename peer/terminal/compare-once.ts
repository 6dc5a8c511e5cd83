import { confirm, isCancel } from '@clack/prompts'
import type { Client } from '../api/client.ts'
import { checkScanned, compare, markCompared } from '../api/operations/compare.ts'
import { print } from '../commands/command.ts'
import { comparisonLines, markedLine } from './compare-lines.ts'

export type CompareOrder = {
  readonly user: string
  /** What was scanned from the other screen. */
  readonly scanned?: string | undefined
  /** Both screens show the same: note it, and do not ask. */
  readonly yes: boolean
  readonly json: boolean
}

/**
 * `verify @bob`: shows what is to be held side by side, or checks what was scanned; notes it with `--yes`, or when the person
 * at the terminal says that it is the same.
 */
export const compareOnce = async (client: Client, { user, scanned, yes, json }: CompareOrder): Promise<void> => {
  const isScanned = scanned !== undefined
  const comparison = isScanned
    ? await client.call(checkScanned, { user, link: scanned })
    : await client.call(compare, { user })
  const lines = isScanned ? ['* the same on both screens'] : await comparisonLines(comparison)
  if (!json) for (const line of lines) print(line)
  const isSame = yes || (!json && (await isConfirmed(comparison.user)))
  const marked = isSame ? await client.call(markCompared, { user, number: [...comparison.number] }) : comparison
  if (json) print(JSON.stringify({ event: isScanned ? 'scanned' : 'comparison', ...marked }))
  else if (isSame) print(markedLine(comparison.user))
  else print(`The same on both screens: npm run peer -- verify @${comparison.user} --yes`)
}

const isConfirmed = async (user: string): Promise<boolean> => {
  if (process.stdin.isTTY !== true || process.stdout.isTTY !== true) return false
  const answer = await confirm({ message: `Does ${user}'s screen show the same?`, initialValue: false })
  return !isCancel(answer) && answer
}
