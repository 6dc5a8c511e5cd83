import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { networkCode as codeOf } from '../../shared/network-code.ts'
import { caCommand } from '../support/ca-command.ts'
import { PASSPHRASE, temporaryFolder } from '../support/enrolment.ts'
import { createLan } from '../support/lan.ts'
import { testInNamespaces } from '../support/namespaces.ts'
import { startTerminals, withoutTmux } from '../support/tmux.ts'

const testAtTerminal = withoutTmux ? test.skip : testInNamespaces
const MAIN = fileURLToPath(new URL('../../peer/main.ts', import.meta.url))

testAtTerminal(
  'a first start finds the CA of the network, asks again for each wrong answer, and ends in #general',
  {
    timeout: 240_000,
  },
  async () => {
    await using lan = createLan(2)
    const folder = await temporaryFolder()
    await using terminals = startTerminals({})
    const [office, desk] = lan.hosts
    if (office === undefined || desk === undefined) throw new Error('two were asked for')
    const start = (home: string) => {
      const words = [process.execPath, MAIN, '--home', join(folder.path, home)]
      return terminals.open(home, `ip netns exec ${desk.name} ${words.join(' ')}; echo ended with $?; cat`, {
        columns: 100,
        rows: 50,
      })
    }
    const ca = caCommand(join(folder.path, 'ca'), { LANYARD_CA_PASSPHRASE: PASSPHRASE }, office.spawn)
    try {
      const serving = ca.start(['--listen', '/ip4/0.0.0.0/tcp/0', '--network', 'Büro 7', '--mode', 'open', '--json'])
      await serving.until('\n', 'out')
      const { networkCode } = JSON.parse(serving.said.out.split('\n')[0] ?? '')

      const alice = await start('alice')
      await alice.sees('“Büro 7”')
      await alice.press('Down', 'Enter')
      await alice.sees('The network code')
      await alice.enter('abcd-efgh')
      await alice.sees('that is not a network code')
      await alice.press('C-u')
      // A whole code of another network, whatever this one calls itself.
      await alice.enter(codeOf(new Uint8Array(32)))
      await alice.sees('it does not enrol for this network')
      await alice.sees(/Which network[\s\S]*Which network/)
      await alice.press('Down', 'Enter')
      await alice.sees(/The network code[\s\S]*The network code/)
      await alice.enter(networkCode)
      await alice.sees('Your user name')
      await alice.enter('Alice!')
      await alice.sees('the user name breaks the rule')
      await alice.press('C-u')
      await alice.enter('admin')
      await alice.sees('A password, for further devices')
      await alice.enter('short')
      await alice.sees('at least 8 characters')
      await alice.press('C-u')
      await alice.enter('correct horse battery')
      await alice.sees('The same again')
      await alice.enter('correct horse bakery')
      await alice.sees('The two differ')
      await alice.enter('correct horse battery')
      await alice.sees(/The same again[\s\S]*The same again/)
      await alice.enter('correct horse battery')
      await alice.sees('A passphrase, for this device')
      await alice.enter(PASSPHRASE)
      await alice.sees(/A passphrase, for this device[\s\S]*The same again/)
      await alice.enter(PASSPHRASE)
      await alice.sees('that user name is reserved')
      await alice.enter('alice')
      await alice.sees('alice has joined “Büro 7”')
      await alice.sees('alice · Büro 7')
      await alice.enter('/quit')
      await alice.sees('ended with 0')

      // Ctrl-C in the midst of it.
      const bob = await start('bob')
      await bob.sees('Which network')
      await bob.press('Enter')
      await bob.sees('Paste the invite')
      await bob.enter('lanyard://join/1#r=')
      await bob.sees('that is not a whole lanyard invite')
      await bob.press('C-c')
      await bob.sees('ended with 1')
      expect(await readdir(folder.path)).toEqual(expect.not.arrayContaining(['bob']))
    } finally {
      ca.stop()
      await folder.remove()
    }
  },
)
