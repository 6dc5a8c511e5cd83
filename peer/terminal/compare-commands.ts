import { orThrow } from '../../shared/errors.ts'
import { localClient } from '../api/client.ts'
import { checkScanned, compare, markCompared, unmarkCompared } from '../api/operations/compare.ts'
import { findUser } from '../api/places.ts'
import { comparisonLines, markedLine } from './compare-lines.ts'
import { type Commands, type Desk, firstWord, needed } from './desk.ts'

/** What the commands about comparing do, a line each. */
export const COMPARE_HELP = `/verify @USER [LINK]       compare keys in person: a number and a QR code; LINK: what you scanned
/verified @USER [no]       note that both screens showed the same, or take the note back`

export const compareCommands = (desk: Desk): Commands => {
  const { peer, show } = desk
  const client = localClient(peer)
  /** What was shown is what is noted: not what has come since. */
  const shown = new Map<string, readonly string[]>()
  return {
    '/verify': async (rest) => {
      const [word, link] = firstWord(rest)
      const user = orThrow(findUser(peer, needed(word, '/verify @USER [LINK]')))
      if (link !== '') {
        const found = await client.call(checkScanned, { user, link })
        shown.set(user, found.number)
        show(`* the same on both screens. /verified @${user} notes it`, { event: 'scanned', ...found, same: true })
        return
      }
      const comparison = await client.call(compare, { user })
      shown.set(user, comparison.number)
      const lines = [...(await comparisonLines(comparison)), `The same: /verified @${user}`]
      show(lines.join('\n'), { event: 'comparison', ...comparison })
    },
    '/verified': async (rest) => {
      const [word, no] = firstWord(rest)
      const user = orThrow(findUser(peer, needed(word, '/verified @USER [no]')))
      if (no === 'no') {
        const { state } = await client.call(unmarkCompared, { user })
        show(`* ${user} is not compared any more`, { event: 'compared', user, state })
        return
      }
      const number = shown.get(user) ?? (await client.call(compare, { user })).number
      const { state } = await client.call(markCompared, { user, number: [...number] })
      show(markedLine(user), { event: 'compared', user, state })
    },
  }
}
