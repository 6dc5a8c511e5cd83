import { markRead } from '../api/operations/desk.ts'
import { edit, history, react, say, search, takeBack } from '../api/operations/messages.ts'
import { block } from '../api/operations/people.ts'
import { type Commands, type Desk, findMessage, firstWord, needed } from './desk.ts'
import { messageLine } from './lines.ts'

/** What the commands about messages do, a line each. An ID is the beginning that stands behind a message. */
export const MESSAGE_HELP = `/reply ID TEXT             answer a message
/edit ID TEXT              other words for one of yours
/delete ID                 take one of yours back
/react ID EMOJI            a reaction, or the same again to take it off
/search WORDS              look through all that you can read; from:anna, in:#room
/read                      note that you have read this room
/ids                       show the ids of the last messages, and how far yours have come
/block @USER, /unblock @USER   show nothing of somebody here, or again`

export const messageCommands = (desk: Desk): Commands => {
  const { client, self, show } = desk
  const setBlock = async (word: string, on: boolean): Promise<string> =>
    (await client.call(block, { user: word, on })).user
  return {
    '/reply': async (rest) => {
      const room = desk.here()
      const [start, text] = firstWord(rest)
      const { id: reply } = await findMessage(desk, start, '/reply ID TEXT')
      const { id } = await client.call(say, { room, text: needed(text, '/reply ID TEXT'), reply })
      show(`  answered ${start}`, { event: 'stored', id, reply, text })
    },
    '/edit': async (rest) => {
      const [start, text] = firstWord(rest)
      const { id } = await findMessage(desk, start, '/edit ID TEXT')
      await client.call(edit, { id, text: needed(text, '/edit ID TEXT') })
      show(`  edited ${start}`, { event: 'edited', id, text })
    },
    '/delete': async (rest) => {
      const { id } = await findMessage(desk, rest, '/delete ID')
      await client.call(takeBack, { id })
      show(`  taken back`, { event: 'deleted', id })
    },
    '/react': async (rest) => {
      const [start, emoji] = firstWord(rest)
      const { id, reactions = [] } = await findMessage(desk, start, '/react ID EMOJI')
      const on = !reactions.some((one) => one.emoji === emoji && one.users.includes(self.user))
      await client.call(react, { id, emoji: needed(emoji, '/react ID EMOJI'), on })
      show(on ? `  ${emoji}` : `  ${emoji} taken off`, { event: 'reacted', id, emoji, on })
    },
    '/search': async (rest) => {
      const { hits } = await client.call(search, { words: needed(rest, '/search WORDS') })
      for (const { message } of hits.toReversed()) {
        show(messageLine(message, message.room), { ...message, event: 'found' })
      }
      show(hits.length === 0 ? '* nothing found' : `* ${hits.length} found`, {
        event: 'search-end',
        found: hits.length,
      })
    },
    '/read': async () => {
      await client.call(markRead, { room: desk.here() })
    },
    '/ids': async () => {
      const { messages } = await client.call(history, { room: desk.here(), limit: RECENT })
      for (const message of messages) {
        const { id, state = null } = message
        const far =
          state === null
            ? ''
            : `  [${state.devices === 0 ? 'stored' : `at ${state.devices}`}${state.readBy.length === 0 ? '' : `, read by ${state.readBy.join(', ')}`}]`
        show(`${id.slice(0, 8)}  ${messageLine(message)}${far}`, { ...message, event: 'id', state })
      }
    },
    '/block': async (rest) => {
      const user = await setBlock(needed(rest, '/block @USER'), true)
      show(`* nothing of ${user} is shown here any more`, { event: 'blocked', user, on: true })
    },
    '/unblock': async (rest) => {
      const user = await setBlock(needed(rest, '/unblock @USER'), false)
      show(`* ${user} is shown again`, { event: 'blocked', user, on: false })
    },
  }
}

const RECENT = 20 // messages
