import { z } from 'zod'
import type { Succession } from '../certificate/lineage.ts'
import { bytes } from '../codec.ts'
import { CERTIFICATE_MAX_BYTES } from '../limits.ts'

const certificate = bytes({ max: CERTIFICATE_MAX_BYTES })

/** How one root follows another, inside of other messages: signed by both roots, so who passes it on need not be trusted. */
export const successionShape: z.ZodType<Succession> = z.strictObject({
  root: certificate,
  cross: certificate,
  back: certificate,
})
