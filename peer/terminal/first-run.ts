import { intro, log, outro, spinner } from '@clack/prompts'
import { systemClock } from '../../shared/clock.ts'
import {
  type Code,
  isRefusal,
  LanyardError,
  nextStepOf,
  type Refusal,
  refusalOf,
  wordsOf,
} from '../../shared/errors.ts'
import { CA_SEARCH_MS, DEVICE_KEY_MIN_BITS } from '../../shared/limits.ts'
import { systemRandom } from '../../shared/random.ts'
import { passphraseOf } from '../commands/command.ts'
import type { CaSearch, FoundCa } from '../identity/find-cas.ts'
import type { Introduction, JoinOrder } from '../identity/join.ts'
import { readProfile } from '../identity/keystore.ts'
import { isWaiting } from '../identity/waiting.ts'
import { listenAddresses, rememberPort } from '../settings.ts'
import { askCode, askInvite, askKnownSecret, askSecret, askUser, choose } from './first-questions.ts'
import type { Options } from './program-options.ts'

/**
 * The options to start with: as they are, or, at a terminal on a home that has joined nothing yet, after it has been asked how
 * to join, and has joined.
 * @throws LanyardError `cancelled` at Ctrl-C: nothing is left behind but a key that waits for approval
 */
export const joinAtFirst = async (options: Options): Promise<Options> => {
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  if (!isTerminal || options.json === true || (await hasProfile(options.home))) return options
  intro('Lanyard: talk and share files with the people on your network')
  log.info(`This device has joined no network yet. What it keeps goes to ${options.home}.`)
  const introduction = await findNetwork(options)
  const passphrase = await enrol(options, introduction)
  outro('You are in. /help lists what you can do, /quit leaves.')
  return { ...options, openWith: passphrase }
}

const hasProfile = (home: string): Promise<boolean> =>
  readProfile(home).then(
    () => true,
    (error: unknown) => {
      if (error instanceof LanyardError && error.code === 'no-profile') return false
      throw error
    },
  )

/** Which network, by an invite, or by multicast and its code; the CA has proven the code then. */
const findNetwork = async (options: Options): Promise<Introduction> => {
  if (!options.mdns) return await askInvite(systemClock.now)
  const { searchCas } = await import('../identity/find-cas.ts') // with libp2p, which only a first start waits for here
  await using search = await searchCas(systemClock)
  for (;;) {
    await waitFor(search)
    const choice = await choose<FoundCa | 'invite' | null>('Which network do you join?', [
      { value: 'invite', label: 'One that I have an invite to', hint: 'from its operator: a line, or a QR code' },
      ...search.found().map((ca) => {
        const hint = `a CA at ${ca.addresses[0]?.split('/')[2] ?? '?'} says so; its code proves it`
        return { value: ca, label: `“${ca.name}”`, hint }
      }),
      { value: null, label: 'Look again', hint: 'for the CAs of networks near this device' },
    ])
    if (choice === 'invite') return await askInvite(systemClock.now)
    const introduction = choice === null ? null : await proven(search, choice)
    if (introduction !== null) return introduction
  }
}

const waitFor = async (search: CaSearch): Promise<void> => {
  const busy = spinner()
  busy.start('Looking for networks near this device')
  await new Promise((resolve) => setTimeout(resolve, CA_SEARCH_MS))
  const { length } = search.found()
  busy.stop(length === 0 ? 'No CA has answered: it may be off, or multicast does not get through' : `Found: ${length}`)
}

/** Null when the CA is not the one that the code names: then the list is shown again. */
const proven = async (search: CaSearch, ca: FoundCa): Promise<Introduction | null> => {
  const pin = await askCode(ca.name)
  const networkName = await search.prove(ca, pin)
  if (!isRefusal(networkName)) return { ...ca, pin, networkName }
  say(networkName)
  log.warn('Type the code as the screen of that CA shows it, or choose another network.')
  return null
}

type Answers = { readonly as: JoinOrder['as']; readonly user: JoinOrder['user']; readonly password: string }

/** Joins, and asks again for what the CA does not take. @returns the passphrase of the new profile */
const enrol = async (options: Options, introduction: Introduction): Promise<string> => {
  const { join } = await import('../identity/join.ts')
  let answers = await askAnswers()
  let given = introduction
  let passphrase = (await isWaiting({ home: options.home, invite: given, ...answers }))
    ? await findPassphrase(options)
    : await choosePassphrase(options)
  for (;;) {
    const busy = spinner()
    busy.start('Asking the CA for a certificate')
    try {
      const rest = { keyBits: DEVICE_KEY_MIN_BITS, clock: systemClock, random: systemRandom }
      const listen = options.listen ?? (await listenAddresses(options.home))
      const joined = await join({ home: options.home, invite: given, ...answers, passphrase, ...rest, listen })
      busy.stop(`${joined.user} has joined “${joined.network}”`)
      await rememberPort(options.home, joined.addresses)
      return passphrase
    } catch (error) {
      busy.stop('The CA has not let this device in')
      const refusal = refusalOf(error)
      say(refusal)
      if (INVITE.has(refusal.code)) given = await askInvite(systemClock.now)
      else if (isRetried(refusal)) await again(refusal)
      else if (refusal.code === 'passphrase-wrong' && !isGiven(options)) passphrase = await findPassphrase(options)
      else answers = await mend(answers, refusal)
    }
  }
}

const say = (refusal: Refusal): void => log.error(`${wordsOf(refusal)}\nnext: ${nextStepOf(refusal)}`)

const askAnswers = async (): Promise<Answers> => {
  const user = await askUser()
  return { as: 'new-user', user, password: await askSecret('A password, for further devices of yours') }
}

const choosePassphrase = async (options: Options): Promise<string> => {
  if (isGiven(options)) return await passphraseOf(options, 'new')
  log.info(
    'A passphrase seals the key of this device on its disk. It is asked for at each start, and nobody can recover it.',
  )
  return await askSecret('A passphrase, for this device')
}

/** The passphrase of a key that waits from an earlier start. */
const findPassphrase = (options: Options): Promise<string> =>
  isGiven(options)
    ? passphraseOf(options, 'open')
    : askKnownSecret('The passphrase of your first try: it opens the key that waits for approval')

/** Whether it comes from where nobody can be asked again. */
const isGiven = ({ passphraseFile }: Options): boolean =>
  passphraseFile !== undefined || (process.env.LANYARD_PASSPHRASE ?? '') !== ''

/** What another invite mends. */
const INVITE: ReadonlySet<Code> = new Set([
  ...(['invite-needed', 'token-wrong', 'token-used', 'token-expired', 'pin-mismatch', 'ca-unproven'] as const),
])
/** What time, or the operator, mends. */
const RETRIED: ReadonlySet<Code> = new Set([
  ...([
    'approval-pending',
    'unreachable',
    'too-late',
    'stream-closed',
    'busy',
    'rate-limited',
    'challenge-late',
  ] as const),
])
const isRetried = ({ code }: Refusal): boolean => RETRIED.has(code)

const again = async ({ code }: Refusal): Promise<void> => {
  const [question, hint] =
    code === 'approval-pending'
      ? ['Has the operator approved you?', 'Ctrl-C to leave: your request waits until you start again']
      : ['Try again?', 'Ctrl-C to give up']
  await choose(question, [{ value: 'yes', label: 'Try again', hint }])
}

/** What another name or password mends. @throws LanyardError with what nobody here can mend */
const mend = async (before: Answers, refusal: Refusal): Promise<Answers> => {
  switch (refusal.code) {
    case 'name-taken':
    case 'join-cut-off': {
      const who = await choose(`Is ${before.user} you, on another device?`, [
        { value: 'no', label: 'No', hint: 'take another name' },
        { value: 'yes', label: 'Yes', hint: 'this becomes a further device, by your password' },
      ])
      if (who === 'no') return { ...before, user: await askUser() }
      const password = await askKnownSecret(`Password of ${before.user}`)
      return { as: 'further-device', user: before.user, password }
    }
    case 'name-invalid':
    case 'name-reserved':
    case 'name-lookalike':
    case 'token-for-another':
      return { ...before, user: await askUser() }
    case 'password-too-short':
      return { ...before, password: await askSecret('A longer password, for further devices of yours') }
    case 'password-wrong': {
      const user = await askUser()
      return { ...before, user, password: await askKnownSecret(`Password of ${user}`) }
    }
    default:
      throw new LanyardError(refusal)
  }
}
