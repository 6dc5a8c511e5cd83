import { allOf, type Kind, type Outline } from './outline.ts'

/** What fish sources: `lanyard completion fish > ~/.config/fish/completions/lanyard.fish`. */
export const fishScript = (program: Outline): string => {
  const { name } = program
  const all = allOf(program)
  const lines = all.flatMap((one) => {
    const here = `complete -c ${name} -n 'test (__${name}_path) = "${one.path}"'`
    const commands = one.commands.map((command) => `${here} -f -a ${command.name} -d ${quoted(command.description)}`)
    const options = one.options.flatMap(({ flags, value, description }) =>
      flags.map((flag) => {
        const at = one === program ? `complete -c ${name}` : here
        const takes = value === null ? '-f' : `-x ${argumentOf(value, name)}`
        return `${at} ${flagOf(flag)} ${takes} -d ${quoted(description)}`
      }),
    )
    return [...commands, ...options, ...wordsOf(one, name)]
  })
  return `# Completion of ${name} for fish: ${name} completion fish > ~/.config/fish/completions/${name}.fish
# The command that stands there, and how many of its words stand behind it, a line each.
function __${name}_read
  set -l path ${name}
  set -l at 0
  set -l skip no
  for word in (commandline -opc)[2..]
    if test $skip = yes
      set skip no
      continue
    end
    switch "$path $word"
      case ${all.flatMap((one) => optionPatterns(one, program)).join(' ')}
        set skip yes
      case ${all
        .slice(1)
        .map(({ path }) => quoted(path))
        .join(' ')}
        test $at -eq 0; and set path "$path $word"; or set at (math $at + 1)
      case '* -*'
      case '*'
        set at (math $at + 1)
    end
  end
  echo $path
  echo $at
end
function __${name}_path
  set -l read (__${name}_read)
  echo $read[1]
end
# Whether so many words of that command stand there.
function __${name}_at -a path from to
  set -l read (__${name}_read)
  test "$read[1]" = "$path"; and test $read[2] -ge $from; and test $read[2] -le $to
end
# Of the device that runs; without one there are none.
function __${name}_words
  set -l line (commandline -opc)
  set -l home
  for at in (seq 2 (count $line))
    test "$line[$at]" = --home; and set home --home (string replace -r -- '^~' $HOME $line[(math $at + 1)])
  end
  ${name} $home complete-words $argv[1] 2>/dev/null
end
${lines.join('\n')}
`
}

/** What may stand at each place behind a command; of the last, at all further ones. */
const wordsOf = ({ path, words }: Outline, name: string): readonly string[] =>
  words.length === 0
    ? [`complete -c ${name} -n 'test (__${name}_path) = "${path}"' -f`]
    : words.map((kind, at) => {
        const last = at === words.length - 1 ? WORDS_MAX : at
        const files = kind === 'file' || kind === 'what' ? '-F' : '-f'
        const names = kind === 'file' || kind === 'other' ? '' : ` ${argumentOf(kind, name)}`
        return `complete -c ${name} -n '__${name}_at "${path}" ${at} ${last}' ${files}${names}`
      })

const WORDS_MAX = 999

/** Behind which a value comes. An option of the program may stand anywhere. */
const optionPatterns = ({ path, options }: Outline, program: Outline): readonly string[] =>
  options.flatMap(({ flags, value }) =>
    value === null ? [] : flags.map((flag) => quoted(`${path === program.path ? '*' : path} ${flag}`)),
  )

const argumentOf = (kind: Kind, name: string): string => {
  if (typeof kind !== 'string') return `-a ${quoted(kind.join(' '))}`
  switch (kind) {
    case 'folder':
      return `-a '(__fish_complete_directories)'`
    case 'file':
      return `-a '(__fish_complete_path)'`
    case 'what':
      return `-a '(__${name}_words user)'`
    case 'other':
      return ''
    default:
      return `-a '(__${name}_words ${kind})'`
  }
}

const flagOf = (flag: string): string => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)
const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
