# Sourced by the scripts that build. Defines
#
#   with_progress WHAT SECONDS COMMAND…   runs a command that builds with cargo
#
# Instead of a line per crate there is one that says what is built and how far it is. SECONDS, the processor time that a
# first build takes, becomes an estimate for this machine; 0 is none. Without a terminal the line comes twice a minute. What
# else cargo says, warnings and errors, is shown at the end.
# shellcheck shell=bash

with_progress() {
  local what=$1 cpu_seconds=$2 begun=$SECONDS estimate='' log status
  shift 2
  if ((cpu_seconds)); then
    local minutes=$(((cpu_seconds / $(nproc) + 59) / 60))
    estimate=", about $minutes minute$( ((minutes == 1)) || echo s) the first time"
  fi
  log=$(mktemp)
  CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=100 CARGO_TERM_COLOR=never "$@" 2>&1 |
    stdbuf -oL tr '\r' '\n' | tee "$log" | progress_line "building $what$estimate"
  status=${PIPESTATUS[0]}
  # Lines of cargo's that are no message: its progress, and what it does.
  grep -vE '^ +(Compiling|Building|Checking|Updating|Locking|Adding|Downloading|Downloaded|Blocking|Fresh|Finished) |^ *$' "$log" >&2 || true
  rm -f "$log"
  if ((status == 0 && SECONDS - begun >= 10)); then
    echo "built $what in $(((SECONDS - begun) / 60)) min $(((SECONDS - begun) % 60)) s" >&2
  fi
  return "$status"
}

progress_line() { # reads cargo's lines, shows one
  local title=$1 line shown_at=-30 state shown=
  while IFS= read -r line; do
    case $line in
      *Building\ \[*) [[ $line =~ ([0-9]+)/([0-9]+) ]] && state="${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} steps" ;;
      *Updating\ * | *Download*) state="getting the sources of crates" ;;
      *Blocking\ *) state="waiting for another cargo" ;;
      *) continue ;;
    esac
    if [[ -t 2 ]]; then
      printf '\r\e[K%s: %s' "$title" "$state" >&2
      shown=yes
    elif ((SECONDS - shown_at >= 30)); then
      echo "$title: $state" >&2
      shown_at=$SECONDS
    fi
  done
  [[ -z $shown ]] || printf '\r\e[K' >&2
}
