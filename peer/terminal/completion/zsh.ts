import { allOf, type Kind, type Outline } from './outline.ts'

/** What zsh sources, or finds as `_lanyard` in its fpath: `eval "$(lanyard completion zsh)"`. */
export const zshScript = (program: Outline): string => {
  const { name } = program
  return `#compdef ${name}
# Completion of ${name} for zsh. In ~/.zshrc, behind compinit: eval "$(${name} completion zsh)"
# Of the device that runs; without one there are none.
_${name}_words() {
  local -a found
  found=(\${(f)"$(${name} \${_${name}_home} complete-words $1 2>/dev/null)"})
  compadd -a found
}
_${name}_what() { _alternative 'files:file:_files' 'users:user:_${name}_words user' }
_${name}() {
  local at path=${name} word
  local -a _${name}_home=()
  for ((at = 2; at < CURRENT; at++)); do
    word=\${words[at]}
    [[ $word == --home ]] && _${name}_home=(--home \${~words[at + 1]})
    case "$path $word" in
${allOf(program)
  .slice(1)
  .map((one) => `      ${quoted(one.path)}) path=${quoted(one.path)} ;;`)
  .join('\n')}
    esac
  done
  case $path in
${allOf(program)
  .map((one) => caseOf(one, program))
  .join('\n')}
  esac
}
(( $+functions[compdef] )) && compdef _${name} ${name}
`
}

const caseOf = (one: Outline, program: Outline): string => {
  const options =
    one === program ? one.options : [...one.options, ...program.options.filter(({ flags }) => flags[0] !== '--help')]
  const specs = options.flatMap(({ flags, value, description }) =>
    flags.map((flag) =>
      quoted(
        `${flag}[${plainly(description)}]${value === null ? '' : `:${labelOf(value)}:${actionOf(value, program)}`}`,
      ),
    ),
  )
  const commands = one.commands.map(({ name, description }) => `${name}\\:${quoteIn(plainly(description))}`)
  const words =
    commands.length > 0
      ? [`'*: :((${commands.join(' ')}))'`]
      : one.words.map((kind, at) => {
          const position = at === one.words.length - 1 ? '*' : String(at + 1)
          return quoted(`${position}:${labelOf(kind)}:${actionOf(kind, program)}`)
        })
  // The words of the command itself: what stands before them is of those above.
  const depth = one.path.split(' ').length - 1
  const shift =
    depth === 0
      ? ''
      : `while (( CURRENT > 2 )) && [[ \${words[2]} != ${one.name} ]]; do shift words; (( CURRENT-- )); done; shift words; (( CURRENT-- )); `
  return `    ${quoted(one.path)}) ${shift}_arguments -S ${[...specs, ...words].join(' ')} ;;`
}

const labelOf = (kind: Kind): string => (typeof kind === 'string' ? kind : 'one of them')
const actionOf = (kind: Kind, { name }: Outline): string => {
  if (typeof kind !== 'string') return `(${kind.join(' ')})`
  if (kind === 'file') return '_files'
  if (kind === 'folder') return '_files -/'
  if (kind === 'what') return `_${name}_what`
  return kind === 'other' ? ' ' : `_${name}_words ${kind}`
}

const plainly = (text: string): string => text.replaceAll(/[[\]:\\]/g, ' ').replaceAll('`', "'")
const quoteIn = (text: string): string => `"${text.replaceAll(/["$']/g, '')}"`
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
