import { type Refusal, refuse } from '../../shared/errors.ts'
import { ROOM_NAME_MAX } from '../../shared/limits.ts'

/**
 * The name as it is written down: NFKC, 1 to 64 characters, no control or invisible ones, no space at an end, no `#`, `@` or
 * `~` at the start, which mark rooms, users and the directory. Else `room-name-wrong`.
 */
export const checkRoomName = (name: string): string | Refusal => {
  const folded = name.normalize('NFKC').trim()
  if (folded.length === 0 || folded.length > ROOM_NAME_MAX) {
    return refuse('room-name-wrong', `1 to ${ROOM_NAME_MAX} characters`)
  }
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(folded)) return refuse('room-name-wrong', 'a character that nobody sees')
  return /^[#@~]/.test(folded) ? refuse('room-name-wrong', `it begins with ${folded[0]}`) : folded
}
