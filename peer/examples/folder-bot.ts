// A postman: it offers each new file of a folder in a room. What lies there at the start is old.
//
//   lanyard run &                                                # the device that it speaks for, and that serves the files
//   node peer/examples/folder-bot.ts FOLDER ['#room' [HOME]]     # until Ctrl-C, or until the device stops

import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { connect, DEFAULT_HOME, files, LanyardError } from 'lanyard'

const [folder = '.', room = '#general', home = DEFAULT_HOME] = process.argv.slice(2)
const LOOK_EVERY_MS = 1_000

const lanyard = await connect({ home })
lanyard.on((event) => {
  if (event.event === 'ended') process.exit()
  if (event.event === 'file' && event.state === 'served') console.log(`${event.name} was fetched`)
})

/** Plain files that do not hide; who writes one slowly names it `.name`, and renames it when it is whole. */
const look = async (): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ name }) => name)

const known = new Set(await look())
console.log(`watching ${folder} for ${room}`)
for (;;) {
  for (const name of await look()) {
    if (known.has(name)) continue
    known.add(name)
    try {
      await lanyard.call(files.offerFile, { room, path: resolve(folder, name) })
      console.log(`offered ${name}`)
    } catch (error) {
      if (!(error instanceof LanyardError)) throw error
      console.error(`${name}: ${error.message}`)
    }
  }
  await new Promise((again) => setTimeout(again, LOOK_EVERY_MS))
}
