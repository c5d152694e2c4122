/**
 * What each shell runs on Tab. None of them evaluates what was typed: the words go to `sitter complete` as arguments,
 * as they stand on the line (`$(…)` unexpanded), and the answer is taken as text. Without an offer of ours the shell
 * offers files. Where `sitter` is no program on PATH, the one of the project that the shell is in is asked by npx.
 */
export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

const bash = String.raw`
# bash completion for sitter
_sitter_complete() {
  local line
  local -a sitter=(command sitter)
  type -P sitter >/dev/null || sitter=(command npx --no-install sitter)
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("${'$'}{line%%${'$'}'\t'*}")
  done < <("${'$'}{sitter[@]}" complete -- "${'$'}{COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
}
complete -o default -F _sitter_complete sitter
`

const zsh = String.raw`
#compdef sitter
# zsh completion for sitter
_sitter() {
  local line
  local -a values shown sitter
  sitter=(command sitter)
  whence -p sitter >/dev/null || sitter=(command npx --no-install sitter)
  while IFS= read -r line; do
    values+=("${'$'}{line%%${'$'}'\t'*}")
    shown+=("${'$'}{line%%${'$'}'\t'*}  ${'$'}{line#*${'$'}'\t'}")
  done < <("${'$'}{sitter[@]}" complete -- "${'$'}{(@)words[2,CURRENT]}" 2>/dev/null </dev/null)
  if (( ${'$'}{#values} )); then
    compadd -l -d shown -a values
  else
    _files
  fi
}
if [ "${'$'}{funcstack[1]}" = "_sitter" ]; then
  _sitter "${'$'}@"
else
  compdef _sitter sitter
fi
`

const fish = String.raw`
# fish completion for sitter
function __sitter_complete
  set -l typed (commandline -opc)
  set -e typed[1]
  set -l sitter sitter
  command -q sitter; or set sitter npx --no-install sitter
  set -l offers (command ${'$'}sitter complete -- ${'$'}typed (commandline -ct) 2>/dev/null </dev/null)
  if test (count ${'$'}offers) -gt 0
    string join \n -- ${'$'}offers
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c sitter -f -a '(__sitter_complete)'
`

export const scripts: Readonly<Record<Shell, string>> = { bash, zsh, fish }
