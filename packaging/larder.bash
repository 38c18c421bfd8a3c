# Completion of larder's flags for bash: read from `larder --help`, so they are those of the binary.

_larder() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD - 1]}" help values
  COMPREPLY=()
  help="$("${COMP_WORDS[0]}" --help 2>/dev/null)" || return 0
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(grep -oE '^  (-h, |-v, )?--[a-z-]+' <<<"$help" |
      grep -oE -- '--[a-z-]+')" -- "$word")
    return 0
  fi
  # "--daemonize yes|no   run in the background": what may stand there stands there.
  values="$(grep -oE -- "^  $before [a-z-]+(\|[a-z-]+)+" <<<"$help" | tail -n 1)"
  values="${values##* }"
  if [[ $before == --* && -n $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${values//|/ }" -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}
complete -o filenames -F _larder larder
