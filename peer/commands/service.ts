import { mkdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fault } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/folder.ts'
import { readProfile } from '../identity/keystore.ts'
import { type Options, print, tell } from './command.ts'

export type ServiceOptions = Options & { readonly print?: boolean }

/**
 * `service install`: a systemd user unit that runs this device from login on (systemd.unit(5)). The passphrase comes from a file,
 * which systemd hands to this service alone.
 * @throws LanyardError `no-profile`, `passphrase-missing` without --passphrase-file, `input-invalid` when others can read that file
 */
export const installService = async (options: ServiceOptions): Promise<void> => {
  const { user } = await readProfile(options.home)
  const passphraseFile = await fileOfOwn(options.passphraseFile)
  const unit = unitText({ user, home: resolve(options.home), passphraseFile, listen: options.listen ?? [] })
  if (options.print === true) {
    print(unit.trimEnd())
    return
  }
  const path = join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'systemd', 'user', UNIT)
  await mkdir(dirname(path), { recursive: true })
  await replaceFile(path, unit)
  tell(
    options,
    { event: 'service-installed', unit: path },
    [
      `${path} is written. Start it, now and at each login:`,
      `  systemctl --user daemon-reload && systemctl --user enable --now ${UNIT}`,
      'Without a login, too: loginctl enable-linger',
    ].join('\n'),
  )
}

const UNIT = 'lanyard.service'

/** @returns its whole path */
const fileOfOwn = async (file: string | undefined): Promise<string> => {
  if (file === undefined) throw fault('passphrase-missing', 'a service is asked by nobody: --passphrase-file FILE')
  const path = resolve(file)
  const stats = await stat(path).catch((cause: unknown) => {
    throw fault('passphrase-missing', path, cause)
  })
  if ((stats.mode & 0o077) !== 0) throw fault('input-invalid', `others can read ${path}: chmod 600 ${path}`)
  return path
}

type Unit = {
  readonly user: string
  readonly home: string
  readonly passphraseFile: string
  readonly listen: readonly string[]
}

const unitText = ({ user, home, passphraseFile, listen }: Unit): string => {
  const places = listen.flatMap((address) => ['--listen', address])
  const main = fileURLToPath(new URL('../main.ts', import.meta.url))
  const command = [process.execPath, main, '--home', home, ...places].map(quoted)
  return `# Written by: lanyard service install
[Unit]
Description=${quotedPercent(user)}'s device in a Lanyard network

[Service]
LoadCredential=passphrase:${quotedPercent(passphraseFile)}
ExecStart=${command.join(' ')} --passphrase-file %d/passphrase run
Restart=on-failure
RestartSec=5
TimeoutStopSec=30
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target
`
}

/** systemd.service(5), "Command lines": a word in quotes, with no specifier and no variable in it. */
const quoted = (word: string): string =>
  `"${quotedPercent(word).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$')}"`
const quotedPercent = (text: string): string => text.replaceAll('%', '%%')
