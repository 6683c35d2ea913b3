# What the examples with a Dolt server share: the program, its port, the sample's tables as SQL.
# Sourced behind lib.sh, with `example` set to the script's name. Knows nothing of what is done with
# the rows.
# shellcheck shell=bash

find_dolt() {
  DOLT=$(command -v "${DOLT:-dolt}") || die "no Dolt program here; name one:
  a release of https://github.com/dolthub/dolt:  DOLT=/path/to/dolt $example
  or the one that the tests run, built once:     DOLT=\$(tests/tools/dolt/build) $example"
  DOLT=$(realpath "$DOLT")
  export DOLT
}

find_client() {
  command -v mariadb >/dev/null || "$root/pipeline/packaging/install" client || exit $?
}

free_port() {  # [FIRST]: the first from there (3307) up that nobody answers on
  local port=${1:-3307}
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
  echo $port
}

sql() { mariadb --no-defaults -S run/dolt.sock -uroot --default-character-set=utf8mb4 "$@"; }

# Rows of the sample's CSV files, in which no cell is quoted, as one INSERT for each file.
insert() {  # TABLE FILE CELL-BEFORE-THE-TEXT
  printf "INSERT INTO %s VALUES\n" "$1"
  sed -E -e "1d; s/'/''/g; s/^([0-9]+),([^,\"]*),([^,\"]*)\$/(\1,$3'\2','\3')/" \
    -e '$!s/$/,/; $s/$/;/' "$2"
}

load_statements() {
  local folder
  cat <<'END'
CREATE DATABASE clients; USE clients;
CREATE TABLE utterances (id INT PRIMARY KEY, client VARCHAR(64) NOT NULL, text TEXT NOT NULL,
  intent TEXT NOT NULL, KEY (client));
CREATE TABLE corpus (id INT PRIMARY KEY, text TEXT NOT NULL, label TEXT NOT NULL);
END
  for folder in run/sample/utterances/client=*; do
    insert utterances "$folder/part.csv" "'${folder#*=}',"
  done
  insert corpus run/sample/corpus.csv ''
  cat <<'END'
CALL dolt_commit('-Am', 'Utterances of all clients, corpus for the trunk',
  '--author', 'Ann <ann@example.org>');
CALL dolt_tag('corpus-2026-01');
END
}

await_run() {  # ID: it begins by itself, because serve sees the commit
  local said=''
  while [[ -z $said || $said == "run "*" running ("* ]]; do
    kill -0 "$(cat run/serve.pid)" 2>/dev/null || die "serve ended: $(tail -n 20 run/serve.log)"
    sleep 0.2
    said=$(lockstep run show "$1" 2>/dev/null || true)
  done
}

# A server in the folder, which has `start`, with the tables of `lockstep-sample ARGUMENT… TABLES`.
new_server() {
  port=$(free_port "${first_port:-3307}")
  printf 'log_level: warning\nlistener: {host: 127.0.0.1, port: %s, socket: run/dolt.sock}\n%s\n' \
    "$port" 'data_dir: dolt' >dolt.yaml
  ./start dolt
  lockstep-sample "$@" run/sample
  load_statements | sql >/dev/null
  rm -rf run/sample
}
