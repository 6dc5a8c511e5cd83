// An echo: in one room it answers whatever begins with `!echo` with the rest of it.
//
//   lanyard run &                                     # the device that it speaks for
//   node peer/examples/echo-bot.ts ['#room' [HOME]]   # until Ctrl-C, or until the device stops

import { connect, DEFAULT_HOME, device, LanyardError, messages } from 'lanyard'

const [room = '#general', home = DEFAULT_HOME] = process.argv.slice(2)
const CALL = '!echo ' // it answers to nothing else: two bots that answer to everything would never be silent again

const lanyard = await connect({ home })
lanyard.on(async (event) => {
  if (event.event === 'ended') process.exit()
  if (event.event !== 'message' || event.room !== room || !event.text?.startsWith(CALL)) return
  try {
    await lanyard.call(messages.say, { room, text: event.text.slice(CALL.length), reply: event.id })
  } catch (error) {
    if (!(error instanceof LanyardError)) throw error
    console.error(error.message) // as of a room that we are not in
  }
})
const { user } = await lanyard.call(device.status, {}) // from here on nothing is missed
console.log(`${user} listens in ${room}`)
