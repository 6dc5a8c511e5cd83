import { toString as drawQr } from 'qrcode'
import { sha256 } from '../shared/ids.ts'
import { formatInvite, type Invite } from '../shared/invite.ts'
import { networkCode } from '../shared/network-code.ts'
import type { Ca } from './ca.ts'

/** What the CA tells when it begins to serve, for scripts. */
export type Announcement = {
  readonly network: string
  readonly networkName: string
  readonly networkCode: string
  readonly peerId: string
  readonly addresses: readonly string[]
  /** Left out by a CA that makes none at its start. */
  readonly invite?: string
}

export const announcementOf = (ca: Ca, [invite]: readonly Invite[]): Announcement => ({
  network: ca.network,
  networkName: ca.identity.anchor.name,
  networkCode: networkCode(sha256(ca.identity.anchor.spki)),
  peerId: ca.peerId,
  addresses: ca.addresses,
  ...(invite === undefined ? {} : { invite: formatInvite(invite) }),
})

/** The operator's screen. `colour`: it is a terminal, and can show the QR code dark on light. */
export const screenOf = async (
  announcement: Announcement,
  invites: readonly Invite[],
  colour: boolean,
): Promise<string> =>
  [
    `Lanyard CA of the network “${announcement.networkName}”`,
    '',
    `network code   ${announcement.networkCode}`,
    ...announcement.addresses.map((address, at) => `${at === 0 ? 'addresses' : '         '}      ${address}`),
    '',
    ...(await Promise.all(invites.map((invite) => inviteText(invite, colour)))).flatMap((text) => [text, '']),
    'Make invites: npm run ca -- invite      Who has joined: npm run ca -- users',
    'Stop with Ctrl-C: the network goes on without its CA.',
  ].join('\n')

/** The invite as text, on a line of its own, and as a QR code. */
export const inviteText = async (invite: Invite, colour: boolean): Promise<string> => {
  const text = formatInvite(invite)
  const qr = await drawQr(text, { errorCorrectionLevel: 'L', ...(colour ? TERMINAL : PLAIN) })
  const until = new Date(invite.expires).toISOString().slice(0, 16).replace('T', ' ')
  return [`An invite, good for one device until ${until} UTC:`, '', text, '', qr.trimEnd()].join('\n')
}

const TERMINAL = { type: 'terminal', small: true } as const
const PLAIN = { type: 'utf8' } as const
