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
    // The names of files are what fish offers by itself.
    const words = one.words.some(isFile)
      ? [`${here} -F`]
      : [`${here} -f`, ...one.words.flatMap((kind) => (kind === 'other' ? [] : [`${here} ${argumentOf(kind, name)}`]))]
    return [...commands, ...options, ...words]
  })
  return `# Completion of ${name} for fish: ${name} completion fish > ~/.config/fish/completions/${name}.fish
function __${name}_path
  set -l path ${name}
  for word in (commandline -opc)[2..]
    switch "$path $word"
      case ${all
        .slice(1)
        .map(({ path }) => quoted(path))
        .join(' ')}
        set path "$path $word"
    end
  end
  echo $path
end
${lines.join('\n')}
`
}

const isFile = (kind: Kind): boolean => kind === 'file' || kind === 'folder' || kind === 'what'

const argumentOf = (kind: Kind, name: string): string => {
  if (typeof kind !== 'string') return `-a ${quoted(kind.join(' '))}`
  if (kind === 'folder') return `-a '(__fish_complete_directories)'`
  if (isFile(kind)) return `-a '(__fish_complete_path)'`
  return kind === 'other' ? '' : `-a '(${name} complete-words ${kind} 2>/dev/null)'`
}

const flagOf = (flag: string): string => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)
const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
