import { type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { VerifiedDevice } from '../../../shared/certificate/verify.ts'
import { isRefusal, type Refusal, refuse } from '../../../shared/errors.ts'
import type { Session } from '../../network/sessions.ts'

/** TLS as both ends of a road speak it: one version, one suite, both sides with a certificate. */
export const TLS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_256_GCM_SHA384',
  // OpenSSL proves that the other side has its certificate's key. Whose it is, `checkOtherSide` judges, on both ends.
  rejectUnauthorized: false,
  ALPNProtocols: ['lanyard-file/1'],
} as const

/** Our key, with the certificate that the session's other side knows us by. */
export const contextOf = (key: KeyObject, certificate: Uint8Array): SecureContext =>
  createSecureContext({
    key: String(key.export({ type: 'pkcs8', format: 'pem' })),
    cert: new X509Certificate(certificate).toString(),
    minVersion: TLS.minVersion,
    maxVersion: TLS.maxVersion,
    ciphers: TLS.ciphers,
  })

/**
 * Why the other end of a handshake is not the session's device, or null: its certificate must be the session's, byte for
 * byte, and still pass the verifier, since it may have expired or been revoked meanwhile.
 */
export const checkOtherSide = (
  socket: TLSSocket,
  session: Session,
  verify: (certificate: Uint8Array, spki: Uint8Array) => VerifiedDevice | Refusal,
): Refusal | null => {
  const spoken = `${socket.getProtocol()} ${socket.getCipher().name}`
  if (spoken !== `${TLS.minVersion} ${TLS.ciphers}`) return refuse('road-blocked', spoken)
  // A resumed session shows the certificate of an earlier handshake, and proves nothing now (RFC 8446 §4.6.1).
  if (socket.isSessionReused()) return refuse('road-wrong-certificate', 'a resumed session')
  const shown = socket.getPeerX509Certificate()?.raw
  if (shown === undefined) return refuse('road-wrong-certificate', 'none')
  if (Buffer.compare(shown, session.device.certificate) !== 0) return refuse('road-wrong-certificate')
  const device = verify(shown, session.device.spki)
  return isRefusal(device) ? device : null
}
