import { allOf, type Kind, type Outline } from './outline.ts'

/** What bash sources: `eval "$(lanyard completion bash)"`. */
export const bashScript = (program: Outline): string => {
  const all = allOf(program)
  const name = program.name
  return `# Completion of ${name} for bash. In ~/.bashrc: eval "$(${name} completion bash)"
COMP_WORDBREAKS=\${COMP_WORDBREAKS//@/} # @bob is one word

# What stands behind an option: sets want.
_${name}_option() {
  want=
  case "$1 $2" in
${all.flatMap((one) => optionCases(one, program)).join('\n')}
  esac
}

# The commands under one, and what its words stand for.
_${name}_command() {
  commands= options= words=()
  case "$1" in
${all.map((one) => commandCase(one, program)).join('\n')}
  esac
}

_${name}_fill() {
  case "$1" in
    file) compopt -o filenames; COMPREPLY=($(compgen -f -- "$2")) ;;
    folder) compopt -o filenames; COMPREPLY=($(compgen -d -- "$2")) ;;
    what) compopt -o filenames; COMPREPLY=($(compgen -f -- "$2") $(compgen -W "$(_${name}_words user)" -- "$2")) ;;
    place | room | user | id) COMPREPLY=($(compgen -W "$(_${name}_words "$1")" -- "$2")) ;;
    one:*) COMPREPLY=($(compgen -W "\${1#one:}" -- "$2")) ;;
  esac
}

# Of the device that runs; without one there are none.
_${name}_words() { ${name} "\${home[@]}" complete-words "$1" 2>/dev/null; }

_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path=${name} at=0 skip= before= want commands options i word
  local -a home=() words=()
  COMPREPLY=()
  _${name}_command "$path"
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -n $skip ]]; then
      [[ $skip == --home ]] && home=(--home "\${word/#\\~/$HOME}")
      skip=
    elif [[ $word == -* ]]; then
      _${name}_option "$path" "$word"
      [[ -n $want ]] && skip=$word
    elif [[ " $commands " == *" $word "* && $at == 0 ]]; then
      path+=" $word"
      _${name}_command "$path"
    else
      ((at += 1))
    fi
  done
  if [[ -n $skip ]]; then
    _${name}_option "$path" "$skip"
    _${name}_fill "$want" "$current"
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  else
    ((\${#words[@]} > 0 && at >= \${#words[@]})) && at=$((\${#words[@]} - 1))
    [[ -n \${words[at]} ]] && _${name}_fill "\${words[at]}" "$current"
    [[ $at == 0 ]] && COMPREPLY+=($(compgen -W "$commands" -- "$current"))
  fi
}
complete -F _${name} ${name}
`
}

const wordOf = (kind: Kind): string => (typeof kind === 'string' ? kind : `one:${kind.join(' ')}`)

/** An option of the program may stand anywhere. */
const optionCases = ({ path, options }: Outline, program: Outline): readonly string[] =>
  options.flatMap(({ flags, value }) => {
    if (value === null) return []
    const patterns = flags.map((flag) => (path === program.path ? `*" ${flag}"` : `"${path} ${flag}"`))
    return [`    ${patterns.join(' | ')}) want="${wordOf(value)}" ;;`]
  })

const commandCase = ({ path, commands, options, words }: Outline, program: Outline): string => {
  const own = options.flatMap(({ flags }) => flags)
  const all = [...new Set([...own, ...program.options.flatMap(({ flags }) => flags)])]
  return `    "${path}") commands="${commands.map(({ name }) => name).join(' ')}" options="${all.join(' ')}" words=(${words.map((kind) => `"${wordOf(kind)}"`).join(' ')}) ;;`
}
