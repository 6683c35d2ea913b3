# What the end-to-end scripts share: a workspace small enough to train in a blink, commands with
# checked answers, and servers that end with the script. Knows nothing of what is being tested.
#
#   . "$(dirname "$0")/lib.sh"
#   workspace 4 10                # 4 clients of 10 rows in $WORK/ws, the folder from here on
#   ok run                        # `lockstep --json run` must end with 0; `ends 2 check` with 2
#   holds 'd["executed"] == 4'    # a Python expression over the document (d) it printed
#   edit client-2 3               # changes 3 rows; `commit tables "3 rows"` commits them
#
# Run by hand it takes build/bin and a folder of its own: tests/e2e/2001_first_plan
# shellcheck shell=bash
set -uo pipefail

source_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LOCKSTEP_BIN=${LOCKSTEP_BIN:-$source_root/build/bin}
own_work=''
[ -n "${WORK:-}" ] || own_work=$(mktemp -d)
WORK=${WORK:-$own_work}
export PATH=$LOCKSTEP_BIN:$PATH
python=$(python3 -IS -c 'import sys; print(sys.executable)')  # asked once: a wrapper may be slow
export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-Test} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-t@example.org}
export GIT_COMMITTER_NAME=${GIT_COMMITTER_NAME:-Test}
export GIT_COMMITTER_EMAIL=${GIT_COMMITTER_EMAIL:-t@example.org}

server_pids=()  # ours to end
workspaces=()   # folders whose runner is ours to end

end_all() {
  local pid folder
  for folder in "${workspaces[@]}"; do end_runner "$folder"; done
  for pid in "${server_pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${server_pids[@]}"; do wait "$pid" 2>/dev/null; done
  if [ -n "$own_work" ]; then chmod -R u+w "$own_work"; rm -rf "$own_work"; fi
}
trap end_all EXIT
trap 'exit 143' TERM INT

fail() {  # says where in the script, and what the last command printed
  printf 'FAILED at %s:%s: %s\n' "$(basename "$0")" "$(script_line)" "$*"
  if [ -s "$WORK/command" ]; then
    printf -- '-- last command: %s\n' "$(cat "$WORK/command")"
    unfinished
    head -c 6000 "$WORK/stdout"
    printf -- '\n-- its stderr:\n'
    tail -n 40 "$WORK/stderr"
  fi
  exit 1
}

# Of a run that was printed: how it ended and what became of its steps, first, because a report may
# be cut short.
unfinished() {
  "$python" -IS - "$WORK/stdout" <<'END' 2>/dev/null
import json, sys
run = json.load(open(sys.argv[1]))
print(run['run'], run['result'], run.get('error', ''))
for step in run['steps']:
    if step['state'] != 'current':
        print({key: value for key, value in step.items() if value and key != 'reasons'})
END
}

script_line() {  # of the innermost call that stands in the script itself
  local i
  for i in "${!BASH_SOURCE[@]}"; do
    [ "${BASH_SOURCE[$i]}" -ef "${BASH_SOURCE[0]}" ] && continue
    printf '%s' "${BASH_LINENO[$i - 1]}"
    return
  done
}

# ---- commands

ends() {  # CODE ARGUMENT…: lockstep --json ends with CODE; its output is what `holds` looks at
  local want=$1 got
  shift
  printf 'lockstep --json %s (in %s)' "$*" "$PWD" >"$WORK/command"
  timeout 300 lockstep --json "$@" >"$WORK/stdout" 2>"$WORK/stderr" </dev/null
  got=$?
  [ "$got" -eq "$want" ] || fail "ended with $got, not $want"
}

ok() { ends 0 "$@"; }

value() {  # EXPRESSION over d, printed as text
  "$python" -IS "$source_root/tests/e2e/json_value.py" "$WORK/stdout" "$1"
}

holds() {
  local answer
  answer=$(value "$1" 2>&1)
  [ "$answer" = True ] || fail "not so: $1 ($answer)"
}

trained() {  # CLIENT…: `run` has just trained exactly these, and failed in nothing
  local client want=''
  for client in "$@"; do want+="'train[client=$client]', "; done
  holds "d['result'] == 'done' and d['executed'] == $# and d['failed'] == 0"
  holds "sorted(s['step'] for s in d['steps'] if s['attempt']) == sorted([$want])"
}

same() { [ "$1" = "$2" ] || fail "${3:-two values}: '$1' is not '$2'"; }

says() { grep -qF -- "$1" "$WORK/stdout" "$WORK/stderr" || fail "does not say: $1"; }

eventually() {  # SECONDS COMMAND…: tries until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "not within the time: $*"
    sleep 0.1
  done
}

# ---- a workspace whose training is a shell script: rows and code in, bytes out

workspace() {  # CLIENTS ROWS: makes $WORK/ws and goes there
  local clients=$1 rows=$2 n
  mkdir -p "$WORK/ws" && cd "$WORK/ws" || exit 1
  workspaces+=("$WORK/ws")
  mkdir -p tables code/train code/workflows
  printf 'columns: {id: int, client: text, text: text, intent: text}\nkey: [id]\n%s\n' \
    'partition: client' >tables/utterances.schema.yaml
  for ((n = 1; n <= clients; n++)); do add_client "client-$n" "$n" "$rows"; done
  write_workflow </dev/null
  write_trainer
  printf 'sources:\n  tables: {kind: git-tables, place: tables}\n  code: {kind: git-repo, %s\n' \
    'place: code}' >lockstep.yaml
  printf 'pools:\n  local: {slots: 4}\n' >>lockstep.yaml
  for n in tables code; do
    git init -q --initial-branch=main "$n"
    commit "$n" 'first'
  done
}

add_client() {  # NAME NUMBER ROWS
  local file=tables/utterances/client=$1/part.csv row
  mkdir -p "$(dirname "$file")"
  printf 'id,text,intent\n' >"$file"
  for ((row = 1; row <= $3; row++)); do
    printf '%d,say %d,intent-%d\n' $(($2 * 1000 + row)) "$row" $((row % 3)) >>"$file"
  done
}

write_workflow() {  # stdin: further keys of the step `train`, indented by four
  {
    cat <<'END'
name: intents
steps:
  train:
    strategy: {matrix: {client: {table: utterances, column: client}}}
    inputs:
      rows: {table: utterances, columns: [text, intent], where: {client: "${{ matrix.client }}"}}
      code: {paths: ["train/**"]}
    run: sh train/train.sh
    outputs: {model: model.txt, metrics: metrics.json}
    registers: intent-${{ matrix.client }}
END
    cat
    printf 'releases:\n  production: {models: ["intent-*"], image: {name: intents}}\n'
  } >code/workflows/intents.yaml
}

write_trainer() {  # the model is its rows and the version of the code; a file sets its accuracy
  echo 1 >code/train/version
  echo 0.9 >code/train/accuracy
  cat >code/train/train.sh <<'END'
set -eu
cat train/version "$LOCKSTEP_INPUT_ROWS" >"$LOCKSTEP_OUTPUT/model.txt"
printf '{"accuracy": %s}\n' "$(cat train/accuracy)" >"$LOCKSTEP_OUTPUT/metrics.json"
END
}

# A trainer that tells of itself in $WORK/began and $WORK/ended, one line for each time it ran, and
# waits in between until there is $WORK/go. Call it before the first commit of the code.
held_trainer() {
  { printf 'echo "$LOCKSTEP_STEP" >>"%s/began"; echo "began $LOCKSTEP_STEP"\n' "$WORK"
    printf 'for i in $(seq 600); do [ -e "%s/go" ] && break; sleep 0.1; done\n' "$WORK"
    cat code/train/train.sh
    printf 'echo "$LOCKSTEP_STEP" >>"%s/ended"; echo "ended $LOCKSTEP_STEP"\n' "$WORK"
  } >code/train/held.sh && mv code/train/held.sh code/train/train.sh
  touch "$WORK/began" "$WORK/ended"
}

lines() { wc -l <"$WORK/$1"; }

has_lines() { [ "$(lines "$1")" -ge "$2" ]; }  # FILE N

shows() {  # EXPRESSION ARGUMENT…: is it true of what lockstep prints? For eventually
  local expression=$1
  shift
  lockstep --json "$@" >"$WORK/shown" 2>/dev/null &&
    [ "$("$python" -IS "$source_root/tests/e2e/json_value.py" "$WORK/shown" "$expression")" = True ]
}

version_is() { shows "by(d, 'name')['$1']['version'] == $2" models; }  # MODEL VERSION

edit() {  # CLIENT N: gives the first N rows of the client another intent
  local file=tables/utterances/client=$1/part.csv
  awk -F, -v OFS=, -v n="$2" 'NR > 1 && NR <= n + 1 { $3 = $3 "x" } { print }' "$file" \
    >"$file.new" && mv "$file.new" "$file"
}

drop() {  # CLIENT FIRST LAST: takes rows out of its file; the header stays
  sed -i "$(($2 + 1)),$(($3 + 1))d" "tables/utterances/client=$1/part.csv"
}

commit() {  # REPOSITORY MESSAGE
  git -C "$1" add -A && git -C "$1" commit -qm "$2" || fail "git could not commit in $1"
}

head_of() { git -C "$1" rev-parse HEAD; }

# ---- processes: each is ended by its pid, at the latest with the script

serving() {  # does a daemon answer here? Asks without a command, which would take the lock itself
  "$python" -IS -c 'import socket; socket.socket(socket.AF_UNIX).connect(".lockstep/socket")'
}

serve_start() {  # ARGUMENT…: `lockstep serve` of this folder; server_pid is its pid
  lockstep serve "$@" >>"$WORK/serve.log" 2>&1 </dev/null &
  server_pid=$!
  server_pids+=("$server_pid")
  eventually 30 serving
}

serve_stop() {  # SIGNAL: how to end it (default TERM)
  kill "-${1:-TERM}" "$server_pid" 2>/dev/null
  wait "$server_pid" 2>/dev/null
}

runner_of() {  # WORKSPACE: prints the pid of its runner, if one runs
  local pid
  pid=$(cat "$1/.lockstep/runner/lock" 2>/dev/null) || return 1
  grep -qzF "$1/.lockstep/runner" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

end_runner() {  # WORKSPACE: the runner outlives its daemon by design; not this script
  local pid
  pid=$(runner_of "$1") && kill "$pid" 2>/dev/null
}

# Sets packaged_python to a Python with the packages of tests/e2e/NAME_requirements.txt, which are
# fetched once and kept in LOCKSTEP_CACHE.
python_with() {  # NAME
  local list=$source_root/tests/e2e/$1_requirements.txt cache place
  cache=${LOCKSTEP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lockstep}
  place=$cache/python-$1-$(sha256sum <"$list" | head -c 16)
  mkdir -p "$cache"
  (
    flock 9
    [ -e "$place/complete" ] && exit 0
    rm -rf "$place"
    /usr/bin/python3 -m venv "$place" && "$place/bin/pip" install -q -r "$list" &&
      touch "$place/complete"
  ) 9>"$cache/python-$1.lock" >"$WORK/pip.log" 2>&1 ||
    fail "the packages of $list can't be had: $(tail -n 3 "$WORK/pip.log")"
  packaged_python=$place/bin/python
}

free_port() {
  "$python" -IS -c 'import socket
print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

registry_start() {  # docker-registry on loopback; registry is its host:port
  local port
  port=$(free_port)
  registry=127.0.0.1:$port
  mkdir -p "$WORK/registry"
  cat >"$WORK/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $WORK/registry}, delete: {enabled: true}}
http: {addr: "$registry", secret: not-a-secret}
END
  docker-registry serve "$WORK/registry.yml" >"$WORK/registry.log" 2>&1 </dev/null &
  registry_pid=$!
  server_pids+=("$registry_pid")
  eventually 30 answers "$port"
}

dolt_start() {  # a Dolt server in $WORK/dolt on the socket $WORK/dolt.sock and the port dolt_port
  export HOME=$WORK DOLT_ROOT_PATH=$WORK DOLT_DISABLE_EVENT_FLUSH=1
  : "${LOCKSTEP_DOLT:?must name the Dolt program: export LOCKSTEP_DOLT=\$(tests/tools/dolt/build)}"
  if [ ! -e "$WORK/dolt.yaml" ]; then
    mkdir -p "$WORK/dolt"
    dolt_port=$(free_port)
    printf 'log_level: warning\nlistener: {host: 127.0.0.1, port: %s, socket: %s}\ndata_dir: %s\n' \
      "$dolt_port" "$WORK/dolt.sock" "$WORK/dolt" >"$WORK/dolt.yaml"
    # Before any other call, or it starts a sender of metrics.
    "$LOCKSTEP_DOLT" config --global --add metrics.disabled true >/dev/null
    "$LOCKSTEP_DOLT" config --global --add user.name Test >/dev/null
    "$LOCKSTEP_DOLT" config --global --add user.email t@example.org >/dev/null
  fi
  rm -f "$WORK/dolt.sock"  # a killed server leaves it, and the next would go without
  "$LOCKSTEP_DOLT" sql-server --config "$WORK/dolt.yaml" >>"$WORK/dolt.log" 2>&1 </dev/null &
  dolt_pid=$!
  server_pids+=("$dolt_pid")
  eventually 30 mariadb --no-defaults -S "$WORK/dolt.sock" -uroot -e 'SELECT 1'
}

dolt_sql() {  # DATABASE STATEMENTS: prints the rows, columns apart by tabs
  mariadb --no-defaults -S "$WORK/dolt.sock" -uroot --default-character-set=utf8mb4 -N \
    ${1:+"$1"} -e "$2" 2>"$WORK/dolt.error" || fail "Dolt refuses: $(cat "$WORK/dolt.error")"
}

mariadb_start() {  # a MariaDB server in $WORK/mariadb on the socket $WORK/mariadb.sock
  # Servers that share a folder for temporary files remove each other's when they start.
  local own=(--no-defaults --datadir="$WORK/mariadb" --tmpdir="$WORK/mariadb.tmp")
  mkdir -p "$WORK/mariadb.tmp"
  if [ ! -e "$WORK/mariadb" ]; then
    mariadb-install-db "${own[@]}" --auth-root-authentication-method=normal --skip-test-db \
      >"$WORK/mariadb.log" 2>&1 || fail "$(cat "$WORK/mariadb.log")"
  fi
  local user=()
  [ "$(id -u)" -ne 0 ] || user=(--user=root)
  mariadbd "${own[@]}" --socket="$WORK/mariadb.sock" --skip-networking \
    --innodb-buffer-pool-size=32M "${user[@]}" >>"$WORK/mariadb.log" 2>&1 </dev/null &
  mariadb_pid=$!
  server_pids+=("$mariadb_pid")
  eventually 60 mariadb --no-defaults -S "$WORK/mariadb.sock" -uroot -e 'SELECT 1'
}

mariadb_sql() {  # DATABASE STATEMENTS: prints the rows, columns apart by tabs
  mariadb --no-defaults -S "$WORK/mariadb.sock" -uroot --default-character-set=utf8mb4 -N \
    ${1:+"$1"} -e "$2" 2>"$WORK/mariadb.error" ||
    fail "MariaDB refuses: $(cat "$WORK/mariadb.error")"
}
