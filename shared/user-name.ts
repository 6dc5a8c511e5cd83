import { type Refusal, refuse } from './errors.ts'
import type { UserName } from './ids.ts'
import { USER_NAME_MAX } from './limits.ts'

// Begins with a letter or digit, so that no name looks like an option, a hidden file or a parent folder.
const USER_NAME = new RegExp(`^[a-z0-9][a-z0-9._-]{0,${USER_NAME_MAX - 1}}$`)

/** A user name, or `name-invalid`. The only place that mints one. */
export const userNameOf = (text: string): UserName | Refusal =>
  USER_NAME.test(text) ? (text as UserName) : refuse('name-invalid')
