import type { Command } from 'commander'
import { z } from 'zod'
import {
  changeRoom,
  createRoom,
  grant,
  invite,
  joinRoom,
  leaveRoom,
  type RoomJson,
  removeMember,
  roomShape,
} from '../api/operations/rooms.ts'
import { keptOf, keptWords } from './keep.ts'
import { showRooms } from './look.ts'
import { answer, handedOn, roomOf } from './once.ts'
import { optionsOf, orderOf, seconds, type WaitOptions } from './program-options.ts'
import { withClient } from './with-peer.ts'

export const roomChangedJson = z.object({ event: z.literal('room'), room: roomShape })
export const roomLeftJson = z.object({ event: z.literal('left'), room: z.string(), roomId: z.string() })

/** One thing that is done to a room: what it does, and what that means to people. */
type Verb = {
  readonly name: string
  readonly arguments: readonly (readonly [name: string, description: string])[]
  readonly description: string
  readonly does: (client: Client, room: RoomJson, words: readonly string[]) => Promise<RoomJson>
  readonly said: (room: RoomJson, words: readonly string[]) => string
}
type Client = Parameters<Parameters<typeof withClient>[2]>[0]['client']

const USER = ['<user>', 'with or without @'] as const

const VERBS: readonly Verb[] = [
  {
    name: 'join',
    arguments: [],
    description: 'come into an open room',
    does: async (client, { id }) => (await client.call(joinRoom, { room: id })).room,
    said: ({ place }) => `you are in ${place} now`,
  },
  {
    name: 'invite',
    arguments: [USER],
    description: 'bring somebody into a room',
    does: async (client, { id }, [user = '']) => (await client.call(invite, { room: id, user })).room,
    said: ({ place }, [user]) => `${user} is invited to ${place}`,
  },
  {
    name: 'remove',
    arguments: [USER],
    description: 'remove somebody from a room: what is said from then on is not for them',
    does: async (client, { id }, [user = '']) => (await client.call(removeMember, { room: id, user })).room,
    said: ({ place }, [user]) => `${user} is removed from ${place}`,
  },
  {
    name: 'admin',
    arguments: [USER],
    description: 'make a member an admin',
    does: async (client, { id }, [user = '']) => (await client.call(grant, { room: id, user, admin: true })).room,
    said: ({ place }, [user]) => `${user} is an admin of ${place} now`,
  },
  {
    name: 'member',
    arguments: [USER],
    description: 'make an admin a member again',
    does: async (client, { id }, [user = '']) => (await client.call(grant, { room: id, user, admin: false })).room,
    said: ({ place }, [user]) => `${user} is no admin of ${place} any more`,
  },
  {
    name: 'topic',
    arguments: [['<text...>', 'what the room is about']],
    description: 'say what a room is about',
    does: async (client, { id }, words) => (await client.call(changeRoom, { room: id, topic: words.join(' ') })).room,
    said: ({ place, topic }) => `${place}: ${topic}`,
  },
  {
    name: 'rename',
    arguments: [['<name>', 'its new name']],
    description: 'give a room another name',
    does: async (client, { id }, [name = '']) => (await client.call(changeRoom, { room: id, name })).room,
    said: ({ place }) => `the room is called ${place} now`,
  },
  {
    name: 'keep',
    arguments: [['<how-long...>', 'days, or `12h`, `30m`, `100 messages`, `forever`']],
    description: 'settle how long the messages of a room are kept, or how many',
    does: async (client, { id }, words) =>
      (await client.call(changeRoom, { room: id, ...keptOf(words.join(' ')) })).room,
    said: (room) => `${room.place} keeps ${keptWords(room)}`,
  },
]

const WAIT = ['--wait <seconds>', 'how long to look for news, and then for somebody to tell', '5'] as const

/** The commands about rooms. */
export const addRoomCommands = (program: Command): void => {
  program
    .command('rooms')
    .option('--wait <seconds>', 'how long to look for new ones', '2')
    .description('list your rooms, and open ones that you may join')
    .action(async (_options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: 'rooms' }, (helper) => showRooms(helper, order))
    })
  const room = program.command('room').description('make and change rooms; `rooms` lists them')
  room
    .command('create')
    .argument('<name>', 'what it is called, with or without #')
    .option('--open', 'everybody may come in; else only who is invited')
    .option('--since-join', 'newcomers read from their coming on; else all')
    .option(...WAIT)
    .description('make a room, whose admin you are')
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions & { readonly open?: boolean; readonly sinceJoin?: boolean }>(command)
      const order = orderOf(options, seconds(options.wait))
      const access = options.open === true ? 'open' : 'invite'
      const history = options.sinceJoin === true ? 'since-join' : 'all'
      await withClient(options, { command: 'room create' }, (helper) =>
        handedOn(helper, order.waitMs, async () => {
          const made = await helper.client.call(createRoom, { name, access, history })
          answer(order, roomChangedJson, { event: 'room', ...made }, `${made.room.place} is made: ${made.room.id}`)
        }),
      )
    })
  room
    .command('leave')
    .argument('<room>', '#room, @user, or the beginning of an id')
    .option(...WAIT)
    .description('leave a room; what was here of it is signed for')
    .action(async (word: string, _options: unknown, command: Command) => {
      const options = optionsOf<WaitOptions>(command)
      const order = orderOf(options, seconds(options.wait))
      await withClient(options, { command: 'room leave' }, async (helper) => {
        const { id, place } = await roomOf(helper, word, order.waitMs)
        await handedOn(helper, order.waitMs, async () => {
          await helper.client.call(leaveRoom, { room: id })
          answer(order, roomLeftJson, { event: 'left', room: place, roomId: id }, `you have left ${place}`)
        })
      })
    })
  for (const verb of VERBS) addVerb(room, verb)
}

const addVerb = (parent: Command, verb: Verb): void => {
  const command = parent.command(verb.name).argument('<room>', '#room, or the beginning of an id')
  for (const [name, description] of verb.arguments) command.argument(name, description)
  command.option(...WAIT).description(verb.description)
  command.action(async (...given: unknown[]) => {
    const [word = '', ...words] = command.args
    const options = optionsOf<WaitOptions>(given.at(-1) as Command)
    const order = orderOf(options, seconds(options.wait))
    await withClient(options, { command: `room ${verb.name}` }, async (helper) => {
      const before = await roomOf(helper, word, order.waitMs)
      await handedOn(helper, order.waitMs, async () => {
        const room = await verb.does(helper.client, before, words)
        answer(order, roomChangedJson, { event: 'room', room }, verb.said(room, words))
      })
    })
  })
}
