import { checkScanned, compare, markCompared, unmarkCompared } from '../api/operations/compare.ts'
import { comparisonLines, markedLine } from './compare-lines.ts'
import { type Commands, type Desk, firstWord, nameOf, needed } from './desk.ts'

/** What the commands about comparing do, a line each. */
export const COMPARE_HELP = `/verify @USER [LINK]       compare keys in person: a number and a QR code; LINK: what you scanned
/verified @USER [no]       note that both screens showed the same, or take the note back`

export const compareCommands = (desk: Desk): Commands => {
  const { client, show } = desk
  /** What was shown is what is noted: not what has come since. */
  const shown = new Map<string, readonly string[]>()
  return {
    '/verify': async (rest) => {
      const [word, link] = firstWord(rest)
      const user = nameOf(needed(word, '/verify @USER [LINK]'))
      if (link !== '') {
        const found = await client.call(checkScanned, { user: word, link })
        shown.set(user, found.number)
        show(`* the same on both screens. /verified @${user} notes it`, { event: 'scanned', ...found, same: true })
        return
      }
      const comparison = await client.call(compare, { user: word })
      shown.set(user, comparison.number)
      const lines = [...(await comparisonLines(comparison)), `The same: /verified @${user}`]
      show(lines.join('\n'), { event: 'comparison', ...comparison })
    },
    '/verified': async (rest) => {
      const [word, no] = firstWord(rest)
      const user = nameOf(needed(word, '/verified @USER [no]'))
      if (no === 'no') {
        const { state } = await client.call(unmarkCompared, { user: word })
        show(`* ${user} is not compared any more`, { event: 'compared', user, state })
        return
      }
      const number = shown.get(user) ?? (await client.call(compare, { user: word })).number
      const { state } = await client.call(markCompared, { user: word, number: [...number] })
      show(markedLine(user), { event: 'compared', user, state })
    },
  }
}
