import type { RoomBody, SettingsBody } from '../../shared/wire/membership.ts'
import { compareFacts, type Fact, isFact } from './fact.ts'

/** What a room is called and how long it keeps what is said; 0 is for ever. */
export type RoomSettings = { readonly [Key in keyof SettingsBody]-?: NonNullable<SettingsBody[Key]> }

/**
 * Each setting by itself: the last writer wins. What knew of another setting is later than it, whatever the clocks said;
 * among those that did not know each other the greatest (time, hash) is last, for all readers the same.
 * @param facts valid ones, causes first
 */
export const settingsOf = (founding: RoomBody, facts: readonly Fact[]): RoomSettings => ({
  name: lastOf('name', facts) ?? founding.name,
  topic: lastOf('topic', facts) ?? '',
  keepMs: lastOf('keepMs', facts) ?? 0,
  keepMessages: lastOf('keepMessages', facts) ?? 0,
})

const lastOf = <Key extends keyof SettingsBody>(key: Key, facts: readonly Fact[]): SettingsBody[Key] => {
  let newest: { readonly fact: Fact; readonly value: SettingsBody[Key] }[] = []
  for (const fact of facts) {
    if (!isFact(fact, 'settings') || fact.body[key] === undefined) continue
    newest = [...newest.filter((other) => !fact.past.has(other.fact.hash)), { fact, value: fact.body[key] }]
  }
  return newest.sort((a, b) => compareFacts(a.fact, b.fact)).at(-1)?.value
}
