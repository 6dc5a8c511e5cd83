import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { changeSettings } from '../../peer/settings.ts'
import { user } from '../support/certificates.ts'
import { PASSPHRASE, runningClock, type TestCa, testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'
import { startTerminals, type Terminal, type Terminals, withoutTmux } from '../support/tmux.ts'

const MAIN = fileURLToPath(new URL('../../peer/main.ts', import.meta.url))
const LINES = 250 // messages from before the screens are opened: more than two pages of history

let ca: TestCa
let homes: Awaited<ReturnType<typeof openHomes>>
let terminals: Terminals
beforeAll(async () => {
  if (withoutTmux) return
  ca = await testCa({ clock: runningClock() })
  homes = await openHomes(ca)
  terminals = startTerminals({ LANYARD_PASSPHRASE: PASSPHRASE })
})
afterAll(async () => {
  if (withoutTmux) return
  await terminals[Symbol.asyncDispose]()
  await homes[Symbol.asyncDispose]()
  await ca.stop()
})

/** What a shell is told to open the chat of a home, which knows one address. */
const chatOf = (name: string, peer: string, ...options: readonly string[]): string =>
  [process.execPath, MAIN, '--home', join(homes.folder, name), '--listen', '/ip4/127.0.0.1/tcp/0']
    .concat('--no-mdns', '--peer', peer, options)
    .join(' ')

/** A message is chosen by going up until its text is what keys go to, and then a letter is pressed. */
const choose = async (terminal: Terminal, ups: number, letter: string): Promise<void> => {
  await terminal.press(...Array.from({ length: ups }, () => 'M-Up'))
  await terminal.sees('r reply')
  await terminal.type(letter)
}

test.skipIf(withoutTmux)('a day at two screens, of 80 × 24 and 200 × 50', async () => {
  for (const name of ['alice', 'bob', 'carol']) await homes.settle(name)
  await changeSettings(join(homes.folder, 'alice'), { acceptMb: 0, limitKb: 2_000 })
  const carol = await homes.start(join(homes.folder, 'carol'))
  const [address = ''] = carol.addresses()
  for (let at = 0; at < LINES; at++) await carol.say(carol.general, `line ${at}.`)

  const alice = await terminals.open('alice', "PS1='$ ' sh", { columns: 80, rows: 24 })
  await alice.enter(chatOf('alice', address))
  const bob = await terminals.open('bob', chatOf('bob', address), { columns: 200, rows: 50 })

  // What was said before is there, and who is here, and how old the papers are.
  await alice.sees(`line ${LINES - 1}.`)
  await alice.sees('#general ›')
  await alice.sees(/\d peers? · CA seen now · list 1, \S/)
  await bob.sees(`line ${LINES - 1}.`)
  for (const screen of [alice, bob]) await screen.sees('● carol')
  await alice.sees(/[●○] bob/)

  // Said, received, delivered, read; with a name completed, over two lines, and an emoji by its name.
  await alice.type('hello @bo')
  await alice.press('Tab')
  await alice.sees('hello @bob')
  await alice.press('C-j')
  await alice.enter('a second line :tada:')
  await bob.sees(/alice {2}hello @bob\n +a second line 🎉/)
  await alice.sees(/a second line 🎉 +✓/)
  await alice.paste('pasted:\none')
  await alice.sees(/pasted:\n +one/)
  await alice.press('Enter')
  await bob.sees(/pasted:\n +one/)

  // Answered, changed, reacted to.
  await choose(bob, 2, 'r')
  await bob.sees('↳ alice: hello @bob')
  await bob.enter('an answer')
  await alice.sees(/bob {2}↳ alice: hello @bob/)
  await alice.sees('an answer')
  await choose(bob, 1, 'e')
  await bob.sees('edit › an answer')
  await bob.press('C-u')
  await bob.enter('a better answer')
  await alice.sees(/a better answer +edited/)
  await choose(alice, 1, '+')
  await alice.sees('react ›')
  await alice.type(':thumbsup')
  await alice.press('Tab', 'Enter')
  await bob.sees('👍 alice')

  // A room that somebody else makes, and what is unread in it.
  const plans = await carol.politics.found({ name: 'plans', access: 'invite', history: 'all' })
  for (const name of ['alice', 'bob']) await carol.politics.invite(plans, user(name))
  await alice.sees('you are in #plans now')
  await carol.say(plans, 'first plan')
  await carol.say(plans, 'second plan')
  await alice.sees(/#plans +2/)
  await alice.press('M-a')
  await alice.sees('#plans ›')
  await alice.sees('second plan')
  await alice.sees('3 members')
  await alice.sees(/#plans +2/, 'gone')

  // A file is offered, accepted, and on its way.
  await writeFile(join(homes.folder, 'drawing.pdf'), Buffer.alloc(6_000_000))
  await carol.sendFile(plans, join(homes.folder, 'drawing.pdf'))
  await alice.sees(/⇩ drawing.pdf 6.0 MB\n +\/get [0-9a-f]{8}/)
  await choose(alice, 1, 'g')
  await alice.sees(/━{20} \d+ %/)
  await alice.press('Escape')
  await alice.sees(/here: \S+drawing.pdf|here: \S+…/)

  // What is sent from here is completed from the folder; what makes no sense is answered with the way to say it.
  await writeFile(join(homes.folder, 'notes of mine.txt'), 'notes')
  await alice.enter(`/cd ${homes.folder}`)
  await alice.sees('files go to')
  await alice.type('/send notes')
  await alice.press('Tab')
  await alice.sees('/send "notes of mine.txt"')
  await alice.press('Enter')
  await alice.sees(/alice {2}⇩ notes of mine.txt 5 B/)
  await bob.press('C-n')
  await bob.sees(/alice {2}⇩ notes of mine.txt 5 B/)
  await alice.enter('/nonsense')
  await alice.sees('there is no /nonsense')

  // Who is removed hears of it, and so does the room.
  await carol.politics.remove(plans, user('bob'))
  await alice.sees('bob is not in #plans any more')
  await bob.sees('you are not in #plans any more')
  await bob.sees('#general ›')

  // Who comes into the network, and who is put out of it.
  await homes.settle('dave')
  const dave = await homes.start(join(homes.folder, 'dave'))
  await dave.say(dave.general, 'hello, I am new')
  await alice.sees('dave has joined the network')
  await bob.sees('hello, I am new')
  await ca.revoke({ user: 'dave' }, 'keyCompromise')
  await alice.sees('dave was revoked')
  await bob.sees('● dave', 'gone')

  // Far up in what was said before, by search and page by page; and back.
  await alice.enter('/search line 77')
  await alice.sees('1 found for line 77')
  await alice.press('Enter')
  await alice.sees('#general ›')
  await alice.sees('line 77.')
  expect(await alice.screen()).not.toContain(`line ${LINES - 1}.`)
  await alice.press('Escape')
  for (let page = 0; page < LINES / 10 && !(await alice.screen()).includes('line 0.'); page++)
    await alice.press('PPage')
  await alice.sees('line 0.')
  await carol.say(carol.general, 'while you look elsewhere')
  await alice.sees('↓ 1 new · End')
  await alice.press('End')
  await alice.sees('while you look elsewhere')

  // Another size, and back; help; another theme.
  await alice.resize(200, 50)
  await alice.sees(/ {100}● carol/)
  await alice.resize(80, 24)
  await alice.sees(/^● carol/m)
  await alice.press('F1')
  await alice.sees('Alt-Enter')
  await alice.press('Escape')
  await alice.sees('while you look elsewhere')
  expect(await alice.painted()).toContain('\u001b[')
  await alice.enter('/theme none')
  await expect.poll(async () => (await alice.painted()).includes('\u001b[38;')).toBe(false)

  // A second screen of one device, which needs no passphrase; it ends with the device, and says so.
  const beside = await terminals.open('beside', "PS1='$ ' sh", { columns: 80, rows: 24 })
  await beside.enter(`LANYARD_PASSPHRASE= ${chatOf('alice', address)}`)
  await beside.sees('while you look elsewhere')
  await beside.enter('/room #plans')
  await beside.sees('#plans ›')
  await beside.enter('/room #general')
  await beside.sees('#general ›')
  await beside.enter('from the second screen')
  for (const screen of [alice, beside, bob]) await screen.sees(/alice {2}from the second screen/)

  // Leaving gives the terminal back as it was: what is typed shows, and nothing of the chat is left.
  await alice.enter('/quit')
  await beside.sees(/lanyard: no lanyard that can be asked.*\n(.*\n)?next: start one/)
  await alice.sees(/\n\$ ?\n/)
  expect(await alice.screen()).not.toContain('#general')
  await alice.enter('echo still $((40 + 2))')
  await alice.sees(/\$ echo still.*\nstill 42/)
  await alice.enter(`ACCESSIBLE=1 ${chatOf('alice', address)}`)
  await alice.sees('carol: while you look elsewhere') // a line each, as they came
  await alice.enter('/quit')
})
