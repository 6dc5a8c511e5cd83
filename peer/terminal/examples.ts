import type { Command } from 'commander'
import { withExamples } from './man-page.ts'

// How each command is used, below its help and on the manual page: what people do, and not every option once more.

const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  chat: ['lanyard', 'lanyard --peer /ip4/192.0.2.7/tcp/4200/p2p/Qm… chat    # where multicast does not get through'],
  run: ['lanyard run', 'lanyard --json run > events.jsonl'],
  status: ['lanyard status', 'lanyard --json status | jq .peers'],
  devices: ['lanyard devices'],
  doctor: ['lanyard doctor --wait 10'],
  join: [
    "lanyard join 'lanyard://join/1#…' --user alice",
    'lanyard join abcd-efgh-…    # the network code, where the CA lets people register',
  ],
  login: [
    "lanyard login 'lanyard://join/1#…' --user alice    # a second device of yours",
    'lanyard login    # this device once more',
    'lanyard login --new-key',
  ],
  renew: ['lanyard renew'],
  rekey: ['lanyard rekey --key-bits 3072'],
  passwd: ['lanyard passwd', 'lanyard passwd --passphrase'],
  config: ['lanyard config', 'lanyard config accept-mb 20', 'lanyard config accept-from alice,bob'],
  backup: ['lanyard backup ~/lanyard.backup'],
  restore: ['lanyard restore ~/lanyard.backup', 'lanyard --home /tmp/drill restore ~/lanyard.backup    # an exercise'],
  say: ["lanyard say 'lunch at noon'", "lanyard say '#build' 'it is green'", "make 2>&1 | lanyard say '#build' --code"],
  history: ['lanyard history', "lanyard --json history '#build' --count 10"],
  search: ['lanyard search lunch from:bob'],
  users: ['lanyard users'],
  rooms: ['lanyard rooms'],
  'room create': ['lanyard room create plans', 'lanyard room create lounge --open'],
  'room join': ["lanyard room join '#lounge'"],
  'room leave': ["lanyard room leave '#plans'"],
  'room invite': ["lanyard room invite '#plans' @bob"],
  'room remove': ["lanyard room remove '#plans' @bob"],
  'room admin': ["lanyard room admin '#plans' @bob"],
  'room member': ["lanyard room member '#plans' @bob"],
  'room topic': ["lanyard room topic '#plans' what we do next"],
  'room rename': ["lanyard room rename '#plans' projects"],
  'room keep': ["lanyard room keep '#plans' 7", "lanyard room keep '#plans' 100 messages"],
  send: ["lanyard send plans.pdf photos/ --to '#plans'"],
  files: ['lanyard files'],
  'files delete': ['lanyard files delete 3fa2'],
  get: ['lanyard get 3fa2'],
  resume: ['lanyard resume 3fa2'],
  pause: ['lanyard pause 3fa2'],
  cancel: ['lanyard cancel 3fa2'],
  pwd: ['lanyard pwd'],
  cd: ['lanyard cd ~/Downloads'],
  ls: ['lanyard ls'],
  'certificate verify': ['lanyard certificate verify --root root.pem alice.pem'],
  'transcript export': ["lanyard transcript export '#plans' --from 2026-05-01 --out plans.transcript"],
  'transcript receipt': ["lanyard transcript receipt '#plans'"],
  'transcript verify': ['lanyard transcript verify plans.transcript --root root.pem'],
  verify: [
    'lanyard verify plans.transcript --root root.pem',
    'lanyard verify @bob    # both screens show the same number?',
    "lanyard verify @bob --scanned 'lanyard://compare/1#…' --yes",
  ],
  completion: [
    'eval "$(lanyard completion bash)"',
    'lanyard completion fish > ~/.config/fish/completions/lanyard.fish',
  ],
  man: ['lanyard man | man -l -'],
  'service install': ['lanyard --passphrase-file ~/.config/lanyard.passphrase service install'],
}

/** Adds its examples to each command. */
export const addExamples = (program: Command, above = ''): void => {
  for (const command of program.commands) {
    const path = `${above}${command.name()}`
    const examples = EXAMPLES[path]
    if (examples !== undefined) withExamples(command, examples)
    addExamples(command, `${path} `)
  }
}
