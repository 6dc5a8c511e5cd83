import { orThrow } from '../../shared/errors.ts'
import { messageJson } from '../api/message-json.ts'
import { findUser, placeOf } from '../api/places.ts'
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
  const { peer, show } = desk
  return {
    '/reply': async (rest) => {
      const [start, text] = firstWord(rest)
      const reply = findMessage(desk, start, '/reply ID TEXT')
      const id = await peer.say(desk.here(), needed(text, '/reply ID TEXT'), { reply })
      show(`  answered ${start}`, { event: 'stored', id, reply, text })
    },
    '/edit': async (rest) => {
      const [start, text] = firstWord(rest)
      const id = findMessage(desk, start, '/edit ID TEXT')
      await peer.edit(id, needed(text, '/edit ID TEXT'))
      show(`  edited ${start}`, { event: 'edited', id, text })
    },
    '/delete': async (rest) => {
      const id = findMessage(desk, rest, '/delete ID')
      await peer.takeBack(id)
      show(`  taken back`, { event: 'deleted', id })
    },
    '/react': async (rest) => {
      const [start, emoji] = firstWord(rest)
      const id = findMessage(desk, start, '/react ID EMOJI')
      const before = peer.message(id)?.reactions ?? []
      const on = !before.some((one) => one.emoji === emoji && one.users.includes(peer.self.user))
      await peer.react(id, needed(emoji, '/react ID EMOJI'), on)
      show(on ? `  ${emoji}` : `  ${emoji} taken off`, { event: 'reacted', id, emoji, on })
    },
    '/search': async (rest) => {
      const hits = await peer.search(needed(rest, '/search WORDS'))
      for (const { message } of hits.toReversed()) {
        const told = messageJson(message, placeOf(peer, message.room))
        show(messageLine(told, told.room), { ...told, event: 'found' })
      }
      show(hits.length === 0 ? '* nothing found' : `* ${hits.length} found`, {
        event: 'search-end',
        found: hits.length,
      })
    },
    '/read': () => peer.markRead(desk.here()),
    '/ids': () => {
      for (const message of peer.history(desk.here(), RECENT)) {
        const { id, state } = message
        const far =
          state === null
            ? ''
            : `  [${state.devices === 0 ? 'stored' : `at ${state.devices}`}${state.readBy.length === 0 ? '' : `, read by ${state.readBy.join(', ')}`}]`
        const told = messageJson(message, placeOf(peer, message.room))
        show(`${id.slice(0, 8)}  ${messageLine(told)}${far}`, { ...told, event: 'id', state })
      }
    },
    '/block': (rest) => {
      const user = orThrow(findUser(peer, needed(rest, '/block @USER')))
      peer.block(user)
      show(`* nothing of ${user} is shown here any more`, { event: 'blocked', user, on: true })
    },
    '/unblock': (rest) => {
      const user = orThrow(findUser(peer, needed(rest, '/unblock @USER')))
      peer.block(user, false)
      show(`* ${user} is shown again`, { event: 'blocked', user, on: false })
    },
  }
}

const RECENT = 20 // messages
