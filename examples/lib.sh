# What the examples' scripts share: building, a folder that is theirs, and the two repositories.
# Sourced; `root` is the top of the source tree. Knows nothing of the data.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
began=$SECONDS

die() { printf '%s\n' "$*" >&2; exit 2; }
note() { printf '%s\n' "$*"; }

# Echoes a command as a person would type it, then runs it.
show() {
  local word line='$'
  for word in "$@"; do
    case $word in *[!A-Za-z0-9_./@=:+-]*) line+=" \"$word\"" ;; *) line+=" $word" ;; esac
  done
  printf '\n%s\n' "$line"
  "$@"
}

# The programs a user runs; the tests are left to tests/run. LOCKSTEP_BUILD=no takes those in PATH.
build_programs() {
  local log=$root/build/examples.log
  if [ "${LOCKSTEP_BUILD:-yes}" = no ]; then
    command -v lockstep >/dev/null || die "LOCKSTEP_BUILD=no, and lockstep is not in PATH"
    return
  fi
  "$root/pipeline/packaging/install" build || exit $?
  mkdir -p "$root/build"
  note "build   lockstep, lockstep-runner, lockstep-torch (log: build/examples.log)"
  # The compiler of tests/run, which then goes on with this build.
  if ! (cd "$root" && { cmake -S . -B build -G Ninja -DCMAKE_CXX_COMPILER="${CXX:-g++}" &&
      ninja -C build lockstep lockstep-runner lockstep-torch lockstep-sample; } 2>&1 </dev/null) |
      tee "$log" | build_progress; then
    tail -n 40 "$log" >&2
    die "the build failed; the whole log: $log"
  fi
  export PATH=$root/build/bin:$PATH
  note "build   ready after $((SECONDS - began)) s"
}

build_progress() {  # one line for every fifth of the way
  awk -F '[][/]' '/^\[[0-9]+\/[0-9]+\]/ && $3 >= 20 && $2 * 5 >= (step + 1) * $3 && $2 < $3 {
    step = int($2 * 5 / $3); printf "build   %d of %d\n", $2, $3; fflush() }'
}

# Makes DIR empty but for what a person put there; refuses a folder that no example made.
own_folder() {
  local dir=$1
  if [ -e "$dir" ] && [ ! -e "$dir/.example" ] && [ -n "$(ls -A "$dir")" ]; then
    die "$dir holds files that no example made; name another folder with --dir"
  fi
  mkdir -p "$dir" && cd "$dir" || exit 2
  if [ -x stop ]; then ./stop; fi
  if [ -d .lockstep ]; then chmod -R u+w .lockstep; fi
  rm -rf tables code code.git out .lockstep lockstep.yaml dolt dolt.yaml run registry
  rm -rf registry.yml start stop start-dolt stop-dolt secrets
  printf 'Made by an example of Lockstep; running it again starts anew.\n' >.example
}

new_repository() {  # DIR AUTHOR MAIL
  git init -q --initial-branch=main "$1"
  git -C "$1" config user.name "$2"
  git -C "$1" config user.email "$3"
  git -C "$1" config commit.gpgsign false
}

new_code() {
  new_repository code Bo bo@example.org
  cp -R "$root/examples/quickstart/code/." code
  git -C code add -A
  git -C code commit -qm 'Intent models: one adapter per client'
}

# A code repository with the workflow, a data repository with what `tables` holds, the workspace.
new_workspace() {
  mkdir -p tables
  new_repository tables Ann ann@example.org
  git -C tables add -A
  git -C tables commit -qm 'Utterances of all clients, corpus for the trunk'
  git -C tables tag corpus-2026-01
  new_code
  cp "$root/examples/quickstart/lockstep.yaml" lockstep.yaml
}
