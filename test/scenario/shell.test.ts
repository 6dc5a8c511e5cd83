import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSPHRASE, temporaryFolder, testCa } from '../support/enrolment.ts'
import { openHomes } from '../support/homes.ts'
import { type PeerCommand, peerCommand } from '../support/peer-command.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let command: PeerCommand
beforeAll(async () => {
  folder = await temporaryFolder()
  command = peerCommand(join(folder.path, 'home'))
  await writeFile(join(folder.path, 'note.transcript'), '')
})
afterAll(() => folder.remove())

/** Whether a program is here; one that is not is said, and what needs it is left out: the script itself is looked at anyway. */
const isHere = (program: string): boolean => {
  const found = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
  if (!found) console.warn(`not tried: ${program} is not installed`)
  return found
}

const printed = async (...args: readonly string[]): Promise<string> => {
  const { code, out, err } = await command.run(args)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return out
}

// What `lanyard complete-words` would print; the scripts ask it for rooms, users and files. Another home has other rooms.
const STAND_IN =
  'lanyard() { case "$*" in --home\\ /other*) echo elsewhere ;; *complete-words\\ user) echo @bob ;; *complete-words*) printf "%s\\n" general plans @bob ;; esac; }'

describe('completion', () => {
  const LINES: Readonly<Record<string, readonly string[]>> = {
    'lanyard ba': ['backup'],
    'lanyard room cr': ['create'],
    'lanyard room create --op': ['--open'],
    'lanyard --home /somewhere room lea': ['leave'],
    'lanyard say --to p': ['plans'],
    'lanyard say --to @b': ['@bob'],
    'lanyard room leave --wait 3 ge': ['general'],
    'lanyard completion z': ['zsh'],
    'lanyard verify @b': ['@bob'],
    'lanyard verify no': ['note.transcript'],
    'lanyard room invite --wait 3 pl': ['plans'],
    'lanyard room invite --wait 3 plans ': ['@bob'],
    'lanyard --home /other say --to el': ['elsewhere'],
  }

  test('of bash gives the commands, options and names that fit', async () => {
    const script = join(folder.path, 'lanyard.bash')
    await writeFile(script, await printed('completion', 'bash'))
    const ask = `source "$0"; ${STAND_IN}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _lanyard; printf '%s\\n' "\${COMPREPLY[@]}"`
    for (const [line, wanted] of Object.entries(LINES)) {
      const found = execFileSync('bash', ['-c', ask, script, ...line.split(' ')], {
        encoding: 'utf8',
        cwd: folder.path,
      })
      expect(found.trim().split('\n'), line).toEqual(wanted)
    }
    const known = execFileSync('bash', ['-c', 'source "$0"; complete -p lanyard', script], { encoding: 'utf8' })
    expect(known.trim()).toBe('complete -F _lanyard lanyard')
  })

  test('of zsh and of fish does, too, where these shells are', async () => {
    const [zsh, fish] = [await printed('completion', 'zsh'), await printed('completion', 'fish')]
    expect(zsh).toMatch(/^#compdef lanyard\n/)
    expect(fish).toContain(`complete -c lanyard -n 'test (__lanyard_path) = "lanyard"' -f -a backup`)
    const script = join(folder.path, '_lanyard')
    if (isHere('fish')) {
      await writeFile(script, fish)
      const stand =
        'function lanyard; switch "$argv"; case "--home /other*"; echo elsewhere; case "*user"; echo @bob; case "*"; printf "%s\\n" general plans @bob; end; end'
      for (const [line, wanted] of Object.entries(LINES)) {
        const ask = ['-c', `source $argv[1]; ${stand}; complete -C $argv[2]`, script, line]
        const found = execFileSync('fish', ['--no-config', ...ask], { encoding: 'utf8', cwd: folder.path })
        expect(
          found.split('\n').flatMap((one) => (one === '' ? [] : [one.split('\t')[0]])),
          line,
        ).toEqual(wanted)
      }
    }
    if (isHere('zsh')) {
      await writeFile(script, zsh)
      // A shell on a terminal of its own: Tab is what a person presses. Each read waits for what it wants to see.
      const play = [
        'zmodload zsh/zpty; zpty -b z zsh -f -i',
        `zpty -w z ${quoted(`PS1=; autoload -U compinit; compinit -u -D; ${STAND_IN}; source ${script}; print rea''dy`)}`,
        "zpty -r z out '*ready*'",
        ...Object.entries(LINES).map(
          ([line, [wanted]]) =>
            `zpty -n -w z ${quoted(line)}$'\\t'; zpty -r z out ${quoted(`*${wanted}*`)}; zpty -n -w z $'\\C-u'`,
        ),
        'zpty -d z; print all of them',
      ]
      const { stdout } = spawnSync('zsh', ['-f', '-c', play.join('\n')], {
        encoding: 'utf8',
        timeout: 60_000,
        cwd: folder.path,
      })
      expect(stdout).toContain('all of them')
    }
  })
})

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

test('the manual page tells of every command, with examples of what there is', async () => {
  const page = await printed('man')
  const [head = '', ...sections] = page.split(/^\.SS /m)
  const plain = (text: string): string => text.replaceAll('\\-', '-').replaceAll('\\e', '\\').replaceAll('\\&', '')
  const names = sections.map((section) => plain(section.split('\n')[0] ?? '').replace(/ [<[].*/, ''))
  expect(names).toEqual(expect.arrayContaining(['chat', 'backup', 'room create', 'verify', 'service install']))
  for (const [at, section] of sections.entries()) {
    const name = names[at] ?? ''
    const isParent = names.some((other) => other.startsWith(`${name} `)) && name !== 'files'
    const examples = /^Examples:\n\.nf\n([\s\S]*?)\n\.fi/m.exec(section)?.[1]
    if (isParent) continue
    expect(examples, `${name} has no example`).toBeDefined()
    for (const example of plain(examples ?? '').split('\n')) {
      expect(example, name).toContain(name === 'chat' ? 'lanyard' : name)
      for (const [flag] of example.split('#')[0]?.matchAll(/(?<= )--[a-z-]+/g) ?? []) {
        expect(plain(section) + plain(head), `${example}: ${flag}`).toContain(`.B ${flag}`)
      }
    }
  }
  if (isHere('man')) {
    const file = join(folder.path, 'lanyard.1')
    await writeFile(file, page)
    const shown = spawnSync('man', ['--warnings', '-l', file], { encoding: 'utf8', env: { ...process.env, MANWIDTH: '100', LC_ALL: 'C.UTF-8' } }) // biome-ignore format: one call
    expect(shown.stderr).toBe('')
    expect(shown.stdout).toContain('say [words...]')
    expect(shown.stdout).toContain('make 2>&1 | lanyard say')
  }
})

test('service install writes a unit that systemd understands, and whose command runs the device', {
  timeout: 120_000,
}, async () => {
  await using ca = await testCa()
  await using homes = await openHomes(ca)
  const home = await homes.settle('alice')
  const secret = join(folder.path, 'passphrase of 100%')
  await writeFile(secret, `${PASSPHRASE}\n`, { mode: 0o600 })
  const service = peerCommand(home)
  const config = { XDG_CONFIG_HOME: join(folder.path, 'config') }
  try {
    expect(await service.json(['service', 'install'], config)).toMatchObject({ exit: 1, code: 'passphrase-missing' })
    await chmod(secret, 0o644)
    const open = await service.json(['--passphrase-file', secret, 'service', 'install'], config)
    expect(open).toMatchObject({ exit: 1, code: 'input-invalid' })
    await chmod(secret, 0o600)
    const told = await service.json(['--passphrase-file', secret, 'service', 'install'], config)
    const path = join(config.XDG_CONFIG_HOME, 'systemd/user/lanyard.service')
    expect(told).toMatchObject({ exit: 0, event: 'service-installed', unit: path })
    const unit = await readFile(path, 'utf8')
    expect(unit).toContain(`LoadCredential=passphrase:${secret.replace('%', '%%')}\n`)
    if (isHere('systemd-analyze')) {
      const env = { ...process.env, XDG_RUNTIME_DIR: folder.path } // where nobody has logged in there is none
      const check = ['verify', '--user', '--man=no', path]
      const { stderr, status } = spawnSync('systemd-analyze', check, { encoding: 'utf8', env })
      expect({ own: stderr.split('\n').filter((line) => line.includes('lanyard')), status }).toEqual({
        own: [],
        status: 0,
      })
    }
    // systemd puts the folder of the credentials in, and takes the quotes away.
    const words =
      /^ExecStart=(.*)$/m
        .exec(unit)?.[1]
        ?.match(/"[^"]*"|\S+/g)
        ?.map((word) => word.replaceAll('"', '')) ?? []
    expect(words.slice(-3)).toEqual(['--passphrase-file', '%d/passphrase', 'run'])
    const args = words.slice(2).map((word) => (word === '%d/passphrase' ? secret : word))
    const running = service.start(['--json', '--no-mdns', ...args], { LANYARD_PASSPHRASE: '' })
    let said = ''
    running.child.stdout?.on('data', (data) => {
      said += String(data)
    })
    await expect.poll(() => said).toContain('"event":"ready"')
    running.child.kill('SIGTERM')
    expect(await running.ended).toMatchObject({ code: 0 })
  } finally {
    service.stop()
  }
})
