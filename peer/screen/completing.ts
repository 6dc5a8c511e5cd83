import { chooseNext, type Known, wantedAt } from './completion.ts'
import { edit } from './editor.ts'
import type { Step } from './effects.ts'
import type { Screen } from './screen-state.ts'

/** Tab: the next thing that could stand before the cursor; or, the first time, what there is. */
export const complete = (screen: Screen, by: 1 | -1): Step => {
  const { editor } = screen
  if (screen.completion !== null) return [offered(screen, by), []]
  const wanted = wantedAt(editor.text, editor.at, knownOf(screen))
  if (wanted === null) return [screen, []]
  if (wanted.kind === 'paths') return [screen, [{ ...wanted, text: editor.text }]]
  return [offered({ ...screen, completion: wanted.completion }, by), []]
}

/** Puts the next offer into the text. One that is alone is taken at once. */
export const offered = (screen: Screen, by: 1 | -1): Screen => {
  const { editor, completion } = screen
  if (completion === null) return screen
  const { from, to } = completion
  const next = chooseNext(editor.text, completion, by)
  const put = next.text.slice(from, next.at)
  const written = edit(editor, { kind: 'replace', from, to, by: put })
  return { ...screen, editor: written, completion: completion.offers.length === 1 ? null : next.completion }
}

const knownOf = ({ facts, commands }: Screen): Known => ({
  commands,
  users: facts.people.filter(({ self, revoked }) => !self && !revoked).map(({ user }) => user),
  places: facts.rooms.map(({ label }) => label),
})
